"""Who gets whom, first come, first served.

Every step is one conditional update of one document, so the rules hold in any number of processes: a slot is taken
only from an agent that is there and has room, in the same update that chooses the least loaded; then the session is
claimed, only while it still waits; a claim that fails gives the slot back. Each side writes first and reads after (a
start: queue, then look for a slot; an end: free the slot, then look at the queue), so nobody waits beside a free slot
unless a process was killed in between, which `reconciliation` repairs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument

from chatsupport import broadcasts, metrics, serializers
from chatsupport.database.clock import now
from chatsupport.documents import Agent, Session
from chatsupport.documents.session import ACTIVE, FRONT, QUEUE_ORDER, WAITING
from chatsupport.services import audit, consoles, counters, queue, sequences, slots
from chatsupport.services.coalescing import Coalesced

logger = logging.getLogger(__name__)

Document = dict[str, Any]

FORGET_ON_ASSIGNMENT = dict.fromkeys(
    ("preferredAgentId", "avoidAgentId", "avoidStrictly", "noReplyDueAt", "idleDueAt", "idleWarnedAt"), ""
)
"""What a session carries only until its next agent."""

DELETED, AWAY, TRANSFERRED, NO_REPLY = "agent_deleted", "agent_away", "transferred", "no_reply"
"""Why a session left its agent."""


def _drain() -> None:
    served = 0
    passed: list[ObjectId] = []
    while (waiting := next_waiting(passed)) is not None:
        agent = claim_slot_for(waiting)
        if agent is None:
            if not slots.any_free():
                break
            # Who is free cannot take this one: it must not have that agent again, or is just leaving it. The next can.
            passed.append(waiting["_id"])
        elif assign(waiting, agent):
            served += 1
    if served:
        queue.announce_positions()


drain_queue = Coalesced(_drain)
"""Give waiting sessions to free agents until either runs out. Calls that come together share one round."""


def next_waiting(passed: list[ObjectId] | None = None) -> Document | None:
    """Return the session at the front of the queue, leaving out those in `passed`."""
    query: Document = {"status": WAITING}
    if passed:
        query["_id"] = {"$nin": passed}
    session: Document | None = Session._get_collection().find_one(query, sort=QUEUE_ORDER)
    return session


def claim_slot_for(session: Mapping[str, Any]) -> Document | None:
    """Take the slot that suits the session: of the agent it had last time, else of the least loaded.

    An agent that gave the session away gets it back only when nobody else can take it, and one that left it without
    an answer only when nobody else is there at all.
    """
    session_id, user_id = session["_id"], session["userId"]
    preferred, avoided = session.get("preferredAgentId"), session.get("avoidAgentId")
    if preferred is not None and (agent := slots.claim(session_id, user_id, only=preferred)) is not None:
        return agent
    if avoided is None:
        return slots.claim(session_id, user_id)
    agent = slots.claim(session_id, user_id, excluding=avoided)
    if agent is None and not (session.get("avoidStrictly") and others_are_there(avoided)):
        agent = slots.claim(session_id, user_id, only=avoided)
    return agent


def others_are_there(agent_id: ObjectId) -> bool:
    """Tell whether an agent besides this one takes sessions, now or when it has room."""
    condition = slots.can_take()
    del condition["hasRoom"]
    return Agent._get_collection().find_one({**condition, "_id": {"$ne": agent_id}}, {"_id": 1}) is not None


def assign(waiting: Mapping[str, Any], agent: Document) -> bool:
    """Make a waiting session the agent's, whose slot is taken. False, and the slot is back, if it waits no more."""
    time = now()
    session = Session._get_collection().find_one_and_update(
        {"_id": waiting["_id"], "status": WAITING},
        {
            "$set": {"status": ACTIVE, "agentId": agent["_id"], "assignedAt": time, "updatedAt": time},
            "$min": {"firstAssignedAt": time},
            "$unset": FORGET_ON_ASSIGNMENT,
        },
        return_document=ReturnDocument.AFTER,
    )
    if session is None:
        slots.give_back(agent, waiting["_id"])
        return False
    return confirm(session, agent)


def confirm(session: Document, agent: Document) -> bool:
    """Announce an assignment, if the agent still holds the slot; else the session goes back to the queue's front.

    Between slot and session the agent may have been deleted, or this process stopped for so long that the slot was
    taken for a lost one.
    """
    if not slots.holds(agent["_id"], session["_id"]):
        requeue(session, DELETED, holds_slot=False)
        return False
    if session["assignedAt"] == session["firstAssignedAt"]:
        waited = serializers.milliseconds_between(session["createdAt"], session["assignedAt"])
        counters.add(assigned=1, waitedMs=waited)
        metrics.ASSIGNMENT.observe(waited / 1000)
    announce_assignment(session, agent)
    return True


def requeue(
    session: Mapping[str, Any], reason: str, *, avoid: bool = False, strictly: bool = False, holds_slot: bool = True
) -> bool:
    """Take an active session from its agent, back to the queue's front. False where it is not that agent's any more.

    Among those at the front the old order holds. The caller drains the queue afterwards.
    """
    agent_id = session["agentId"]
    change: Document = {
        "status": WAITING,
        "agentId": None,
        "queuePriority": FRONT,
        "updatedAt": now(),
    }
    if avoid:
        change.update(avoidAgentId=agent_id, avoidStrictly=strictly)
    result = Session._get_collection().update_one(
        {"_id": session["_id"], "status": ACTIVE, "agentId": agent_id}, {"$set": change}
    )
    if not result.modified_count:
        # Whoever took it away frees the slot. Should it be on its way back to this agent, the slot is a new one.
        return False
    if holds_slot and agent_id is not None:
        slots.release(agent_id, session["_id"])
    logger.info(
        "Session requeued",
        extra={
            "event": "session_requeued",
            "session_id": str(session["_id"]),
            "agent_id": str(agent_id),
            "reason": reason,
        },
    )
    audit.record_soon(audit.REQUEUE, None, session, reason=reason)
    if agent_id is not None:
        broadcasts.session_unassigned(session["_id"], agent_id, reason)
    queue.announce_positions()
    consoles.changed(session["_id"], agent_id)
    return True


def requeue_all_of(agent_id: ObjectId, reason: str) -> int:
    """Requeue every session of an agent, and serve the queue. Returns how many there were."""
    # The oldest first: another process may serve the queue meanwhile.
    mine = Session._get_collection().find({"agentId": agent_id, "status": ACTIVE}, {"agentId": 1}, sort=QUEUE_ORDER)
    requeued = sum(requeue(session, reason) for session in list(mine))
    if requeued:
        drain_queue()
    return requeued


def announce_assignment(session: Document, agent: Document) -> None:
    """Tell the visitor who will answer, and the agent's sockets whom they have."""
    logger.info(
        "Session assigned",
        extra={"event": "session_assigned", "session_id": str(session["_id"]), "agent_id": str(agent["_id"])},
    )
    queue.forget(session["_id"])
    audit.record_soon(audit.ASSIGN, None, session)
    broadcasts.agent_assigned(session, agent)
    last_seq = sequences.last_seq(session["_id"])
    broadcasts.session_assigned(agent["_id"], serializers.session(session, agent, None, last_seq, now()))
    consoles.changed(session["_id"], agent["_id"])
