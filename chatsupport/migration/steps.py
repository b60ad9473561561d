"""The steps of the migration, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pymongo.database

from chatsupport import documents
from chatsupport.database import clock, connection
from chatsupport.errors import CannotServeError
from chatsupport.migration import agents, messages, sessions

SCHEMA_VERSION = 1
_SCHEMA = {"_id": "schema"}

Database = pymongo.database.Database[dict[str, Any]]


class LaterSchemaError(CannotServeError):
    """A later release has changed the database to a form that this one does not know."""

    def __init__(self, database: str, version: int) -> None:
        super().__init__(
            f"The database {database} was changed by a later release of Chat Support (its schema is version {version}, "
            f"and this release knows {SCHEMA_VERSION}). Start that release again, or restore the backup from before it."
        )


@dataclass(frozen=True)
class Step:
    """One step: what it does, how many documents it would change, and how to do it."""

    title: str
    count: Callable[[Database], int]
    """Return how many documents the step would change."""
    run: Callable[[Database], Iterator[int]]
    """Do it. Yields the number of changed documents after each batch."""


def _count_indexes(database: Database) -> int:
    return len(documents.missing_indexes()) + messages.has_index(database)


def _ensure_indexes(database: Database) -> Iterator[int]:
    todo = _count_indexes(database)
    messages.drop_index(database)
    documents.ensure_indexes()
    yield todo


STEPS = (
    Step("Give ids stored as text their type", sessions.count_text_ids, sessions.convert_text_ids),
    Step("Complete sessions", sessions.count_incomplete, sessions.complete),
    Step("End all but one of a user's open sessions", sessions.count_duplicates, sessions.end_duplicates),
    Step("Complete agents", agents.count_incomplete, agents.complete),
    Step("Make agents' slots and their sessions agree", agents.count_disagreements, agents.rebuild_slots),
    Step("Number messages", messages.count_unnumbered, messages.number),
    Step("Make indexes", _count_indexes, _ensure_indexes),
)


def is_needed() -> bool:
    """Tell whether the database holds data that the server cannot use.

    A database with the mark "current" costs one look-up. One without it is examined once, and marked.
    Raises `LaterSchemaError`.
    """
    database = connection.database()
    mark = database.meta.find_one(_SCHEMA)
    if mark is not None and mark["version"] > SCHEMA_VERSION:
        raise LaterSchemaError(database.name, mark["version"])
    if mark is not None and mark["version"] == SCHEMA_VERSION:
        return False
    # The first two steps answer at once for data of the Node.js system, however much there is.
    if messages.is_any_unnumbered(database) or sessions.is_any_incomplete(database):
        return True
    if any(step.count(database) for step in STEPS[:-1]):
        return True
    mark_current()
    return False


def mark_current() -> None:
    """Mark the database as current: nothing is left to migrate."""
    mark = {"$set": {"version": SCHEMA_VERSION, "updatedAt": clock.now()}}
    connection.database().meta.update_one(_SCHEMA, mark, upsert=True)
