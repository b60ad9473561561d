"""A session's life as its people see it: start, read, end."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from chatsupport import broadcasts, serializers
from chatsupport.contract.chat import SessionEnd
from chatsupport.database.clock import now
from chatsupport.documents import Agent, Session
from chatsupport.documents.session import BACK, ENDED, NEWEST_FIRST, OPEN, WAITING
from chatsupport.errors import DatabaseUnavailableError, ForbiddenError, SessionNotFoundError
from chatsupport.extensions import settings
from chatsupport.features.audit import service as audit
from chatsupport.features.consoles import service as consoles
from chatsupport.identity import USER, Caller
from chatsupport.services.assignment import choice, queue, slots
from chatsupport.services.messages import message_log, sequences
from chatsupport.services.server import totals
from chatsupport.services.sessions import end_figures
from chatsupport.services.shared import access, rate_limits, untold

logger = logging.getLogger(__name__)

Document = dict[str, Any]

_START_ATTEMPTS = 5


def start(caller: Caller, user_id: str, user_type: str, address: str = "") -> tuple[dict[str, Any], bool]:
    """Open a session for a user, or return the one that is open already. The second value says whether it is new.

    The unique index on open sessions decides between starts that race; the queue decides who gets an agent, so that a
    newcomer never overtakes somebody who waits. Raises `QueueFullError` where QUEUE_LIMIT is reached,
    `RateLimitedError` by caller, and where a new session would be one too many from the address.
    """
    access.act_as(caller, user_id, user_type)
    rate_limits.check_caller(rate_limits.START_SESSION, caller)
    for _ in range(_START_ATTEMPTS):
        session = find_open(user_id, user_type)
        if session is not None:
            if untold.complete(session):
                continue
            return _started(session, agent_of(session)), False
        if not caller.may_act_for_others:
            rate_limits.check_address(rate_limits.STARTS_FROM, address)
        try:
            session, agent = _open(user_id, user_type)
        except DuplicateKeyError:
            continue  # The same user's other start was faster.
        logger.info("Session started", extra={"event": "session_started", "session_id": str(session["_id"])})
        audit.record_soon(audit.START, caller, session)
        return _started(session, agent), True
    raise DatabaseUnavailableError


def current(caller: Caller) -> dict[str, Any] | None:
    """Return the caller's open session, None where it has none. For users only."""
    if caller.type != USER:
        raise ForbiddenError(
            "Only users have a current session. Agents list their sessions with GET /api/chat/sessions."
        )
    session = find_open(caller.id, USER)
    return None if session is None else _describe(session)


def find_open(user_id: str, user_type: str) -> Document | None:
    """Return somebody's open session, None where there is none."""
    session: Document | None = Session._get_collection().find_one(
        {"userId": user_id, "userType": user_type, "status": {"$in": list(OPEN)}}
    )
    return session


def _open(user_id: str, user_type: str) -> tuple[Document, Document | None]:
    """Store a new session at the queue's end, and give it an agent where one is free and nobody waits before it.

    Returns the session and its agent.
    """
    session = _new(user_id, user_type)
    preferred = _last_agent(user_id, user_type) if settings.config.sticky_agent else None
    if preferred is not None:
        session["preferredAgentId"] = preferred
    queue.check_room()
    with untold.change(untold.STARTED) as mark:
        session = _insert({**session, "untold": [mark]})
        try:
            served = choice.serve(session)
            untold.told(session["_id"], mark)
            if served is not None:
                return served
            session = Session._get_collection().find_one({"_id": session["_id"]}) or session
            queue.withdraw_overflow(session)
            return session, agent_of(session)
        finally:
            consoles.changed(session["_id"])


def _insert(session: Document) -> Document:
    """Store a session; the database stamps it, so that times tell who came first, whichever process they came to."""
    stamps = dict.fromkeys(("queuedAt", "createdAt", "updatedAt"), "$$NOW")
    stored: Document = Session._get_collection().find_one_and_update(
        {"_id": session["_id"]},
        [{"$replaceWith": {"$mergeObjects": [{"$literal": session}, stamps]}}],
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    return stored


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


def _last_agent(user_id: str, user_type: str) -> ObjectId | None:
    """Return the agent of the user's last session, None where it had none."""
    last = Session._get_collection().find_one(
        {"userId": user_id, "userType": user_type}, {"agentId": 1}, sort=NEWEST_FIRST
    )
    return None if last is None else last.get("agentId")


def _started(session: Document, agent: Document | None) -> dict[str, Any]:
    place = queue.position(session)
    session_id = str(session["_id"])
    if place is not None:
        why = "All our agents are busy." if slots.any_there() else "Nobody is here at the moment."
        message = f"{why} You are number {place} in the queue; we will be with you as soon as we can."
    elif agent is not None:
        message = f"You are connected to {agent['name']}."
    else:
        message = None
    return {
        "sessionId": session_id,
        **serializers.session_state(session, agent, place),
        "createdAt": serializers.iso(session["createdAt"]),
        "waitingMessage": message,
        "instructions": {
            "websocket": "Connect with socket.io-client and auth {token}, then emit join_session with this sessionId.",
            "http": f"POST /api/chat/send-message/{session_id}, GET /api/chat/messages/{session_id}.",
        },
    }


def describe(caller: Caller, session_id: ObjectId) -> dict[str, Any]:
    """Return the session as its people see it."""
    session = access.find_session(caller, session_id)
    return _describe(session, for_staff=access.is_staff(caller, session))


def describe_stored(session_id: ObjectId) -> dict[str, Any]:
    """Return the session for a caller whose access was checked already."""
    session = Session._get_collection().find_one({"_id": session_id})
    if session is None:
        raise SessionNotFoundError
    return _describe(session)


def _describe(session: Document, *, for_staff: bool = False) -> dict[str, Any]:
    place, last_seq = queue.position(session), sequences.last_seq(session["_id"])
    return serializers.session(session, agent_of(session), place, last_seq, now(), for_staff=for_staff)


def agent_of(session: Mapping[str, Any]) -> Document | None:
    """Return the agent a session is or was with, None where there is none."""
    agent_id = session.get("agentId")
    if agent_id is None:
        return None
    agent: Document | None = Agent._get_collection().find_one(
        {"_id": agent_id}, {"name": 1, "isOnline": 1, "isAway": 1}
    )
    return agent


def end(caller: Caller, session_id: ObjectId, why: SessionEnd) -> dict[str, Any]:
    """End a session; of an ended one, return the first end unchanged.

    Raises `ForbiddenError` where the session's user gives a reason that only staff see.
    """
    session = access.find_session(caller, session_id)
    if why.internal_reason is not None and not access.is_staff(caller, session):
        raise ForbiddenError("Only staff can give an internalReason. Leave it out.")
    if session["status"] != ENDED:
        ended = end_now({"_id": session_id}, why, caller.id, caller)
        if ended is not None:
            return serializers.session_end(ended)
        session = access.find_session(caller, session_id)
    untold.complete(session)
    return serializers.session_end(end_figures.complete(session))


def end_now(which: Mapping[str, Any], why: SessionEnd, ended_by: str, caller: Caller | None = None) -> Document | None:
    """End the open session that meets the condition, which names its `_id`, and do once what follows. None where there
    is none.

    `caller` is who asked for it, None where nobody did.
    """
    message_log.log.expect_end(which["_id"])
    time = now()
    values = {
        "status": ENDED,
        "endedAt": time,
        "endReason": why.reason,
        "endedBy": ended_by,
        "updatedAt": time,
        **({} if why.internal_reason is None else {"internalReason": why.internal_reason}),
    }
    with untold.change(untold.ENDED) as mark:
        session = Session._get_collection().find_one_and_update(
            {"status": {"$in": list(OPEN)}, **which},
            {"$set": values, "$push": {"untold": mark}},
            return_document=ReturnDocument.AFTER,
        )
        if session is None:
            return None
        audit.record_soon(audit.END, caller, session, reason=why.reason)
        totals.add(ended=1, endedMs=serializers.milliseconds_between(session["createdAt"], session["endedAt"]))
        session = _finish(session)
        untold.told(session["_id"], mark)
    return session


def _finish(session: Document) -> Document:
    """Do what follows an end: the last message is known, the room is told, the slot is free and goes to the next."""
    session_id, agent_id = session["_id"], session.get("agentId")
    if agent_id is not None:
        slots.release(agent_id, session_id, session.get("slotId"))
    session = end_figures.complete(session)
    broadcasts.session_ended(session)
    consoles.changed(session_id, agent_id)
    queue.forget(session_id)
    if agent_id is None:
        queue.announce_positions()
    else:
        choice.drain_queue()
    logger.info("Session ended", extra={"event": "session_ended", "session_id": str(session_id)})
    return session


@untold.reaction(untold.ENDED)
def _after_end(session: Document, mark: Document) -> None:
    """Do what follows an end of which it is not known whether anybody heard."""
    _finish(session)
