"""The events of a chat: join, leave, send, type, read, end."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from chatsupport import broadcasts, payloads, serializers
from chatsupport.errors import ForbiddenError
from chatsupport.extensions import socketio
from chatsupport.identity import CALLER_TYPES, Caller
from chatsupport.payloads import Payload
from chatsupport.services import access, message_log, messages, presence, queue, sessions, typing
from chatsupport.sockets import controls
from chatsupport.sockets.connections import Connection
from chatsupport.sockets.events import Answer, event

MAX_JOINED_SESSIONS = 50


@event("join_session")
def join_session(connection: Connection, payload: Payload) -> Answer:
    """Enter the session's room, then read what the client has missed, so that nothing falls in between."""
    session_id = payloads.session_id_in(payload)
    after = payloads.resume_after(payload)
    session = access.find_session(connection.caller, session_id)
    person = _person(connection, payload)
    if session_id not in connection.people and len(connection.people) >= MAX_JOINED_SESSIONS:
        raise ForbiddenError(f"A socket may be in {MAX_JOINED_SESSIONS} sessions at most. Leave one first.")
    socketio.server.enter_room(connection.sid, broadcasts.session_room(session_id))
    connection.people[session_id] = person
    history, has_more = messages.recent(session_id) if after is None else messages.since(session_id, after)
    joined = {
        "sessionId": str(session_id),
        **serializers.session_state(session, sessions.agent_of(session), queue.position(session)),
        "lastSeq": message_log.last_seq(session_id),
        "messages": history,
        "hasMore": has_more,
    }
    broadcasts.to_socket(connection.sid, "session_joined", joined)
    presence.join(session_id, person, connection.sid)
    return "Joined the session", joined


@event("leave_session")
def leave_session(connection: Connection, payload: Payload) -> Answer:
    """Leave the session's room."""
    session_id = payloads.session_id_in(payload)
    if not controls.leave(connection, session_id, "left"):
        access.find_session(connection.caller, session_id)
    return "Left the session", {"sessionId": str(session_id)}


@event("send_message")
def send_message(connection: Connection, payload: Payload) -> Answer:
    """Store a message; the room hears of it before the acknowledgement."""
    session_id = payloads.session_id_in(payload)
    message = payloads.new_message(payload)
    access.act_as(connection.caller, *_claimed(payload))
    sent = messages.send(connection.caller, session_id, message)
    typing.stop(session_id, connection.people.get(session_id, connection.caller))
    return "Message sent", {"message": serializers.message(sent.message)}


@event("typing_start")
def typing_start(connection: Connection, payload: Payload) -> Answer:
    """Tell the others that the caller types."""
    session_id, person = _present(connection, payload)
    typing.start(session_id, person, connection.caller)
    return "Typing", {"sessionId": str(session_id), "isTyping": True}


@event("typing_stop")
def typing_stop(connection: Connection, payload: Payload) -> Answer:
    """Tell the others that the caller types no more."""
    session_id, person = _present(connection, payload)
    typing.stop(session_id, person, connection.caller)
    return "Not typing", {"sessionId": str(session_id), "isTyping": False}


@event("mark_read")
def mark_read(connection: Connection, payload: Payload) -> Answer:
    """Tell the others how far the caller has read."""
    seq = payloads.seq_in(payload)
    session_id, person = _present(connection, payload)
    broadcasts.messages_read(
        session_id, person.id, seq, skip_sid=presence.connections_of(session_id, person) or [connection.sid]
    )
    return "Marked as read", {"sessionId": str(session_id), "seq": seq}


@event("end_session")
def end_session(connection: Connection, payload: Payload) -> Answer:
    """End the session, as the REST call does."""
    session_id = payloads.session_id_in(payload)
    return "Session ended", sessions.end(connection.caller, session_id, payloads.end_reason(payload))


def _present(connection: Connection, payload: Payload) -> tuple[ObjectId, Caller]:
    """Return the session and who the caller is in it; who has not joined is checked as for joining."""
    session_id = payloads.session_id_in(payload)
    person = connection.people.get(session_id)
    if person is None:
        access.find_session(connection.caller, session_id)
        person = connection.caller
    access.act_as(connection.caller, *_claimed(payload))
    return session_id, person


def _person(connection: Connection, payload: Payload) -> Caller:
    """Return who the caller is in the session: itself, or whom a system says it is."""
    user_id, user_type = _claimed(payload)
    access.act_as(connection.caller, user_id, user_type)
    if user_id is None or not connection.caller.may_act_for_others:
        return connection.caller
    return Caller(user_id, user_type or "user")


def _claimed(payload: Payload) -> tuple[str | None, str | None]:
    """Return the `userId` and `userType` a payload names, None where it names none."""
    user_id: Any = payload.get("userId")
    user_type: Any = payload.get("userType")
    return (
        None if user_id is None else payloads.user_id(payload),
        None if user_type is None else payloads.user_type(payload, CALLER_TYPES),
    )
