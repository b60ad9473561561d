"""Messages of the Node.js system -> ours: each gets its `seq`, in the order of time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pymongo.database
from pymongo import UpdateOne

UPDATES_A_WRITE = 5_000

Database = pymongo.database.Database[dict[str, Any]]

INDEX = "migration"

_ORDER = [("timestamp", 1), ("_id", 1)]
_UNNUMBERED = {"seq": {"$exists": False}}


def count_unnumbered(database: Database) -> int:
    """Return how many messages have no seq."""
    return int(database.messages.count_documents(_UNNUMBERED))


def is_any_unnumbered(database: Database) -> bool:
    """Tell whether any message has no seq."""
    return database.messages.find_one(_UNNUMBERED, {"_id": 1}) is not None


def number(database: Database) -> Iterator[int]:
    """Number the messages of each session that has unnumbered ones. All messages of such a session are numbered again.

    Messages of the same millisecond keep the order of their ids. All sessions are numbered side by side, in the order
    of time, because that is how messages lie on the disk: session by session, each update would touch a page of its
    own, and a million of them would take an hour instead of minutes.
    """
    database.messages.create_index(_ORDER, name=INDEX)
    updates = _updates(database, dict.fromkeys(_sessions_with_unnumbered(database), 0))
    while some := list(islice(updates, UPDATES_A_WRITE)):
        yield database.messages.bulk_write(some, ordered=False).modified_count


def has_index(database: Database) -> bool:
    """Tell whether the index that numbering needs is there."""
    return INDEX in database.messages.index_information()


def drop_index(database: Database) -> None:
    """Remove the index that numbering needed, also if an interrupted migration left it."""
    if has_index(database):
        database.messages.drop_index(INDEX)


def _sessions_with_unnumbered(database: Database) -> list[Any]:
    stages: list[dict[str, Any]] = [{"$match": _UNNUMBERED}, {"$group": {"_id": "$sessionId"}}]
    return [row["_id"] for row in database.messages.aggregate(stages, allowDiskUse=True)]


def _updates(database: Database, last_seqs: dict[Any, int]) -> Iterator[UpdateOne]:
    """Yield the updates that give each message of these sessions its seq, unless it has it already."""
    rows = database.messages.find({}, {"sessionId": 1, "seq": 1}, sort=_ORDER, hint=INDEX)
    for row in rows:
        session_id = row.get("sessionId")
        if session_id not in last_seqs:
            continue
        seq = last_seqs[session_id] = last_seqs[session_id] + 1
        if row.get("seq") != seq:
            yield UpdateOne({"_id": row["_id"]}, {"$set": {"seq": seq}})
