"""Handing a session over: to an agent, or back to the queue's front."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from chatsupport.documents import Agent, Session
from chatsupport.documents.session import ENDED, WAITING
from chatsupport.errors import (
    AgentAtCapacityError,
    AgentNotFoundError,
    ConflictError,
    ForbiddenError,
    SessionEndedError,
)
from chatsupport.features.audit import service as audit
from chatsupport.identity import AGENT, SYSTEM, Caller
from chatsupport.services.assignment import choice, queue
from chatsupport.services.sessions import lifecycle
from chatsupport.services.shared import access, untold

Document = dict[str, Any]


def transfer(caller: Caller, session_id: ObjectId, agent_id: ObjectId | None) -> dict[str, Any]:
    """Hand the session to an agent, or without one back to the queue's front. Returns the session.

    Raises `ForbiddenError` for whoever is neither its agent nor an operator or a supervisor, `SessionEndedError`,
    `AgentNotFoundError`, and `ConflictError` with AGENT_AT_CAPACITY or AGENT_BUSY (offline or away); the session then
    stays where it is.
    """
    session = access.find_session(caller, session_id)
    if not _may_transfer(caller, session):
        raise ForbiddenError("Only the session's agent, a supervisor, a system or an API key can transfer it.")
    if session["status"] == ENDED:
        raise SessionEndedError
    if agent_id is not None:
        _to_agent(session, agent_id)
    elif session["status"] == WAITING:
        untold.complete(session)  # A repeated request: it waits already.
    elif choice.requeue(session, choice.TRANSFERRED, avoid=True):
        choice.drain_queue()
    from_agent = session.get("agentId")
    audit.record(
        audit.TRANSFER,
        caller,
        session_id=session_id,
        agent_id=agent_id,
        from_agent_id=None if from_agent is None else str(from_agent),
    )
    return lifecycle.describe_stored(session_id)


def _may_transfer(caller: Caller, session: Document) -> bool:
    """Tell whether the caller may: a visitor may not, even one who is an agent itself and writes to another one."""
    is_its_agent = caller.type == AGENT and str(session.get("agentId")) == caller.id
    return caller.type == SYSTEM or is_its_agent or access.is_supervisor(caller)


def _to_agent(session: Document, agent_id: ObjectId) -> None:
    if session.get("agentId") == agent_id:
        untold.complete(session)
        return  # A repeated request: it is there already.
    slot = choice.claim(session["_id"], session["userId"], only=agent_id)
    if slot is None:
        raise _why_not(agent_id)
    before, slot_before, reason = session.get("agentId"), session.get("slotId"), choice.TRANSFERRED
    with (
        untold.change(untold.MOVED, agentId=before, slotId=slot_before, reason=reason) as left,
        untold.change(untold.ASSIGNED, agentId=agent_id, slotId=slot.id) as assigned,
    ):
        marks = [assigned] if before is None else [left, assigned]
        unchanged = {"_id": session["_id"], "status": session["status"], "agentId": before, "slotId": slot_before}
        moved = choice.assign(slot, unchanged, *marks)
        if moved is None:
            choice.give_back(slot)
            choice.drain_queue()  # Somebody may have been told that this agent is full.
            raise _why_not_moved(session["_id"])
        if before is None:
            queue.announce_positions()
        else:
            choice.leave(moved, left)
        choice.confirm(moved, slot)
        untold.told(session["_id"], *marks)
    choice.drain_queue()


def _why_not(agent_id: ObjectId) -> Exception:
    agent = Agent._get_collection().find_one({"_id": agent_id})
    if agent is None:
        return AgentNotFoundError()
    if not agent.get("hasRoom"):
        return AgentAtCapacityError()
    return ConflictError("This agent is offline or away. Choose another agent.")


def _why_not_moved(session_id: ObjectId) -> Exception:
    ended = Session._get_collection().find_one({"_id": session_id, "status": ENDED}, {"_id": 1})
    if ended is not None:
        return SessionEndedError()
    return ConflictError(
        "Somebody else changed this session at the same moment. Read the session again before you retry."
    )
