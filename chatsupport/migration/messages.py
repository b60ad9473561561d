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

_UNNUMBERED = {"seq": {"$exists": False}}


def count_unnumbered(database: Database) -> int:
    """Return how many messages have no seq."""
    return int(database.messages.count_documents(_UNNUMBERED))


def number(database: Database) -> Iterator[int]:
    """Number the messages of each session that has any without a number; a session is numbered anew as a whole.

    Messages of the same millisecond keep the order of their ids.
    """
    # So that a session's messages are found and sorted without reading the others.
    database.messages.create_index([("sessionId", 1), ("timestamp", 1)], name="migration")
    try:
        sessions = (row["_id"] for row in _sessions_with_unnumbered(database))
        while batch := list(islice(sessions, SESSIONS_A_BATCH)):
            updates = _updates(database, batch)
            while some := list(islice(updates, UPDATES_A_WRITE)):
                yield database.messages.bulk_write(some, ordered=False).modified_count
    finally:
        database.messages.drop_index("migration")


def _sessions_with_unnumbered(database: Database) -> Iterator[dict[str, Any]]:
    stages: list[dict[str, Any]] = [{"$match": _UNNUMBERED}, {"$group": {"_id": "$sessionId"}}]
    return iter(list(database.messages.aggregate(stages, allowDiskUse=True)))


def _updates(database: Database, sessions: list[Any]) -> Iterator[UpdateOne]:
    order = [("sessionId", 1), ("timestamp", 1), ("_id", 1)]
    rows = database.messages.find(
        {"sessionId": {"$in": sessions}}, {"sessionId": 1, "seq": 1}, sort=order, allow_disk_use=True
    )
    current: Any = object()
    seq = 0
    for row in rows:
        seq = seq + 1 if row["sessionId"] == current else 1
        current = row["sessionId"]
        if row.get("seq") != seq:
            yield UpdateOne({"_id": row["_id"]}, {"$set": {"seq": seq}})
