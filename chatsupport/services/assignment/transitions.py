"""The only place where a session becomes active, and the only one where it returns to the queue.

Each is one conditional update of the session, which leaves a mark; then the event is told (see
`services/shared/outbox.py`). The slot is taken before the session is assigned, and freed after the session has left:
what a kill leaves in between is a slot too many, which the reconciler frees, and never a session too many.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import PyMongoError

from chatsupport import orders, recording
from chatsupport.database.clock import elapsed
from chatsupport.documents import Agent, Session
from chatsupport.documents.agent import NO_DEPARTMENT, is_bot
from chatsupport.documents.session import (
    ACTIVE,
    BACK,
    BY_LOAD,
    FRONT,
    OVERFLOW,
    QUEUE_ORDER,
    RESERVED,
    WAITING,
    is_with_bot,
)
from chatsupport.events import (
    AgentDeleted,
    AgentWentAway,
    CameFrom,
    SessionAssigned,
    SessionLeft,
    SessionMoved,
    SessionRequeued,
)
from chatsupport.orders import RequeueSessionsOf
from chatsupport.services.assignment import bots, closing_lines, matching, slots
from chatsupport.services.assignment.closing_lines import Handover
from chatsupport.services.assignment.slots import Slot
from chatsupport.services.shared import outbox

logger = logging.getLogger(__name__)

Document = dict[str, Any]

FORGOTTEN_ON_ASSIGNMENT = [
    "preferredAgentId",
    "avoidAgentId",
    "avoidStrictly",
    "reservedFor",
    "reservedAt",
    "noReplyDueAt",
    "idleDueAt",
    "idleWarnedAt",
    "botDueAt",
]
"""Fields that a session has only until its next agent."""

KEEP: Any = object()
"""In place of a department: the one that the session has."""

DELETED, AWAY, TRANSFERRED, NO_REPLY, HANDED_OVER = (
    "agent_deleted",
    "agent_away",
    "transferred",
    "no_reply",
    "handed_over",
)
"""The reasons why a session leaves its agent."""

LATE_LOOK_SECONDS = 1.0

_deleted: dict[ObjectId, float] = {}
"""The agents that were just deleted, and when this process learned it."""


def give(slot: Slot, newcomer_id: ObjectId | None = None) -> Document | None:
    """Give the slot to the first session in the queue that may have it, nearly always the one it was taken for.

    Returns the session. None if no session waits any more (the slot is returned) or the agent is gone.
    The newcomer is a session that was just stored as the last in the queue, and that was not announced yet.
    """
    with _assignment(slot) as mark:
        session = _store(slot, matching.first_in_line(slot), outbox.added(mark), from_queue=True)
        if session is None:
            return None
        # The one it was taken for needs no check: the process that deletes the agent requeues it.
        if session["_id"] != slot.session_id and not _pass_on(session):
            _undo(session, mark)
            return None
        came_from = CameFrom.START if session["_id"] == newcomer_id else CameFrom.QUEUE
        _report(session, slot.agent, mark, came_from)
    return session


def move(slot: Slot, session: Mapping[str, Any], department_id: ObjectId | None = KEEP) -> bool:
    """Give the slot to this session, which may wait or have another agent, and move it to this department.

    False if the session has changed since it was read. The slot is then free again, for any waiting session.
    """
    before = {name: session.get(name) for name in ("status", "agentId", "slotId", "departmentId")}
    leaving: Document = {"agentId": before["agentId"], "slotId": before["slotId"], "reason": TRANSFERRED}
    leaving |= closing_lines.for_mark(session, to=slot.agent["name"])
    with outbox.change(outbox.MOVED, **leaving) as left, _assignment(slot) as mark:
        has_agent = before["agentId"] is not None
        marks = outbox.added(left, mark) if has_agent else outbox.added(mark)
        also = {**_department(department_id), **_left_bot(session), **marks}
        moved = _store(slot, {"_id": session["_id"], **before}, also)
        if moved is None:
            return False
        if has_agent:
            outbox.tell(_left(moved, left))
        if slots.holds(slot.agent["_id"], moved["_id"], slot.id):
            _report(moved, slot.agent, mark, CameFrom.AGENT if has_agent else CameFrom.QUEUE)
        else:
            _undo(moved, mark)
    return True


def _left_bot(session: Mapping[str, Any]) -> Document:
    """Return the values of a pipeline update that takes a session from its agent, if that is a bot."""
    return {"handedOverAt": "$$NOW"} if is_with_bot(session) else {}


def begun(slot: Slot, or_else: Document) -> Document:
    """Return the expression for the values of a new session that is stored with the agent of this slot.

    Its times are when the slot was taken, so it is older than everybody who has joined the queue since. If the write
    reaches the database so late that the slot has been freed, the values are `or_else`: then the session waits.
    """
    taken_at: datetime = slot.agent["idleSince"]
    values = {
        **dict.fromkeys(("queuedAt", "createdAt", "assignedAt"), taken_at),
        "status": ACTIVE,
        "agentId": slot.agent["_id"],
        "slotId": slot.id,
        "assignment": {"reason": slot.reason, "at": taken_at, "load": _load_before(slot)},
        **(bots.begun(slot) if is_bot(slot.agent) else {"firstAssignedAt": taken_at}),
    }
    return {"$cond": [_is_in_time(slot), values, or_else]}


def begin(slot: Slot, session: Document, mark: Document) -> None:
    """Report a session that was stored with the agent of this slot. If it was too late for that, it waits."""
    if session["status"] == ACTIVE:
        _report(session, slot.agent, mark, CameFrom.START)
    else:
        outbox.told(session["_id"], mark["id"])


def _load_before(slot: Slot) -> int:
    return len(slot.agent["activeSessions"]) - 1


def _is_in_time(slot: Slot) -> Document:
    """Return the expression for whether the slot cannot have been freed yet (`slots.free_unused_later`)."""
    return {"$lt": ["$$NOW", slot.agent["idleSince"] + slots.LONGEST_WRITE]}


def _department(department_id: ObjectId | None) -> Document:
    """Return the values of a pipeline update that moves a session to a department."""
    return {} if department_id is KEEP else {"departmentId": department_id or "$$REMOVE"}


def _assignment(slot: Slot) -> contextlib.AbstractContextManager[Document]:
    """Return the context of an assignment, with its mark (`outbox.change`)."""
    return outbox.change(outbox.ASSIGNED, agentId=slot.agent["_id"], slotId=slot.id)


def _report(session: Document, agent: Document, mark: Document, came_from: CameFrom) -> None:
    about = {"event": "session_assigned", "session_id": str(session["_id"]), "agent_id": str(agent["_id"])}
    logger.info("Session assigned", extra=about)
    outbox.tell(SessionAssigned(session=session, agent=agent, came_from=came_from, **outbox.origin(mark)))


def _undo(session: Document, mark: Document) -> None:
    """Return a session to the queue: its agent was deleted between the claim of the slot and the assignment."""
    requeue(session, DELETED)
    outbox.told(session["_id"], mark["id"])


def _store(slot: Slot, which: Document, also: Mapping[str, Any], *, from_queue: bool = False) -> Document | None:
    """Make the session that meets the condition active with the slot's agent.

    Returns None, and gives the slot back, if there is no such session.
    """
    values = {
        "status": ACTIVE,
        "agentId": slot.agent["_id"],
        "slotId": slot.id,
        "assignedAt": "$$NOW",
        "firstAssignedAt": {"$ifNull": ["$firstAssignedAt", "$$NOW"]},
        "assignment": {
            "reason": _reason(slot) if from_queue else slot.reason,
            "at": "$$NOW",
            "load": _load_before(slot),
        },
        "updatedAt": "$$NOW",
        **also,
    }
    try:
        session: Document | None = Session.collection().find_one_and_update(
            {**which, "$expr": _is_in_time(slot)},
            [{"$set": values}, {"$unset": FORGOTTEN_ON_ASSIGNMENT}],
            sort=QUEUE_ORDER if from_queue else None,
            hint=matching.hint_for(slot.agent) if from_queue else None,
            return_document=ReturnDocument.AFTER,
        )
    except PyMongoError:
        slots.free_unused_later(slot.id, slot.session_id)
        raise
    if session is None:
        slots.give_back(slot)
    return session


def _reason(slot: Slot) -> Document:
    """Return the expression for the reason why the session gets the slot: the queue may have another one for it."""
    is_named = {"$eq": ["$_id", slot.session_id]}
    reason: Document = {"$cond": [is_named, slot.reason, BY_LOAD]}
    departments = slot.agent.get("departmentIds")
    if departments is None:
        return reason
    # The session of a department that is not the agent's was opened to every agent.
    is_own = {"$in": [{"$ifNull": ["$departmentId", NO_DEPARTMENT]}, departments]}
    return {"$cond": [is_own, reason, OVERFLOW]}


def _pass_on(session: Document) -> bool:
    """Write the session into its slot, which was taken for another one. False if the agent no longer has the slot."""
    return slots.pass_on(session["agentId"], session.get("slotId"), session["_id"], session["userId"])


@outbox.retells(outbox.ASSIGNED)
def _assigned(session: Document, mark: Document) -> SessionAssigned | None:
    """Return an assignment that may not have been reported, unless something has happened since."""
    if session["status"] != ACTIVE or (session["agentId"], session.get("slotId")) != (mark["agentId"], mark["slotId"]):
        return None
    agent = Agent.collection().find_one({"_id": session["agentId"]})
    if agent is not None and (slots.holds(agent["_id"], session["_id"], session.get("slotId")) or _pass_on(session)):
        return SessionAssigned(session=session, agent=agent, **outbox.origin(mark))
    requeue(session, DELETED)
    return None


def requeue(
    session: Mapping[str, Any],
    reason: str,
    *,
    avoid: bool = False,
    strictly: bool = False,
    department_id: ObjectId | None = KEEP,
    said: Handover | None = None,
    until: datetime | None = None,
) -> bool:
    """Take an active session from its agent and return it to the front of the queue, where it is served next.

    A session that leaves its bot gets the place of its age instead; `said` is what the bot leaves behind. Sessions at
    the front keep their old order. A department is given to move the session to it, or None to take it out
    of its department. False if the session has been assigned again since it was read, or if the write reaches the
    database later than `until`.
    """
    agent_id, slot_id = session.get("agentId"), session.get("slotId")
    values: Document = {
        "status": WAITING,
        "agentId": None,
        "queuePriority": BACK if is_with_bot(session) else FRONT,
        "unassignedReason": reason,
        "updatedAt": "$$NOW",
        "slotId": "$$REMOVE",
        "botDueAt": "$$REMOVE",
        **_department(department_id),
        **_left_bot(session),
    }
    if avoid:
        values.update(avoidAgentId=agent_id, avoidStrictly=strictly)
    if said is not None:
        values["handedOverBy"] = said.by.type
    in_time: Document = {} if until is None else {"$expr": {"$lt": ["$$NOW", until]}}
    about: Document = {"agentId": agent_id, "slotId": slot_id, **closing_lines.for_mark(session, said)}
    with outbox.change(outbox.REQUEUED, reason=reason, **about) as mark:
        requeued = Session.collection().find_one_and_update(
            {"_id": session["_id"], "status": ACTIVE, "agentId": agent_id, "slotId": slot_id, **in_time},
            [{"$set": {**values, **outbox.added(mark)}}, {"$set": RESERVED}],
            return_document=ReturnDocument.AFTER,
        )
        if requeued is None:
            return False
        extra = {"session_id": str(session["_id"]), "agent_id": str(agent_id), "reason": reason}
        logger.info("Session requeued", extra={"event": "session_requeued", **extra})
        outbox.tell(_left(requeued, mark))
    return True


@outbox.retells(outbox.REQUEUED, outbox.MOVED)
def _left(session: Document, mark: Document) -> SessionLeft:
    """Return a departure, after the closing line of a bot was stored."""
    closing_lines.close(session, mark)
    left = SessionRequeued if mark["kind"] == outbox.REQUEUED else SessionMoved
    return left(
        session=session,
        agent_id=mark["agentId"],
        slot_id=mark.get("slotId"),
        reason=mark["reason"],
        **outbox.origin(mark),
    )


def change_department(session: Mapping[str, Any], department_id: ObjectId | None) -> Document | None:
    """Move an open session to another department, or out of its own. Returns None if it has changed meanwhile."""
    marks = recording.marks(recording.SESSION_UPDATED)
    values = {**_department(department_id), "updatedAt": "$$NOW", **recording.added(marks)}
    moved: Document | None = Session.collection().find_one_and_update(
        {"_id": session["_id"], "status": session["status"], "agentId": session.get("agentId")},
        [{"$set": values}, *([{"$set": RESERVED}] if session["status"] == WAITING else [])],
        return_document=ReturnDocument.AFTER,
    )
    if moved is not None:
        recording.look_after(Session.collection(), moved["_id"], recording.SESSION_UPDATED, marks)
    return moved


def requeue_all_of(agent_id: ObjectId, reason: str) -> int:
    """Requeue every session of an agent. Returns how many there were."""
    # The oldest first: each is served before the next one is requeued.
    mine = Session.collection().find(
        {"agentId": agent_id, "status": ACTIVE}, {"agentId": 1, "slotId": 1, "botId": 1}, sort=QUEUE_ORDER
    )
    return sum(requeue(session, reason) for session in list(mine))


def requeue_deleted(event: AgentDeleted) -> None:
    """Requeue the sessions of a deleted agent, and soon also those that it gets at this moment.

    Every process looks for those: the one that deletes the agent may be a command, which ends, or may be killed.
    """
    orders.give(RequeueSessionsOf(agent_id=str(event.agent_id)))
    requeue_all_of(event.agent_id, DELETED)


def expect_late(order: RequeueSessionsOf) -> None:
    """Let `requeue_late` look for an agent's sessions for a while."""
    _deleted[ObjectId(order.agent_id)] = elapsed()


def requeue_late() -> None:
    """Requeue sessions whose agent was deleted between taking the slot and assigning the session.

    It looks until no assignment that began before the deletion can be in progress any more.
    """
    for agent_id, deleted_at in list(_deleted.items()):
        is_last_look = elapsed() - deleted_at > 2 * slots.LONGEST_WRITE.total_seconds()
        requeue_all_of(agent_id, DELETED)
        if is_last_look:
            _deleted.pop(agent_id, None)


def requeue_away(event: AgentWentAway) -> None:
    """Requeue the sessions of an agent that is away."""
    requeue_all_of(event.agent_id, AWAY)
