"""Who gets whom, first come, first served.

Every step is one conditional update of one document, so the rules hold in any number of processes. A slot is taken
only from an agent that is there and has room, in the same update that chooses the least loaded. Then the first in the
queue who may have that agent gets it, in the same update that finds them: whoever the slot was taken for, nobody
overtakes. Each side of a race writes first and looks after (a start: queue, then look for a slot; an end: free the
slot, then look at the queue), so nobody waits beside a free slot unless a process was killed in between, which
`reconciliation` repairs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import PyMongoError

from chatsupport import broadcasts, serializers
from chatsupport.background import Coalesced
from chatsupport.database.clock import now
from chatsupport.database.connection import OPERATION_TIMEOUT_MS
from chatsupport.documents import Agent, Session
from chatsupport.documents.session import ACTIVE, FRONT, QUEUE_ORDER, WAITING
from chatsupport.extensions import socketio
from chatsupport.features.audit import service as audit
from chatsupport.features.consoles import service as consoles
from chatsupport.observability import metrics
from chatsupport.services.assignment import queue, slots
from chatsupport.services.assignment.slots import Slot
from chatsupport.services.messages import sequences
from chatsupport.services.server import totals
from chatsupport.services.shared import untold

logger = logging.getLogger(__name__)

Document = dict[str, Any]

FORGOTTEN_ON_ASSIGNMENT = [
    "preferredAgentId",
    "avoidAgentId",
    "avoidStrictly",
    "noReplyDueAt",
    "idleDueAt",
    "idleWarnedAt",
]
"""What a session carries only until its next agent."""

LONGEST_WRITE = timedelta(milliseconds=OPERATION_TIMEOUT_MS + 1_000)
"""After this long, whoever asked for a write has given it up."""

SETTLING_LOOKS = 5
"""How often a slot is looked for of which nothing is known; after that the reconciler finds it."""

DELETED, AWAY, TRANSFERRED, NO_REPLY = "agent_deleted", "agent_away", "transferred", "no_reply"
"""Why a session left its agent."""


def _drain() -> None:
    served = False
    passed: list[ObjectId] = []
    while (waiting := next_waiting(passed)) is not None:
        slot = claim_slot_for(waiting)
        if slot is not None:
            served = give(slot) is not None or served
        elif waiting.get("avoidStrictly"):
            # It waits for others than that agent. Those behind may have it, unless they wait for others too.
            passed.append(waiting["avoidAgentId"])
        else:
            break  # Nobody has room. Whoever frees a slot from now on serves the queue again.
    if served:
        queue.announce_positions()


drain_queue = Coalesced(_drain)
"""Give waiting sessions to free agents until either runs out. Calls that come together share one round."""


def serve(newcomer: Document) -> tuple[Document, Document] | None:
    """Find an agent for a session that has just joined the queue; those before it go first.

    Returns the session and its agent. None where it waits, or somebody else has served it meanwhile.
    """
    while (slot := claim_slot_for(newcomer)) is not None:
        served = give(slot)
        if served is None:
            drain_queue()  # The slot is free again, and somebody may have come meanwhile.
            return None
        if served["_id"] == newcomer["_id"]:
            return served, slot.agent
        queue.announce_positions()
    return None


def next_waiting(passed: Sequence[ObjectId] = ()) -> Document | None:
    """Return the session at the front of the queue, leaving out those that wait for others than the agents `passed`."""
    query: Document = {"status": WAITING}
    if passed:
        query["$nor"] = [{"avoidStrictly": True, "avoidAgentId": {"$in": list(passed)}}]
    session: Document | None = Session._get_collection().find_one(query, sort=QUEUE_ORDER)
    return session


def claim_slot_for(session: Mapping[str, Any]) -> Slot | None:
    """Take the slot that suits the session: of the agent it had last time, else of the least loaded.

    An agent that gave the session away gets it back only when nobody else can take it, and one that left it without
    an answer only when nobody else is there at all.
    """
    session_id, user_id = session["_id"], session["userId"]
    preferred, avoided = session.get("preferredAgentId"), session.get("avoidAgentId")
    if preferred is not None and (slot := claim(session_id, user_id, only=preferred)) is not None:
        return slot
    if avoided is None:
        return claim(session_id, user_id)
    slot = claim(session_id, user_id, excluding=avoided)
    if slot is None and not (session.get("avoidStrictly") and others_are_there(avoided)):
        slot = claim(session_id, user_id, only=avoided)
    return slot


def claim(
    session_id: ObjectId, user_id: str, *, only: ObjectId | None = None, excluding: ObjectId | None = None
) -> Slot | None:
    """Take a slot for the session, as `slots.claim` does."""
    slot_id = ObjectId()
    try:
        return slots.claim(slot_id, session_id, user_id, only=only, excluding=excluding)
    except PyMongoError:
        socketio.start_background_task(_settle, slot_id, session_id)
        raise


def may_have(agent_id: ObjectId) -> Document:
    """Return the condition on waiting sessions that a free agent is for, whichever of them the slot was taken for."""
    return {"avoidAgentId": {"$ne": agent_id}}


def others_are_there(agent_id: ObjectId) -> bool:
    """Tell whether an agent besides this one takes sessions, now or when it has room."""
    condition = slots.can_take()
    del condition["hasRoom"]
    return Agent._get_collection().find_one({**condition, "_id": {"$ne": agent_id}}, {"_id": 1}) is not None


def assign(
    slot: Slot, which: Document, *marks: Document, sort: Sequence[tuple[str, int]] | None = None
) -> Document | None:
    """Give the agent whose slot is taken the session that meets the condition. None where there is none."""
    values = {
        "status": ACTIVE,
        "agentId": slot.agent["_id"],
        "slotId": slot.id,
        "assignedAt": "$$NOW",
        "firstAssignedAt": {"$ifNull": ["$firstAssignedAt", "$$NOW"]},
        "updatedAt": "$$NOW",
        **untold.added(*marks),
    }
    # A write that takes longer to reach the database comes too late: by then the slot has been freed.
    in_time = {"$expr": {"$lt": ["$$NOW", slot.agent["idleSince"] + LONGEST_WRITE]}}
    try:
        session: Document | None = Session._get_collection().find_one_and_update(
            {**which, **in_time},
            [{"$set": values}, {"$unset": FORGOTTEN_ON_ASSIGNMENT}],
            sort=sort,
            return_document=ReturnDocument.AFTER,
        )
    except PyMongoError:
        socketio.start_background_task(_settle, slot.id, slot.session_id)
        raise
    return session


def give_back(slot: Slot) -> None:
    """Undo a `claim` that led to nothing."""
    try:
        slots.give_back(slot)
    except PyMongoError:
        socketio.start_background_task(_settle, slot.id, slot.session_id)
        raise


def _settle(slot_id: ObjectId, session_id: ObjectId) -> None:
    """Free a slot of which it stayed unknown whether it was taken, or who got it, unless somebody did get it.

    A database that stood still does what it was asked when it goes on: so this looks again where there is no slot yet.
    """
    for _ in range(SETTLING_LOOKS):
        socketio.sleep(LONGEST_WRITE.total_seconds())
        try:
            agent_id = slots.find(slot_id)
            if agent_id is None:
                continue
            taken = {"agentId": agent_id, "status": ACTIVE, "slotId": slot_id}
            if Session._get_collection().find_one(taken, {"_id": 1}) is None:
                slots.release(agent_id, session_id, slot_id)
                drain_queue()
            return
        except PyMongoError as error:
            logger.warning("It is not known yet whether a slot is to be freed", extra={"reason": repr(error)})


def give(slot: Slot) -> Document | None:
    """Give the slot to the first in the queue that may have it; that is nearly always the one it was taken for.

    Returns the session, None where nobody is served: nobody waits any more, and the slot is back, or the agent is gone.
    """
    agent_id = slot.agent["_id"]
    first_in_line = {"status": WAITING, "$or": [may_have(agent_id), {"_id": slot.session_id}]}
    with untold.change(untold.ASSIGNED, agentId=agent_id, slotId=slot.id) as mark:
        session = assign(slot, first_in_line, mark, sort=QUEUE_ORDER)
        if session is None:
            give_back(slot)
            return None
        is_served = confirm(session, slot)
        untold.told(session["_id"], mark)
    return session if is_served else None


def confirm(session: Document, slot: Slot) -> bool:
    """Announce an assignment, if the agent still holds the slot; else the session goes back to the queue's front.

    Between slot and session the agent may have been deleted, or this process stopped for so long that the slot was
    taken for a lost one.
    """
    is_named = session["_id"] == slot.session_id
    if not _holds(session, is_named):
        requeue(session, DELETED)
        return False
    if session["assignedAt"] == session["firstAssignedAt"]:
        waited = serializers.milliseconds_between(session["createdAt"], session["assignedAt"])
        totals.add(assigned=1, waitedMs=waited)
        metrics.ASSIGNMENT.observe(waited / 1000)
    announce_assignment(session, slot.agent)
    return True


def _holds(session: Document, is_named: bool) -> bool:
    """Tell whether the agent holds the session's slot, and have the slot name the session if it does not yet."""
    agent_id, slot_id = session["agentId"], session.get("slotId")
    if is_named:
        return slots.holds(agent_id, session["_id"], slot_id)
    return slots.pass_on(agent_id, slot_id, session["_id"], session["userId"])


@untold.reaction(untold.STARTED)
def _after_start(session: Document, mark: Document) -> None:
    """Serve the queue: the session may stand in it beside a free agent."""
    if session["status"] == WAITING:
        drain_queue()
        consoles.changed(session["_id"])


@untold.reaction(untold.ASSIGNED)
def _after_assignment(session: Document, mark: Document) -> None:
    """Tell an assignment of which it is not known whether anybody heard."""
    if session["status"] != ACTIVE or (session["agentId"], session.get("slotId")) != (mark["agentId"], mark["slotId"]):
        return  # What has happened since is told with a mark of its own.
    agent = Agent._get_collection().find_one({"_id": session["agentId"]})
    if agent is not None and (_holds(session, True) or _holds(session, False)):
        announce_assignment(session, agent)
    elif requeue(session, DELETED):
        drain_queue()


def requeue(session: Mapping[str, Any], reason: str, *, avoid: bool = False, strictly: bool = False) -> bool:
    """Take an active session from its agent, back to the queue's front. False where it has been assigned anew since.

    Among those at the front the old order holds. The caller drains the queue afterwards.
    """
    agent_id, slot_id = session.get("agentId"), session.get("slotId")
    values: Document = {
        "status": WAITING,
        "agentId": None,
        "queuePriority": FRONT,
        "unassignedReason": reason,
        "updatedAt": now(),
    }
    if avoid:
        values.update(avoidAgentId=agent_id, avoidStrictly=strictly)
    with untold.change(untold.REQUEUED, agentId=agent_id, slotId=slot_id, reason=reason) as mark:
        result = Session._get_collection().update_one(
            {"_id": session["_id"], "status": ACTIVE, "agentId": agent_id, "slotId": slot_id},
            {"$set": values, "$unset": {"slotId": ""}, "$push": {"untold": mark}},
        )
        if not result.modified_count:
            return False
        leave(session, mark)
        untold.told(session["_id"], mark)
    return True


def leave(session: Mapping[str, Any], mark: Document) -> None:
    """Do what follows when a session has left an agent, as the mark says: free its slot, and tell the people."""
    session_id, agent_id, reason = session["_id"], mark["agentId"], mark["reason"]
    if agent_id is not None:
        slots.release(agent_id, session_id, mark["slotId"])
    if mark["kind"] == untold.REQUEUED:
        logger.info(
            "Session requeued",
            extra={
                "event": "session_requeued",
                "session_id": str(session_id),
                "agent_id": str(agent_id),
                "reason": reason,
            },
        )
        audit.record_soon(audit.REQUEUE, None, {**session, "agentId": agent_id}, reason=reason)
    if agent_id is not None:
        broadcasts.session_unassigned(session_id, agent_id, reason)
    queue.announce_positions()
    consoles.changed(session_id, agent_id)


@untold.reaction(untold.REQUEUED, untold.MOVED)
def _after_leaving(session: Document, mark: Document) -> None:
    """Free the slot of an agent that a session has left, and tell it unless it has the session again."""
    if session.get("agentId") == mark["agentId"]:
        slots.release(mark["agentId"], session["_id"], mark["slotId"])
    else:
        leave(session, mark)
    drain_queue()


def requeue_all_of(agent_id: ObjectId, reason: str) -> int:
    """Requeue every session of an agent, and serve the queue. Returns how many there were."""
    # The oldest first: another process may serve the queue meanwhile.
    mine = Session._get_collection().find(
        {"agentId": agent_id, "status": ACTIVE}, {"agentId": 1, "slotId": 1}, sort=QUEUE_ORDER
    )
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
