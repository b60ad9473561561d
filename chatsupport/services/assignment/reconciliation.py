"""Repair what a killed process left unfinished between two writes.

A slot is taken before its session is claimed and freed after its session has left; a kill in between leaves a slot
without a session. A session without its slot comes from an agent that was deleted under a kill, or from a restored
backup. Each is checked twice, a moment apart, so that work in progress elsewhere is not taken for a defect: in a
healthy system there is nothing to repair and nothing is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from bson import ObjectId

from chatsupport.database.clock import elapsed
from chatsupport.documents import Agent, Session
from chatsupport.documents.agent import HAS_ROOM, derived
from chatsupport.documents.session import ACTIVE, QUEUE_ORDER
from chatsupport.extensions import socketio
from chatsupport.services.assignment import matching, serving, slots, transitions
from chatsupport.services.server import totals
from chatsupport.services.server.leases import Lease

logger = logging.getLogger(__name__)

SECOND_LOOK_SECONDS = 10.0
"""Longer than a write may take (`database.connection.OPERATION_TIMEOUT_MS`): unfinished work then stays unfinished."""

INTERVAL_SECONDS = 60.0
LEASE_SECONDS = 30.0
"""Longer than a reconciliation takes, including its second look."""

Document = dict[str, Any]
SlotOf = tuple[Any, ObjectId, ObjectId | None]
"""An agent, a session, and the id of the session's slot at the agent, or None for a slot without an id."""


class Reconciler:
    """When a process reconciles: as it starts, because it may be the one that was killed, and then once a minute if it
    has the lease of housekeeping. One process at a time does so.
    """

    def __init__(self, housekeeping: Lease) -> None:
        self._housekeeping = housekeeping
        self._turn = Lease("reconciliation", LEASE_SECONDS)
        self._is_first = True
        self._next_at = 0.0

    def look(self) -> None:
        """Reconcile if it is time and this process's turn."""
        if elapsed() < self._next_at or not (self._is_first or self._housekeeping.hold()) or not self._turn.hold():
            return
        try:
            run()
            if self._is_first:
                totals.measure()
        finally:
            self._turn.release()
        self._is_first = False
        self._next_at = elapsed() + INTERVAL_SECONDS


def run() -> int:
    """Repair slots, sessions and the queue. Returns how many things were wrong."""
    loads_corrected = _correct_loads()
    lost_slots, bare_sessions, waiting = _lost_slots(), _sessions_without_slot(), _waiting_beside_a_free_slot()
    if lost_slots or bare_sessions or waiting is not None:
        socketio.sleep(SECOND_LOOK_SECONDS)
    freed = [slot for slot in (lost_slots & _lost_slots() if lost_slots else ()) if slots.release(*slot)]
    # A process that was stopped for long may have continued just now, and used a slot while it was freed.
    suspects = bare_sessions.union(session_id for _, session_id, _ in freed)
    repairs = {
        "slots_freed": len(freed),
        "sessions_repaired": _repair_sessions(suspects) if suspects else 0,
        "loads_corrected": loads_corrected,
        "queue_was_stuck": int(waiting is not None and _waiting_beside_a_free_slot() == waiting),
    }
    serving.drain_queue()
    repaired = sum(repairs.values())
    if repaired:
        logger.warning("Repaired what a killed process left", extra={"event": "reconciled", **repairs})
    return repaired


def _lost_slots() -> set[SlotOf]:
    """Return every slot whose session is not active with that agent in that slot."""
    held = _held({"load": {"$gt": 0}})
    ids = list({session_id for _, session_id, _ in held})
    taken = _taken({"_id": {"$in": ids}})
    return held - taken - _without_id(taken - held)


def _sessions_without_slot() -> set[ObjectId]:
    """Return the active sessions whose agent is gone or does not hold their slot."""
    held = _held({})
    bare = _taken({}) - held
    return {slot[1] for slot in bare if _without_id([slot]).isdisjoint(held)}


def _without_id(taken: Iterable[SlotOf]) -> set[SlotOf]:
    """Return the slots in the form of releases without slot ids: their sessions may name an earlier slot."""
    return {(agent_id, session_id, None) for agent_id, session_id, _ in taken}


def _held(which: Document) -> set[SlotOf]:
    """Return the slots that these agents hold."""
    agents = Agent.collection().find(which, {"activeSessions": 1, "slots": 1})
    return {(agent["_id"], *slot) for agent in agents for slot in slots.held_by(agent)}


def _taken(which: Document) -> set[SlotOf]:
    """Return the slots that those of these sessions have that are active."""
    active = Session.collection().find({**which, "status": ACTIVE}, {"agentId": 1, "slotId": 1})
    return {(session.get("agentId"), session["_id"], session.get("slotId")) for session in active}


def _repair_sessions(suspects: set[ObjectId]) -> int:
    """Give each session without a slot one at its agent, or return it to the front of the queue."""
    bare = {"_id": {"$in": list(suspects & _sessions_without_slot())}, "status": ACTIVE}
    return sum(_repair_session(session) for session in Session.collection().find(bare, sort=QUEUE_ORDER))


def _repair_session(session: Document) -> bool:
    session_id, agent_id = session["_id"], session.get("agentId")
    slot = None if agent_id is None else slots.claim(session_id, session["userId"], only=agent_id)
    if slot is None:
        return transitions.requeue(session, transitions.DELETED)
    unchanged = {"_id": session_id, "status": ACTIVE, "agentId": agent_id, "slotId": session.get("slotId")}
    if not Session.collection().update_one(unchanged, {"$set": {"slotId": slot.id}}).modified_count:
        slots.give_back(slot)  # It has ended or moved in the meantime.
        return False
    return True


def _waiting_beside_a_free_slot() -> ObjectId | None:
    """Return the first session of the queue, if an agent could take it now."""
    waiting = matching.next_waiting()
    if not waiting or waiting[0].get("avoidStrictly"):
        return None
    if not slots.any_free(department_id := waiting[0].get("reservedFor")):
        # The agents of its department have no room, but another agent may have a session behind it.
        departments = () if department_id is None else matching.departments_to_serve()
        waiting = matching.next_waiting(among=departments) if departments else []
        waiting = [one for one in waiting if not one.get("avoidStrictly")]
    return waiting[0]["_id"] if waiting else None


def _correct_loads() -> int:
    """Recompute the fields derived from the slots if they are wrong."""
    size = {"$size": {"$ifNull": ["$activeSessions", []]}}
    wrong = {
        "$expr": {
            "$or": [
                {"$ne": ["$load", size]},
                {"$ne": ["$hasRoom", HAS_ROOM]},
            ]
        }
    }
    complete = {"$set": {"activeSessions": {"$ifNull": ["$activeSessions", []]}}}
    return int(Agent.collection().update_many(wrong, [complete, *derived()]).modified_count)
