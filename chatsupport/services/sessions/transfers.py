"""Transfer a session: to an agent, or back to the front of the queue."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from chatsupport import events
from chatsupport.documents import Agent, Session
from chatsupport.documents.session import ENDED, WAITING
from chatsupport.errors import (
    AgentAtCapacityError,
    AgentNotFoundError,
    ConflictError,
    ForbiddenError,
    SessionEndedError,
)
from chatsupport.events import SessionTransferred
from chatsupport.identity import AGENT, SYSTEM, Caller
from chatsupport.services.assignment import serving, slots, transitions
from chatsupport.services.sessions import reading
from chatsupport.services.shared import access, outbox

Document = dict[str, Any]


def transfer(caller: Caller, session_id: ObjectId, agent_id: ObjectId | None) -> dict[str, Any]:
    """Hand the session to an agent, or back to the front of the queue. Returns the session.

    Raises `ForbiddenError` for callers who are not its agent, an operator or a supervisor, `SessionEndedError`,
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
        outbox.tell_untold(session)  # A repeated request: the session is already waiting.
    else:
        transitions.requeue(session, transitions.TRANSFERRED, avoid=True)
    events.happened(SessionTransferred(caller, session_id, agent_id, session.get("agentId")))
    return reading.describe_stored(session_id).for_staff


def _may_transfer(caller: Caller, session: Document) -> bool:
    """Tell whether the caller may transfer the session. Its visitor may not, even an agent who asks for help."""
    is_its_agent = caller.type == AGENT and str(session.get("agentId")) == caller.id
    return caller.type == SYSTEM or is_its_agent or access.is_supervisor(caller)


def _to_agent(session: Document, agent_id: ObjectId) -> None:
    if session.get("agentId") == agent_id:
        outbox.tell_untold(session)
        return  # A repeated request: the agent already has it.
    slot = slots.claim(session["_id"], session["userId"], only=agent_id)
    if slot is None:
        raise _why_not(agent_id)
    if not transitions.move(slot, session):
        serving.drain_queue()  # Another caller may have been told that this agent is full.
        raise _why_not_moved(session["_id"])


def _why_not(agent_id: ObjectId) -> Exception:
    agent = Agent.collection().find_one({"_id": agent_id})
    if agent is None:
        return AgentNotFoundError()
    if not agent.get("hasRoom"):
        return AgentAtCapacityError()
    return ConflictError("This agent is offline or away. Choose another agent.")


def _why_not_moved(session_id: ObjectId) -> Exception:
    ended = Session.collection().find_one({"_id": session_id, "status": ENDED}, {"_id": 1})
    if ended is not None:
        return SessionEndedError()
    return ConflictError("The session changed while you transferred it. Read it again before you retry.")
