"""Sessions of the Node.js system -> ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymongo.database

from chatsupport.database.connection import now
from chatsupport.documents.session import BACK, ENDED, OPEN

DUPLICATE_REASON = "Closed on migration: the user had another open session"

Database = pymongo.database.Database[dict[str, Any]]

_TEXT_IDS = (("sessions", "agentId"), ("messages", "sessionId"))

_INCOMPLETE: dict[str, Any] = {
    "$or": [
        {"userType": {"$exists": False}},
        {"status": {"$nin": [*OPEN, ENDED]}},
        {"createdAt": {"$exists": False}},
        {"queuedAt": {"$exists": False}},
    ]
}


def count_text_ids(database: Database) -> int:
    """Return how many ids are stored as text."""
    return sum(database[name].count_documents({field: {"$type": "string"}}) for name, field in _TEXT_IDS)


def convert_text_ids(database: Database) -> Iterator[int]:
    """Turn ids stored as text into ids; an agent's that is none is dropped."""
    for name, field in _TEXT_IDS:
        instead = None if field == "agentId" else f"${field}"
        convert = {"$convert": {"input": f"${field}", "to": "objectId", "onError": instead}}
        yield database[name].update_many({field: {"$type": "string"}}, [{"$set": {field: convert}}]).modified_count


def count_incomplete(database: Database) -> int:
    """Return how many sessions lack what we add, or have a status we do not know."""
    return int(database.sessions.count_documents(_INCOMPLETE))


def complete(database: Database) -> Iterator[int]:
    """Add what is missing. A status we do not know is an end: better than a session that nobody can close."""
    known = {"$in": ["$status", [*OPEN, ENDED]]}
    created = {"$ifNull": ["$createdAt", {"$toDate": "$_id"}]}
    values = {
        "userType": {"$ifNull": ["$userType", "user"]},
        "status": {"$cond": [known, "$status", ENDED]},
        "createdAt": created,
        "queuedAt": {"$ifNull": ["$queuedAt", created]},
        "queuePriority": {"$ifNull": ["$queuePriority", BACK]},
        "updatedAt": {"$ifNull": ["$updatedAt", created]},
        "endedAt": {"$cond": [known, {"$ifNull": ["$endedAt", None]}, {"$ifNull": ["$endedAt", "$$NOW"]}]},
    }
    yield database.sessions.update_many(_INCOMPLETE, [{"$set": values}]).modified_count


def count_duplicates(database: Database) -> int:
    """Return how many sessions are open beside a newer one of the same user."""
    return sum(len(older) for older in _duplicates(database))


def end_duplicates(database: Database) -> Iterator[int]:
    """End all open sessions of a user but the one that an agent has, or else the newest."""
    for older in _duplicates(database):
        time = now()
        ended = {"status": ENDED, "endedAt": time, "endReason": DUPLICATE_REASON, "updatedAt": time}
        yield database.sessions.update_many({"_id": {"$in": older}}, {"$set": ended}).modified_count


def _duplicates(database: Database) -> Iterator[list[Any]]:
    rows = database.sessions.aggregate(
        [
            {"$match": {"status": {"$in": list(OPEN)}}},
            # "active" sorts before "waiting": the first of a user is the one to keep.
            {"$sort": {"status": 1, "createdAt": -1, "_id": -1}},
            {
                "$group": {
                    "_id": {"user": "$userId", "type": {"$ifNull": ["$userType", "user"]}},
                    "ids": {"$push": "$_id"},
                }
            },
            {"$match": {"ids.1": {"$exists": True}}},
        ],
        allowDiskUse=True,
    )
    for row in rows:
        yield row["ids"][1:]
