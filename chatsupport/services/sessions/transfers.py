"""Transfer a session: to an agent, or back to the front of the queue."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from chatsupport import events
from chatsupport.contract.base import refused
from chatsupport.contract.chat import Transfer
from chatsupport.documents import Agent, Session
from chatsupport.documents.agent import departments_of, is_bot
from chatsupport.documents.session import ENDED, TAKE_OVER, TRANSFER, WAITING
from chatsupport.errors import (
    AgentAtCapacityError,
    AgentNotFoundError,
    ConflictError,
    ForbiddenError,
    SessionEndedError,
)
from chatsupport.events import SessionTransferred, SessionUpdated
from chatsupport.identity import AGENT, SYSTEM, Caller
from chatsupport.services.assignment import queue, serving, slots, transitions
from chatsupport.services.people import departments
from chatsupport.services.sessions import reading
from chatsupport.services.shared import access, outbox

Document = dict[str, Any]


def transfer(caller: Caller, session_id: ObjectId, to: Transfer) -> dict[str, Any]:
    """Hand the session to an agent, or back to the front of the queue, perhaps of another department. Returns it.

    Raises `ForbiddenError` for callers who are not its agent, an operator or a supervisor, `SessionEndedError`,
    `AgentNotFoundError`, `DepartmentNotFoundError`, `InvalidInputError` if the agent may not have sessions of the
    department, and `ConflictError` with AGENT_AT_CAPACITY or AGENT_BUSY (offline or away); the session then stays where
    it is.
    """
    session = access.find_session(caller, session_id)
    if not _may_transfer(caller, session):
        raise ForbiddenError("Only the session's agent, a supervisor, a system or an API key can transfer it.")
    if session["status"] == ENDED:
        raise SessionEndedError
    if to.department_id is not None:
        departments.require([to.department_id])
    department_id = to.department_id if "department_id" in to.given else transitions.KEEP
    if to.agent_id is not None:
        _to_agent(caller, session, to.agent_id, department_id, TAKE_OVER if caller.id == str(to.agent_id) else TRANSFER)
    elif session["status"] == WAITING:
        outbox.tell_untold(session)
        if department_id is not transitions.KEEP and department_id != session.get("departmentId"):
            _to_department(caller, session, department_id)
    elif not transitions.requeue(session, transitions.TRANSFERRED, avoid=True, department_id=department_id):
        raise _why_not_moved(session_id)
    events.happened(
        SessionTransferred(
            caller,
            session_id,
            to.agent_id,
            session.get("agentId"),
            department=str(to.department_id or "none") if "department_id" in to.given else None,
        )
    )
    return reading.describe_stored(session_id).for_staff


def _may_transfer(caller: Caller, session: Document) -> bool:
    """Tell whether the caller may transfer the session. Its visitor may not, even an agent who asks for help."""
    is_its_agent = caller.type == AGENT and str(session.get("agentId")) == caller.id
    return caller.type == SYSTEM or is_its_agent or access.is_supervisor(caller)


def _to_department(caller: Caller, session: Document, department_id: ObjectId | None) -> None:
    """Move an open session to another department. An active one stays with its agent."""
    moved = transitions.change_department(session, department_id)
    if moved is None:
        raise _why_not_moved(session["_id"])
    events.happened(SessionUpdated(moved, caller, ("departmentId",)))
    queue.announce_positions()
    serving.drain_queue()


def _to_agent(
    caller: Caller, session: Document, agent_id: ObjectId, department_id: ObjectId | None, reason: str
) -> None:
    if session.get("agentId") == agent_id:
        outbox.tell_untold(session)
        if department_id is not transitions.KEEP and department_id != session.get("departmentId"):
            _check_may_have(Agent.collection().find_one({"_id": agent_id}) or {}, department_id)
            _to_department(caller, session, department_id)
        return  # The agent already has it.
    wanted = _of_whom(session) if department_id is transitions.KEEP else department_id
    slot = slots.claim(session["_id"], session["userId"], only=agent_id, department_id=wanted, reason=reason)
    if slot is None:
        raise _why_not(agent_id, wanted)
    if not transitions.move(slot, session, department_id):
        serving.drain_queue()  # Another caller may have been told that this agent is full.
        raise _why_not_moved(session["_id"])


def _of_whom(session: Document) -> ObjectId | None:
    """Return the department whose agents may have the session. A waiting one may have been opened to every agent."""
    department_id: ObjectId | None = session.get("reservedFor" if session["status"] == WAITING else "departmentId")
    return department_id


def _why_not(agent_id: ObjectId, department_id: ObjectId | None) -> Exception:
    agent = Agent.collection().find_one({"_id": agent_id})
    if agent is None:
        return AgentNotFoundError()
    if is_bot(agent):
        return refused("agentId", "INVALID_AGENT", "A bot gets only new sessions. Choose a person.")
    _check_may_have(agent, department_id)
    if not agent.get("hasRoom"):
        return AgentAtCapacityError()
    return ConflictError("This agent is offline or away. Choose another agent.")


def _check_may_have(agent: Document, department_id: ObjectId | None) -> None:
    own = departments_of(agent)
    if department_id is not None and own is not None and department_id not in own:
        raise refused(
            "agentId",
            "INVALID_DEPARTMENT",
            "This agent gets no sessions of this department. Choose another agent, or give another departmentId too.",
        )


def _why_not_moved(session_id: ObjectId) -> Exception:
    ended = Session.collection().find_one({"_id": session_id, "status": ENDED}, {"_id": 1})
    if ended is not None:
        return SessionEndedError()
    return ConflictError("The session changed while you transferred it. Read it again before you retry.")
