"""Start a session: it gets an agent at once if one is free and nobody waits, or else joins the end of the queue."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bson import ObjectId
from pymongo.errors import DuplicateKeyError, PyMongoError

from chatsupport import serializers, session_parts
from chatsupport.contract.chat import StartSession
from chatsupport.database.clock import now
from chatsupport.database.connection import seconds_left
from chatsupport.documents.agent import is_bot
from chatsupport.documents.session import ACTIVE, BACK, OPEN, WAITING, is_with_bot
from chatsupport.errors import ChatSupportError, DatabaseUnavailableError
from chatsupport.events import SessionStarted
from chatsupport.extensions import settings, socketio
from chatsupport.identity import Caller
from chatsupport.services.assignment import bots, places, queue, serving, slots, staffing, transitions
from chatsupport.services.assignment.slots import Slot
from chatsupport.services.messages import message_log
from chatsupport.services.people import departments
from chatsupport.services.sessions import reading, writes
from chatsupport.services.shared import access, outbox, rate_limits

logger = logging.getLogger(__name__)

Document = dict[str, Any]

_START_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The request for a start: the person, the fields, the address, and the name of the caller's software."""

    caller: Caller
    wanted: StartSession
    address: str = ""
    user_agent: str = ""


def start(asked: Start) -> tuple[dict[str, Any], bool]:
    """Open a session for a user, or return the open one. The second value says whether it is new.

    The unique index on open sessions decides between starts that race; the queue decides who gets an agent, so that a
    newcomer never overtakes somebody who waits. Raises `RateLimitedError` by caller. Only a new session is refused with
    `RateLimitedError` by address, `QueueFullError`, `DepartmentNotFoundError`, or by a feature (`session_parts.py`).
    """
    caller, person = asked.caller, asked.wanted.caller
    access.act_as(caller, person.id, person.type)
    rate_limits.check_caller(rate_limits.START_SESSION, caller)
    session = reading.find_newest(person.id, person.type)
    for _ in range(_START_ATTEMPTS):
        if session is None or session["status"] not in OPEN:
            try:
                return _answer(*_open(asked, last=session)), True
            except DuplicateKeyError:
                # The same user's other start was faster, or another session than the last one is open.
                session = reading.find_open(person.id, person.type) or session
            except ChatSupportError:
                # What refuses a new session does not refuse the open one.
                older = None if session is None else reading.find_open(person.id, person.type)
                if older is None:
                    raise
                session = older
        elif _waited_for_start_of(session) or outbox.tell_untold(session):
            session = reading.find_newest(person.id, person.type)
        else:
            return _answer(session, reading.agent_of(session)), False
    raise DatabaseUnavailableError


def _open(asked: Start, last: Document | None) -> tuple[Document, Document | None, bool | None]:
    """Store a new session: with an agent if one is free and nobody waits, or else at the end of the queue.

    `last` is the user's session before it. Returns the session, its agent, and whether any agent is there, if that is
    known.
    """
    if not asked.caller.may_act_for_others:
        rate_limits.check_address(rate_limits.STARTS_FROM, asked.address)
    session, department_id = _new(asked.wanted.caller.id, asked.wanted.caller.type), asked.wanted.department_id
    if department_id is not None:
        departments.require([department_id])
        session["departmentId"] = department_id
    if kept := session_parts.kept_from(asked):
        session["features"] = kept
    if last is not None and settings.config.sticky_agent and (preferred := _person_with(last)) is not None:
        session["preferredAgentId"] = preferred
    waiting = {**session, **_reserved(session)}
    slot = bots.claim_for(session) or serving.slot_for_newcomer(waiting)
    is_staffed: bool | None = None
    if slot is None:
        queue.check_room(department_id)
    message_log.log.begin(session["_id"])
    with outbox.change(outbox.STARTED, asked.caller) as mark:
        if slot is None:
            with serving.arriving(session["_id"]):
                session = _insert({**waiting, **outbox.stored(mark)})
                session, agent, is_staffed = serving.serve_newcomer(session)
        else:
            session = _insert_with(slot, session, mark)
            agent = slot.agent if session["status"] == ACTIVE else None
        if agent is None:
            queue.withdraw_beyond_limit(session)
            agent = reading.agent_of(session)
        logger.info("Session started", extra={"event": "session_started", "session_id": str(session["_id"])})
        outbox.tell(_started(session, mark))
    return session, agent, is_staffed


def _waited_for_start_of(session: Document) -> bool:
    """Wait while another call starts this session and may still withdraw it. False if no call of this process does."""
    if not (queue.may_withdraw(session) and outbox.is_in_progress(session, outbox.STARTED)):
        return False
    while outbox.is_in_progress(session, outbox.STARTED) and seconds_left():
        socketio.sleep(queue.LIMIT_LOOK_SECONDS)
    return True


def _person_with(session: Document) -> ObjectId | None:
    """Return the agent of a session, unless it is a bot."""
    agent_id: ObjectId | None = session.get("agentId")
    return None if is_with_bot(session) else agent_id


def _insert_with(slot: Slot, session: Document, started: Document) -> Document:
    """Store a session that begins with the agent whose slot was taken for it."""
    only_if_it_waits = {**_reserved(session), **outbox.stored(started)}
    if not is_bot(slot.agent) and "preferredAgentId" in session:
        only_if_it_waits["preferredAgentId"] = session.pop("preferredAgentId")
    stamps = {"reservedAt": "$$NOW"} if "reservedFor" in only_if_it_waits else {}
    or_else = {"$mergeObjects": [{"$literal": only_if_it_waits}, stamps]}
    with outbox.change(outbox.ASSIGNED, agentId=slot.agent["_id"], slotId=slot.id) as assigned:
        try:
            session = _insert({**session, **outbox.stored(started, assigned)}, transitions.begun(slot, or_else))
        except DuplicateKeyError:
            _give_back(slot)
            raise
        except (PyMongoError, DatabaseUnavailableError):
            slots.free_unused_later(slot.id, session["_id"])
            raise
        transitions.begin(slot, session, assigned)
    if session["status"] != ACTIVE:
        _give_back(slot)
    return session


def _give_back(slot: Slot) -> None:
    """Give a slot back that was not needed, and serve the queue, which somebody may have joined in the meantime."""
    slots.give_back(slot)
    serving.drain_queue()


def _reserved(session: Document) -> Document:
    """Return the values of a session that waits for the agents of its department."""
    return {"reservedFor": session["departmentId"]} if "departmentId" in session else {}


@outbox.retells(outbox.STARTED)
def _started(session: Document, mark: Document) -> SessionStarted:
    return SessionStarted(session=session, **outbox.origin(mark))


def _insert(session: Document, also: Document | None = None) -> Document:
    """Store a session, with the values of an expression. The database sets its time, so that times show the order of
    starts in all processes.
    """
    times = ("queuedAt", "createdAt", "updatedAt", *(("reservedAt",) if "reservedFor" in session else ()))
    stamps = dict.fromkeys(times, "$$NOW")
    return writes.insert(session["_id"], {"$mergeObjects": [{"$literal": session}, stamps, also or {}]})


def _new(user_id: str, user_type: str) -> Document:
    time = now()
    return {
        "_id": ObjectId(),
        "userId": user_id,
        "userType": user_type,
        "agentId": None,
        "status": WAITING,
        "queuePriority": BACK,
        "queuedAt": time,
        "endedAt": None,
        "endReason": None,
        "createdAt": time,
        "updatedAt": time,
    }


def _answer(session: Document, agent: Document | None, is_staffed: bool | None = None) -> dict[str, Any]:
    place, opening = places.position(session), staffing.opening()
    session_id = str(session["_id"])
    if place is not None:
        message = _waiting_message(session, place, opening, is_staffed)
    elif agent is not None:
        message = f"You are connected to {agent['name']}."
    else:
        message = None
    return {
        "sessionId": session_id,
        **serializers.session_state(session, agent, place),
        "createdAt": serializers.iso(session["createdAt"]),
        "waitingMessage": message,
        **opening.shown(),
        "instructions": {
            "websocket": "Connect with socket.io-client and auth {token}, then emit join_session with this sessionId.",
            "http": f"POST /api/chat/send-message/{session_id}, GET /api/chat/messages/{session_id}.",
        },
    }


def _waiting_message(session: Document, place: int, opening: staffing.Opening, is_staffed: bool | None) -> str:
    """Return the reason why the visitor waits, and its place. Outside the hours: when somebody will answer."""
    if opening.opens_at is not None:
        zone = _zone(session_parts.time_zone_of(session)) or opening.zone
        time = opening.opens_at.astimezone(zone)
        when = f"{time:%A}, {time.day} {time:%B} at {time:%H:%M} ({zone or 'UTC'})"
        return f"We are closed at the moment, and answer when we open on {when}. You are number {place} in the queue."
    if not opening.is_open:
        why = "We are closed at the moment."
    elif slots.any_there(session.get("reservedFor")) if is_staffed is None else is_staffed:
        why = "All our agents are busy."
    else:
        why = "Nobody is here at the moment."
    return f"{why} You are number {place} in the queue; we will be with you as soon as we can."


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):  # From an earlier version of the time zones.
        return None
