"""Agents of the Node.js system -> ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymongo.database
from bson import ObjectId

from chatsupport.documents.agent import BOT, DEFAULT_MAX_USERS, MAX_USERS_LIMIT, MAX_USERS_OF_BOT, derived, is_bot
from chatsupport.documents.session import ACTIVE, FRONT, WAITING

Database = pymongo.database.Database[dict[str, Any]]

_INCOMPLETE: dict[str, Any] = {
    "$or": [
        *({field: {"$exists": False}} for field in ("isAway", "idleSince", "load", "hasRoom")),
        *({field: {"$not": {"$type": "array"}}} for field in ("activeSessions", "activeUsers")),
        {"isOnline": {"$not": {"$type": "bool"}}},
        {"name": {"$not": {"$type": "string"}}},
        {"kind": {"$ne": BOT}, "maxUsers": {"$not": {"$gte": 1, "$lte": MAX_USERS_LIMIT}}},
        {"kind": BOT, "maxUsers": {"$not": {"$gte": 1, "$lte": MAX_USERS_OF_BOT}}},
    ]
}


def count_incomplete(database: Database) -> int:
    """Return how many agents lack our fields."""
    return int(database.agents.count_documents(_INCOMPLETE))


def complete(database: Database) -> Iterator[int]:
    """Add the missing fields, and bring each agent's `maxUsers` within our bounds."""
    capacity = {"$cond": [{"$isNumber": "$maxUsers"}, {"$trunc": "$maxUsers"}, DEFAULT_MAX_USERS]}
    limit = {"$cond": [{"$eq": ["$kind", BOT]}, MAX_USERS_OF_BOT, MAX_USERS_LIMIT]}
    values = {
        "name": {"$cond": [{"$eq": [{"$type": "$name"}, "string"]}, "$name", "Agent"]},
        "maxUsers": {"$max": [1, {"$min": [limit, capacity]}]},
        "isOnline": {"$ne": ["$isOnline", False]},
        "isAway": {"$ifNull": ["$isAway", False]},
        "idleSince": {"$ifNull": ["$idleSince", "$$NOW"]},
        "createdAt": {"$ifNull": ["$createdAt", {"$toDate": "$_id"}]},
        **{
            field: {"$cond": [{"$isArray": f"${field}"}, f"${field}", []]}
            for field in ("activeSessions", "activeUsers")
        },
    }
    yield database.agents.update_many(_INCOMPLETE, [{"$set": values}, *derived()]).modified_count


def count_disagreements(database: Database) -> int:
    """Return how many agents have slots that do not match their sessions, plus the sessions that find no slot."""
    slots, bare = _plan(database)
    wrong = sum(_slots_of(agent) != slots[agent["_id"]] for agent in database.agents.find())
    return wrong + len(bare)


def rebuild_slots(database: Database) -> Iterator[int]:
    """Give each agent the slots of its sessions, oldest first. Sessions beyond its limit go to the queue's front."""
    slots, bare = _plan(database)
    requeued = {"status": WAITING, "agentId": None, "queuePriority": FRONT}
    yield database.sessions.update_many({"_id": {"$in": bare}}, {"$set": requeued}).modified_count
    for agent in list(database.agents.find()):
        held = slots[agent["_id"]]
        if _slots_of(agent) != held:
            values = {
                "activeSessions": {"$literal": [session_id for session_id, _ in held]},
                "activeUsers": {"$literal": [user_id for _, user_id in held]},
            }
            yield database.agents.update_one({"_id": agent["_id"]}, [{"$set": values}, *derived()]).modified_count


def _plan(database: Database) -> tuple[dict[Any, list[tuple[Any, str]]], list[Any]]:
    """Return the slots that each agent gets, and the sessions that must wait because no slot is left for them."""
    capacity = {agent["_id"]: _capacity(agent) for agent in database.agents.find()}
    slots: dict[Any, list[tuple[Any, str]]] = {agent_id: [] for agent_id in capacity}
    bare = []
    active = database.sessions.find(
        {"status": ACTIVE}, {"agentId": 1, "userId": 1}, sort=[("createdAt", 1), ("_id", 1)]
    )
    for session in active:
        agent_id = _as_id(session.get("agentId"))
        held = slots.get(agent_id)
        if held is None or len(held) >= capacity[agent_id]:
            bare.append(session["_id"])
        else:
            held.append((session["_id"], session["userId"]))
    return slots, bare


def _capacity(agent: dict[str, Any]) -> int:
    """Return an agent's limit, or the one it will have after the migration: a dry run sees agents without it."""
    max_users, limit = agent.get("maxUsers"), MAX_USERS_OF_BOT if is_bot(agent) else MAX_USERS_LIMIT
    if isinstance(max_users, bool) or not isinstance(max_users, int | float):
        return DEFAULT_MAX_USERS
    return max(1, min(limit, int(max_users)))


def _as_id(value: Any) -> Any:
    return ObjectId(value) if isinstance(value, str) and ObjectId.is_valid(value) else value


def _slots_of(agent: dict[str, Any]) -> list[tuple[Any, str]] | None:
    sessions, users = agent.get("activeSessions"), agent.get("activeUsers")
    if not isinstance(sessions, list) or not isinstance(users, list) or len(sessions) != len(users):
        return None
    return list(zip(sessions, users, strict=True))
