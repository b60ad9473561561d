"""An agent's slots: taken and given back by one conditional update of the agent each.

A slot is an entry in `activeSessions` with its user at the same place in `activeUsers`. Because a slot names its
session, giving it back twice changes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument

from chatsupport.database.clock import now
from chatsupport.documents import Agent
from chatsupport.documents.agent import LEAST_LOADED, derived

Document = dict[str, Any]


def claim(
    session_id: ObjectId,
    user_id: str,
    *,
    only: ObjectId | None = None,
    excluding: ObjectId | None = None,
) -> Document | None:
    """Take a slot for the session from the least loaded agent that can take one, or from `only`; None if none can.

    Least loaded, and among equals the one that has waited longest for work, is the order of an index, so the choice
    costs the same with ten agents and with ten thousand.
    """
    query: Document = {**can_take(), "activeSessions": {"$ne": session_id}}
    if only is not None:
        query["_id"] = only
    elif excluding is not None:
        query["_id"] = {"$ne": excluding}
    agent: Document | None = Agent._get_collection().find_one_and_update(
        query,
        [
            {
                "$set": {
                    "activeSessions": {"$concatArrays": [_list("activeSessions"), [session_id]]},
                    "activeUsers": {"$concatArrays": [_list("activeUsers"), [{"$literal": user_id}]]},
                    "wasIdleSince": "$idleSince",
                    "idleSince": "$$NOW",
                }
            },
            *derived(),
        ],
        sort=LEAST_LOADED if only is None else None,
        return_document=ReturnDocument.AFTER,
    )
    return agent


def give_back(agent: Mapping[str, Any], session_id: ObjectId) -> None:
    """Undo a `claim` that led to nothing; the agent keeps its place among equals."""
    _release(agent["_id"], session_id, agent.get("wasIdleSince") or now())


def release(agent_id: ObjectId, session_id: ObjectId) -> bool:
    """Free the session's slot. False where the agent holds none for it: a second call changes nothing."""
    return _release(agent_id, session_id, "$$NOW")


def rename_user(session_id: ObjectId, old_id: str, new_id: str) -> bool:
    """Have the session's slot, wherever it is, say that its user has another id now. False where none said the old."""
    slots = {"$zip": {"inputs": [_list("activeUsers"), _list("activeSessions")]}}
    is_meant = {"$eq": ["$$slot", [{"$literal": old_id}, session_id]]}
    new_user = {"$cond": [is_meant, {"$literal": new_id}, {"$arrayElemAt": ["$$slot", 0]}]}
    result = Agent._get_collection().update_many(
        {"activeSessions": session_id, "activeUsers": old_id},
        [{"$set": {"activeUsers": {"$map": {"input": slots, "as": "slot", "in": new_user}}, "updatedAt": "$$NOW"}}],
    )
    return bool(result.modified_count)


def holds(agent_id: ObjectId, session_id: ObjectId) -> bool:
    """Tell whether the agent is there and holds a slot for the session."""
    held = {"_id": agent_id, "activeSessions": session_id}
    return Agent._get_collection().find_one(held, {"_id": 1}) is not None


def any_free() -> bool:
    """Tell whether any agent can take a session."""
    return Agent._get_collection().find_one(can_take(), {"_id": 1}) is not None


def can_take() -> Document:
    """Return the condition on agents that take new sessions: they want to, they are there, and they have room.

    `isAway` is set a moment after a lease ran out; until then the lease itself counts.
    """
    return {
        "isOnline": True,
        "isAway": False,
        "hasRoom": True,
        "presentUntil": {"$not": {"$lte": now()}},
    }


def _release(agent_id: ObjectId, session_id: ObjectId, idle_since: object) -> bool:
    position = {"$indexOfArray": ["$activeSessions", session_id]}
    result = Agent._get_collection().update_one(
        {"_id": agent_id, "activeSessions": session_id},
        [
            {
                "$set": {
                    "activeUsers": _without(_list("activeUsers"), position),
                    "activeSessions": _without(_list("activeSessions"), position),
                    "idleSince": idle_since,
                }
            },
            *derived(),
        ],
    )
    return bool(result.modified_count)


def _list(field: str) -> Document:
    return {"$ifNull": [f"${field}", []]}


def _without(array: Document, position: Document) -> Document:
    """Return the expression for an array without the element at `position`."""
    places = {"$range": [0, {"$size": array}]}
    kept = {"$filter": {"input": places, "as": "place", "cond": {"$ne": ["$$place", position]}}}
    return {"$map": {"input": kept, "as": "place", "in": {"$arrayElemAt": [array, "$$place"]}}}
