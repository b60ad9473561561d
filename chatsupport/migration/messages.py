"""Messages of the Node.js system -> ours: each gets its `seq`, in the order of time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pymongo.database
from pymongo import UpdateOne

SESSIONS_A_BATCH = 200
UPDATES_A_WRITE = 5_000

Database = pymongo.database.Database[dict[str, Any]]

INDEX = "migration"

_ORDER = [("sessionId", 1), ("timestamp", 1), ("_id", 1)]
_UNNUMBERED = {"seq": {"$exists": False}}


def count_unnumbered(database: Database) -> int:
    """Return how many messages have no seq."""
    return int(database.messages.count_documents(_UNNUMBERED))


def is_any_unnumbered(database: Database) -> bool:
    """Tell whether any message has no seq."""
    return database.messages.find_one(_UNNUMBERED, {"_id": 1}) is not None


def number(database: Database) -> Iterator[int]:
    """Number the messages of each session that has any without a number; a session is numbered anew as a whole.

    Messages of the same millisecond keep the order of their ids.
    """
    # So that a session's messages are found in their order without sorting, nor reading the others.
    database.messages.create_index(_ORDER, name=INDEX)
    sessions = iter(_sessions_with_unnumbered(database))
    while batch := list(islice(sessions, SESSIONS_A_BATCH)):
        updates = _updates(database, batch)
        while some := list(islice(updates, UPDATES_A_WRITE)):
            yield database.messages.bulk_write(some, ordered=False).modified_count


def drop_index(database: Database) -> None:
    """Remove the index that numbering needed; also the one that an interrupted migration has left."""
    if INDEX in database.messages.index_information():
        database.messages.drop_index(INDEX)


def _sessions_with_unnumbered(database: Database) -> list[Any]:
    stages: list[dict[str, Any]] = [{"$match": _UNNUMBERED}, {"$group": {"_id": "$sessionId"}}]
    return [row["_id"] for row in database.messages.aggregate(stages, allowDiskUse=True)]


def _updates(database: Database, sessions: list[Any]) -> Iterator[UpdateOne]:
    wanted, fields = {"sessionId": {"$in": sessions}}, {"sessionId": 1, "seq": 1}
    rows = database.messages.find(wanted, fields, sort=_ORDER, allow_disk_use=True, hint=INDEX)
    current: Any = object()
    seq = 0
    for row in rows:
        seq = seq + 1 if row["sessionId"] == current else 1
        current = row["sessionId"]
        if row.get("seq") != seq:
            yield UpdateOne({"_id": row["_id"]}, {"$set": {"seq": seq}})
