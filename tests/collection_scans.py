"""Fixture: no query of the server reads a whole collection. After each test, MongoDB explains the server's commands.

With a small collection the answer comes at once and hides the fault, but the plan shows it at any size.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient, monitoring
from pymongo.errors import PyMongoError

PROJECT = Path(__file__).parents[1]
SERVER, TESTS = str(PROJECT / "chatsupport"), str(PROJECT / "tests")
AT_A_START = ("cli/", "migration/", "startup.py", "documents/indexes.py")
"""Functions that operators or a start run, which may scan."""
MAY_SCAN = {
    "totals.py:_skew": "counts everything, at a start",
    "totals.py:_sum": "adds everything up, at the first start",
    "reconciliation.py:_held": "compares all agents with all open sessions, once a minute in one process",
    "reconciliation.py:_correct_loads": "looks at all agents, once a minute in one process",
    "examinations.py:_running_processes": "looks at all processes, which are few, for a person at a command line",
    "examinations.py:agents": "looks at all agents, for a person who waits at a command line",
    "slots.py:find": "is asked after a failure only",
    "erasure.py:_sessions_with": "goes through everything bit by bit, in the background",
    "erasure.py:_update": "goes through everything bit by bit, in the background",
    "export.py:_sent_elsewhere": "exports what an agent wrote anywhere; an index would cost every message",
}
STATEMENTS = {"update": "updates", "delete": "deletes"}
EXPLAINED = {"find", "aggregate", "count", "distinct", "findAndModify", *STATEMENTS}
NOT_ASKED = ("$", "lsid", "txnNumber", "maxTimeMS", "writeConcern", "readConcern", "new", "bypassDocumentValidation")

Command = dict[str, Any]


class Watch(monitoring.CommandListener):
    """Records each kind of command that the server's code sends."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._known: set[str] = set()
        self._new: list[tuple[str, str, Command]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Note a command that was not seen before."""
        if event.command_name not in EXPLAINED:
            return
        place = _place()
        if place is None:
            return
        for command in _statements(event.command_name, event.command):
            kind = f"{place} {event.command_name} {json.dumps(_shape(command), default=str)}"
            with self._mutex:
                if kind not in self._known:
                    self._known.add(kind)
                    self._new.append((place, event.database_name, command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to do."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to do."""

    def scans(self, client: MongoClient[Any]) -> list[str]:
        """Return the new commands that scan a collection: where they come from, and what they ask."""
        with self._mutex:
            new, self._new = self._new, []
        return [
            f"{place}: {json.dumps(command, default=str)[:300]}"
            for place, database, command in new
            if _scans(client[database], command)
        ]


def _place() -> str | None:
    """Return the server's line that sends the current command, or None if it may scan or a test sends it."""
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(TESTS):
            return None
        if file.startswith(SERVER) and not frame.f_code.co_name.startswith("<"):  # A comprehension's, before 3.12.
            function = f"{Path(file).name}:{frame.f_code.co_name}"
            place = f"{file[len(SERVER) + 1 :]}:{frame.f_lineno}"
            return None if function in MAY_SCAN or place.startswith(AT_A_START) else place
        frame = frame.f_back  # type: ignore[assignment]
    return None


def _statements(name: str, command: Mapping[str, Any]) -> Iterator[Command]:
    kept = {field: value for field, value in command.items() if not field.startswith(NOT_ASKED)}
    if name not in STATEMENTS:
        yield kept
        return
    statements: Iterable[Mapping[str, Any]] = kept.pop(STATEMENTS[name])
    for statement in statements:
        yield {**kept, STATEMENTS[name]: [dict(statement)]}


def _shape(asked: Any) -> Any:
    """Return a command without its values."""
    if isinstance(asked, Mapping):
        return {name: _shape(value) for name, value in asked.items()}
    if isinstance(asked, list):
        return [_shape(value) for value in asked[:2]]
    return asked if isinstance(asked, bool) or asked is None else type(asked).__name__


_ANY_DATE = CodecOptions[Any](datetime_conversion=DatetimeConversion.DATETIME_AUTO)
"""A plan may have dates beyond those of Python, as bounds."""
NO_DATABASE = 26
"""NamespaceNotFound."""


def _scans(database: Any, command: Command) -> bool:
    try:
        plan = database.command("explain", command, verbosity="queryPlanner", codec_options=_ANY_DATE)
    except PyMongoError as error:
        if getattr(error, "code", None) == NO_DATABASE:
            return False  # The test has its own MongoDB.
        raise AssertionError(f"MongoDB cannot explain {command}") from error
    return "'stage': 'COLLSCAN'" in str(plan)


WATCH = Watch()
monitoring.register(WATCH)


@pytest.fixture(scope="session")
def own_client(mongodb_uri: str) -> Iterator[MongoClient[Any]]:
    """A client that does not belong to the application."""
    with MongoClient[Any](mongodb_uri) as client:
        yield client


@pytest.fixture(autouse=True)
def no_collection_scans(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which the server sends a query that no index answers."""
    if "mongodb_uri" not in request.fixturenames:
        yield  # It needs no database.
        return
    own_client: MongoClient[Any] = request.getfixturevalue("own_client")
    yield
    found = WATCH.scans(own_client)
    assert not found, "No index answers:\n" + "\n".join(found)
