"""Sessions of the Node.js system -> ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymongo.database

from chatsupport.database.clock import now
from chatsupport.documents.session import BACK, ENDED, OPEN, WAITING

DUPLICATE_REASON = "Closed on migration: the user had another open session"

Database = pymongo.database.Database[dict[str, Any]]

_USER_TYPES = ("user", "agent")
_TEXT_IDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("sessions", "agentId", {"$type": "string"}),
    # Of a session that nobody can find: left as it is.
    ("messages", "sessionId", {"$type": "string", "$regex": "^[0-9a-fA-F]{24}$"}),
)

_INCOMPLETE: dict[str, Any] = {
    "$or": [
        {"userType": {"$nin": list(_USER_TYPES)}},
        {"status": {"$nin": [*OPEN, ENDED]}},
        {"status": ENDED, "endedAt": None},
        {"status": WAITING, "agentId": {"$ne": None}},
        {"createdAt": None},
        {"queuedAt": None},
    ]
}


def count_text_ids(database: Database) -> int:
    """Return how many ids are stored as text."""
    return sum(database[name].count_documents({field: is_text}) for name, field, is_text in _TEXT_IDS)


def convert_text_ids(database: Database) -> Iterator[int]:
    """Turn ids stored as text into ids; an agent's that is none is dropped."""
    for name, field, is_text in _TEXT_IDS:
        convert = {"$convert": {"input": f"${field}", "to": "objectId", "onError": None}}
        yield database[name].update_many({field: is_text}, [{"$set": {field: convert}}]).modified_count


def count_incomplete(database: Database) -> int:
    """Return how many sessions lack what we add, or have a status we do not know."""
    return int(database.sessions.count_documents(_INCOMPLETE))


def is_any_incomplete(database: Database) -> bool:
    """Tell whether any session lacks what we add."""
    return database.sessions.find_one(_INCOMPLETE, {"_id": 1}) is not None


def complete(database: Database) -> Iterator[int]:
    """Add what is missing. A status we do not know is an end: better than a session that nobody can close."""
    known = {"$in": ["$status", [*OPEN, ENDED]]}
    created = {"$ifNull": ["$createdAt", {"$toDate": "$_id"}]}
    updated = {"$ifNull": ["$updatedAt", created]}
    values = {
        "userType": {"$cond": [{"$in": ["$userType", list(_USER_TYPES)]}, "$userType", "user"]},
        "agentId": {"$cond": [{"$eq": ["$status", WAITING]}, None, {"$ifNull": ["$agentId", None]}]},
        "status": {"$cond": [known, "$status", ENDED]},
        "createdAt": created,
        "queuedAt": {"$ifNull": ["$queuedAt", created]},
        "queuePriority": {"$ifNull": ["$queuePriority", BACK]},
        "updatedAt": updated,
        "endedAt": {"$cond": [{"$in": ["$status", list(OPEN)]}, None, {"$ifNull": ["$endedAt", updated]}]},
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
                    "_id": {"user": "$userId", "type": {"$cond": [{"$eq": ["$userType", "agent"]}, "agent", "user"]}},
                    "ids": {"$push": "$_id"},
                }
            },
            {"$match": {"ids.1": {"$exists": True}}},
        ],
        allowDiskUse=True,
    )
    for row in rows:
        yield row["ids"][1:]
