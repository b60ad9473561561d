"""Repairing what a killed process left half done between two writes.

A slot is taken before its session is claimed and freed after its session has left; a kill in between leaves a slot
without a session. A session without its slot comes from an agent that was deleted under a kill, or from a restored
backup. Either is looked at twice, a moment apart, so that work in progress elsewhere is not taken for a defect: in a
healthy system there is nothing to repair and nothing is logged.
"""

from __future__ import annotations

import logging
from typing import Any

from bson import ObjectId

from chatsupport.documents import Agent, Session
from chatsupport.documents.agent import derived
from chatsupport.documents.session import ACTIVE
from chatsupport.extensions import socketio
from chatsupport.services import assignment, slots

logger = logging.getLogger(__name__)

SECOND_LOOK_SECONDS = 1.0

Document = dict[str, Any]


def run() -> int:
    """Repair slots, sessions and the queue. Returns how many things were wrong."""
    lost_slots, bare_sessions, waiting = _lost_slots(), _sessions_without_slot(), _waiting_beside_a_free_slot()
    if lost_slots or bare_sessions or waiting is not None:
        socketio.sleep(SECOND_LOOK_SECONDS)
    repairs = {
        "slots_freed": sum(slots.release(*slot) for slot in lost_slots & _lost_slots()) if lost_slots else 0,
        "sessions_repaired": _repair_sessions(bare_sessions) if bare_sessions else 0,
        "loads_corrected": _correct_loads(),
        "queue_was_stuck": int(waiting is not None and _waiting_beside_a_free_slot() == waiting),
    }
    assignment.drain_queue()
    repaired = sum(repairs.values())
    if repaired:
        logger.warning("Repaired what a killed process left", extra={"event": "reconciled", **repairs})
    return repaired


def _lost_slots() -> set[tuple[ObjectId, ObjectId]]:
    """Return the (agent, session) of every slot whose session is not active with that agent."""
    held = {
        (agent["_id"], session_id)
        for agent in Agent._get_collection().find({"load": {"$gt": 0}}, {"activeSessions": 1})
        for session_id in agent["activeSessions"]
    }
    ids = list({session_id for _, session_id in held})
    active = Session._get_collection().find({"_id": {"$in": ids}, "status": ACTIVE}, {"agentId": 1})
    return held - {(session["agentId"], session["_id"]) for session in active}


def _sessions_without_slot() -> set[ObjectId]:
    """Return the active sessions whose agent is gone or holds no slot for them."""
    held = {
        (agent["_id"], session_id)
        for agent in Agent._get_collection().find({}, {"activeSessions": 1})
        for session_id in agent.get("activeSessions", ())
    }
    active = Session._get_collection().find({"status": ACTIVE}, {"agentId": 1})
    return {session["_id"] for session in active if (session.get("agentId"), session["_id"]) not in held}


def _repair_sessions(suspects: set[ObjectId]) -> int:
    """Give each session that still has no slot one at its agent, or put it back to the queue's front."""
    repaired = 0
    bare = list(suspects & _sessions_without_slot())
    for session in Session._get_collection().find({"_id": {"$in": bare}, "status": ACTIVE}):
        agent_id = session.get("agentId")
        if agent_id is None or slots.claim(session["_id"], session["userId"], only=agent_id) is None:
            assignment.requeue({"agentId": None, **session}, assignment.DELETED)
        repaired += 1
    return repaired


def _waiting_beside_a_free_slot() -> ObjectId | None:
    """Return the session at the queue's front, if an agent could take it now."""
    waiting = assignment.next_waiting()
    if waiting is None or waiting.get("avoidStrictly"):
        return None
    free = Agent._get_collection().find_one(slots.can_take(), {"_id": 1})
    return None if free is None else waiting["_id"]


def _correct_loads() -> int:
    """Recompute what follows from the slots where it does not match them."""
    size = {"$size": {"$ifNull": ["$activeSessions", []]}}
    wrong = {
        "$expr": {
            "$or": [
                {"$ne": ["$load", size]},
                {"$ne": ["$hasRoom", {"$lt": [size, "$maxUsers"]}]},
            ]
        }
    }
    complete = {"$set": {"activeSessions": {"$ifNull": ["$activeSessions", []]}}}
    return int(Agent._get_collection().update_many(wrong, [complete, *derived()]).modified_count)
