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
    # A text that is not an id names no session, so that message is left as it is.
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
    """Turn ids stored as text into ObjectIds. An agent's id that is not an id is dropped."""
    for name, field, is_text in _TEXT_IDS:
        convert = {"$convert": {"input": f"${field}", "to": "objectId", "onError": None}}
        yield database[name].update_many({field: is_text}, [{"$set": {field: convert}}]).modified_count


def count_incomplete(database: Database) -> int:
    """Return how many sessions lack our fields, or have a status we do not know."""
    return int(database.sessions.count_documents(_INCOMPLETE))


def is_any_incomplete(database: Database) -> bool:
    """Tell whether any session lacks our fields."""
    return database.sessions.find_one(_INCOMPLETE, {"_id": 1}) is not None


def complete(database: Database) -> Iterator[int]:
    """Add the missing fields. A session with an unknown status counts as ended: nobody could close it otherwise."""
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
    """Return how many open sessions have a newer open session of the same user."""
    return sum(len(older) for older in _duplicates(database))


def end_duplicates(database: Database) -> Iterator[int]:
    """End all open sessions of a user except the one that has an agent, or else the newest."""
    for older in _duplicates(database):
        time = now()
        ended = {"status": ENDED, "endedAt": time, "endReason": DUPLICATE_REASON, "updatedAt": time}
        yield database.sessions.update_many({"_id": {"$in": older}}, {"$set": ended}).modified_count


def _duplicates(database: Database) -> Iterator[list[Any]]:
    rows = database.sessions.aggregate(
        [
            {"$match": {"status": {"$in": list(OPEN)}}},
            # "active" sorts before "waiting", so a user's first session is the one to keep.
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
