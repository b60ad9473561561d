"""Sessions and their messages. Every call needs a caller; the services check whose session it is."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from chatsupport import serializers
from chatsupport.blueprints.requests import caller, require_caller
from chatsupport.blueprints.routing import AGENTS, ANYBODY, MEMBERS, STAFF, Access, route
from chatsupport.contract import chat as contract
from chatsupport.contract.calls import Says
from chatsupport.contract.chat import Handoff, NewMessage, Page, SessionEnd, SessionFilter, StartSession, Transfer
from chatsupport.contract.fields import SessionId
from chatsupport.errors import (
    AgentAtCapacityError,
    BlockedError,
    ConflictError,
    DatabaseUnavailableError,
    InvalidApiKeyError,
    InvalidTokenError,
    QueueFullError,
    SessionEndedError,
    TokenExpiredError,
    WithAPersonError,
)
from chatsupport.identity import USER
from chatsupport.services.assignment import staffing
from chatsupport.services.messages import history, sending
from chatsupport.services.server import overview
from chatsupport.services.sessions import ending, handoffs, lists, reading, starting, transfers
from chatsupport.services.sessions.starting import Start

blueprint = Blueprint("chat", __name__, url_prefix="/api/chat")

Json = dict[str, Any]


@route(
    blueprint.post("/start-session"),
    body=StartSession,
    answers={
        201: Says("Session started", contract.StartedSession),
        200: Says("This user already has an open session", contract.StartedSession),
    },
    errors=[QueueFullError],
)
def start_session(start: StartSession) -> tuple[Json, int]:
    """Start a session, or get the open one.

    A user has at most one open session. 10 a minute.
    """
    asked = Start(
        caller=caller(),
        wanted=start,
        address=request.remote_addr or "",
        user_agent=request.headers.get("User-Agent", ""),
    )
    session, created = starting.start(asked)
    return session, 201 if created else 200


@route(
    blueprint.get("/session/current"),
    answers={200: Says("Current session", contract.CurrentSession)},
)
def get_current_session() -> Json:
    """Read the caller's open session.

    For users. `session` is null if there is none.
    """
    return {"session": reading.current(caller())}


@route(
    blueprint.get("/session/<session_id>"),
    answers={200: Says("Session", contract.Session)},
)
def get_session(session_id: SessionId) -> Json:
    """Read a session."""
    return reading.describe(caller(), session_id)


@route(
    blueprint.post("/end-session/<session_id>"),
    body=SessionEnd,
    answers={200: Says("Session ended", contract.EndedSession)},
    access=MEMBERS,
)
def end_session(session_id: SessionId, end: SessionEnd) -> Json:
    """End a session.

    A repeated call returns the first end unchanged.
    """
    return ending.end(caller(), session_id, end)


@route(
    blueprint.get("/messages/<session_id>"),
    query=Page,
    answers={200: Says("Messages", contract.History)},
    access=MEMBERS,
)
def get_messages(session_id: SessionId, page: Page) -> Json:
    """Read a session's messages.

    A page by `offset`, or by `after` or `before` a seq.
    """
    return history.read_page(caller(), session_id, page)


@route(
    blueprint.post("/send-message/<session_id>"),
    body=NewMessage,
    headers={"Idempotency-Key": "clientMessageId"},
    answers={
        201: Says("Message sent", contract.SentMessage),
        200: Says("This message was already sent", contract.SentMessage),
    },
    errors=[SessionEndedError],
    access=MEMBERS,
)
def send_message(session_id: SessionId, message: NewMessage) -> tuple[Json, int]:
    """Send a message.

    The answer comes when the message is durable. A repeated `clientMessageId` returns the first message. 20 in 10 s.
    """
    sent = sending.send(caller(), session_id, message)
    return serializers.sent_message(sent.message, sent.session_status), 201 if sent.created else 200


@route(
    blueprint.get("/sessions"),
    query=SessionFilter,
    answers={200: Says("Sessions", contract.SessionPage)},
    access=AGENTS,
)
def list_sessions(wanted: SessionFilter) -> Json:
    """List sessions, newest first.

    Agents get their own sessions; supervisors, API keys and systems get all.
    """
    return lists.list_sessions(caller(), wanted)


@route(
    blueprint.post("/transfer/<session_id>"),
    body=Transfer,
    answers={200: Says("Session transferred", contract.Session)},
    errors=[SessionEndedError, ConflictError, AgentAtCapacityError],
    access=STAFF,
)
def transfer_session(session_id: SessionId, transfer: Transfer) -> Json:
    """Hand a session to an agent, or back to the queue's front.

    For its agent, supervisors, API keys and systems. A supervisor takes a session over with its own id.
    """
    return transfers.transfer(caller(), session_id, transfer)


@route(
    blueprint.post("/handoff/<session_id>"),
    body=Handoff,
    answers={200: Says("Session handed over", contract.Session)},
    errors=[SessionEndedError, WithAPersonError, ConflictError],
    access=Access(check_session=handoffs.find),
)
def hand_off_session(session_id: SessionId, handoff: Handoff) -> Json:
    """Hand a session over from its bot to people.

    For the bot, the session's user, API keys and systems. The session waits for a person, at the place of its age.
    After the answer, nothing that the bot sends is stored.
    """
    return handoffs.hand_off(caller(), session_id, handoff)


@route(
    blueprint.get("/availability"),
    query=contract.AvailabilityOf,
    answers={200: Says("Availability", contract.Availability)},
    errors=[InvalidTokenError, TokenExpiredError, InvalidApiKeyError, BlockedError, DatabaseUnavailableError],
    access=ANYBODY,
)
def get_availability(of: contract.AvailabilityOf) -> Json:
    """Read whether an agent is present.

    For everybody, because a page asks before a visitor writes. With credentials, the answer also has the queue's
    length.
    """
    is_stranger = not ("Authorization" in request.headers or "X-API-Key" in request.headers)
    if not is_stranger:
        require_caller()
    return staffing.describe(None if is_stranger else caller(), of.department_id)


@route(blueprint.get("/stats"), answers={200: Says("Statistics", contract.Statistics)})
def get_statistics() -> Json:
    """Read the statistics."""
    waiting = [] if caller().type == USER else staffing.waiting_departments()
    return {**overview.statistics(caller()), "departments": waiting}
