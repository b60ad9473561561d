"""`flask --app wsgi doctor`: one line for each thing that a server needs, and what to do if it has a problem."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import click
from flask.cli import with_appcontext
from pymongo.errors import PyMongoError

from chatsupport import feature
from chatsupport.config import Config
from chatsupport.extensions import settings
from chatsupport.feature import FAIL, OK, WARN, Finding
from chatsupport.features.upkeep import examinations

_COLORS = {OK: "green", WARN: "yellow", FAIL: "red"}


NOT_CHECKED = "not checked, because of the database"


@dataclass(frozen=True)
class Examination:
    """One check. Some make no sense while the database is away or has to be migrated."""

    title: str
    look: Callable[[Config], Iterator[Finding]]
    needs_database: bool = False


EXAMINATIONS = (
    Examination("configuration", examinations.configuration),
    Examination("database", examinations.database),
    Examination("indexes", examinations.indexes, needs_database=True),
    Examination("clock", examinations.clock, needs_database=True),
    Examination("processes", examinations.running, needs_database=True),
    Examination("agents", examinations.agents, needs_database=True),
    Examination("valkey", examinations.valkey),
    Examination("open files", examinations.open_files),
    Examination("disk", examinations.disk),
    Examination("server", examinations.server),
)


@click.command("doctor")
@with_appcontext
def doctor() -> None:
    """Check everything that a server needs. The exit status is 1 if a check fails, and 0 if there are only warnings."""
    failed: set[str] = set()
    of_features = [
        Examination(title, look) for each in feature.installed() for title, look in each.examinations.items()
    ]
    for examination in (*EXAMINATIONS, *of_features):
        if examination.needs_database and "database" in failed:
            findings = [Finding(FAIL, NOT_CHECKED)]
        else:
            findings = _look(examination, "database" in failed)
        for finding in findings:
            click.echo(
                f"{click.style(f'{finding.state:<4}', fg=_COLORS[finding.state])}  {examination.title}: {finding}"
            )
            if finding.state == FAIL:
                failed.add(examination.title)
    sys.exit(1 if failed else 0)


def _look(examination: Examination, is_database_away: bool) -> list[Finding]:
    try:
        return list(examination.look(settings.config))
    except (PyMongoError, OSError) as error:
        if is_database_away:
            return [Finding(FAIL, NOT_CHECKED)]
        return [Finding(FAIL, f"could not be checked: {type(error).__name__}", "try again, and read the log")]
