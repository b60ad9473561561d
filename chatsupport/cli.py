"""Command line: `flask --app wsgi …`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import click
import pymongo
from flask import Flask
from flask.cli import with_appcontext
from pymongo.errors import PyMongoError

from chatsupport import migration, startup
from chatsupport.database import connection
from chatsupport.extensions import settings
from chatsupport.services import assignment

PATIENCE_SECONDS = 86_400.0
"""Nobody waits for an answer here, and building an index on many documents takes its time."""


def register(app: Flask) -> None:
    """Add the commands to `flask`."""
    app.cli.add_command(init_db)
    app.cli.add_command(migrate)


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """Give the database all the time it needs; end with one line where it cannot be worked on."""
    try:
        with pymongo.timeout(PATIENCE_SECONDS):
            yield
    except (startup.MigrationNeededError, connection.UnsupportedVersionError) as error:
        click.echo(error, err=True)
        sys.exit(1)
    except PyMongoError as error:
        if not connection.is_unavailable(error):
            raise
        click.echo("The database does not answer. Check MONGODB_URI, and that MongoDB runs.", err=True)
        sys.exit(1)


@click.command("init-db")
@with_appcontext
def init_db() -> None:
    """Make the indexes and the default agents. A release runs it once."""
    with _patience():
        startup.prepare_database(settings.config)
    click.echo("The database is ready: indexes and default agents are there.")


@click.command("migrate")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@with_appcontext
def migrate(dry_run: bool) -> None:
    """Take over the data of the Node.js system, in place. Stop all servers first; interrupted, run it again."""
    with _patience():
        connection.require_supported_version()
        for step in migration.STEPS:
            _run_step(step, dry_run=dry_run)
        if not dry_run:
            migration.mark_current()
            assignment.drain_queue()  # Whoever waits gets what slots have come free.
            click.echo("The database is current. Servers may start.")


def _run_step(step: migration.Step, *, dry_run: bool) -> None:
    database = connection.database()
    todo = step.count(database)
    if dry_run or not todo:
        click.echo(f"{step.title}: {todo} to do")
    elif sys.stdout.isatty():
        with click.progressbar(length=todo, label=step.title, show_pos=True) as bar:
            for done in step.run(database):
                bar.update(done)
    else:
        click.echo(f"{step.title}: {sum(step.run(database))} done")
