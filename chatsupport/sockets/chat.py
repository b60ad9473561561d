"""The events of a chat: join, leave, send, type, read, end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bson import ObjectId

from chatsupport import broadcasts, payloads, serializers
from chatsupport.documents.session import ACTIVE
from chatsupport.errors import ForbiddenError, NotFoundError
from chatsupport.extensions import socketio
from chatsupport.identity import CALLER_TYPES, Caller
from chatsupport.payloads import Payload
from chatsupport.services.messages import read_marks, sending
from chatsupport.services.messages.drafts import Draft
from chatsupport.services.presence import membership, typing
from chatsupport.services.sessions import joins, lifecycle, told_here
from chatsupport.services.shared import access
from chatsupport.sockets import connections, controls, held_events
from chatsupport.sockets.connections import Connection
from chatsupport.sockets.events import Answer, Finish, event, event_answered_later

MAX_JOINED_SESSIONS = 50
MESSAGE_BYTES = 300
"""What a message of a history takes beside its text, about."""


@event("join_session")
def join_session(connection: Connection, payload: Payload) -> Answer:
    """Hand the client what it has missed, then everything that comes, in order and once.

    The history is in the event; a client that asks for a lean answer does not get it again in the acknowledgement.
    """
    session_id = payloads.session_id_in(payload)
    after, is_lean = payloads.resume_after(payload), payloads.is_lean(payload)
    access.find_session(connection.caller, session_id)
    person = _person(connection, payload)
    if connection.people.get(session_id, person) != person:
        controls.leave(connection, session_id, "left")  # One socket is one person there.
    if session_id not in connection.people and len(connection.people) >= MAX_JOINED_SESSIONS:
        raise ForbiddenError(f"A socket can be in at most {MAX_JOINED_SESSIONS} sessions. Leave one first.")
    connection.people[session_id] = person
    joined = _enter(connection, session_id, after)
    membership.join(session_id, person, connection.sid)
    if connection.budget is not None:
        connection.budget.charge(
            sum(MESSAGE_BYTES + len(message["message"].encode()) for message in joined["messages"])
        )
    if is_lean:
        joined = {name: value for name, value in joined.items() if name != "messages"}
    return "Joined the session", joined


def _enter(connection: Connection, session_id: ObjectId, after: int | None) -> dict[str, Any]:
    """Enter the session's room behind its history; a socket that is in it and asks again leaves it meanwhile."""
    room = broadcasts.session_room(session_id)
    with socketio.server.manager.listening(room), held_events.hold_back(room) as held:
        socketio.server.leave_room(connection.sid, room)
        try:
            joined = joins.joined(connection.caller, session_id, after)
            if session_id not in connection.people:
                raise ForbiddenError("This session has just been assigned to another agent.")
            if connections.find(connection.sid) is not connection:
                raise NotFoundError("This socket has disconnected. Connect again.")
        except BaseException:
            person = connection.people.get(session_id)
            if (
                person is not None
                and connections.find(connection.sid) is connection
                and membership.is_there(session_id, person, connection.sid)
            ):
                socketio.server.enter_room(connection.sid, room)
            else:
                connection.people.pop(session_id, None)
            raise
        # From here to the end of the block nothing waits, so no message can slip in between.
        held_events.hand_over(connection.sid, room, joined, held)
        told_here.joined(session_id, joined)
        if joined["status"] == ACTIVE and joined["agentId"] == connection.caller.id:
            told_here.knows_of(connection.caller.id, session_id)
        socketio.server.enter_room(connection.sid, room)
    return joined


@event("leave_session")
def leave_session(connection: Connection, payload: Payload) -> Answer:
    """Leave the session's room."""
    session_id = payloads.session_id_in(payload)
    if not controls.leave(connection, session_id, "left"):
        access.find_session(connection.caller, session_id)
    return "Left the session", {"sessionId": str(session_id)}


@event_answered_later("send_message")
def send_message(connection: Connection, payload: Payload, finish: Finish) -> None:
    """Store a message; the room hears of it before the acknowledgement."""
    session_id = payloads.session_id_in(payload)
    message = payloads.new_message(payload)
    access.act_as(connection.caller, *_claimed(payload))
    person = connection.people.get(session_id, connection.caller)
    if person != connection.caller and message.sender_id is None and message.sender_type is None:
        # A system that has said at joining whom it speaks for.
        message = replace(message, sender_id=person.id, sender_type=person.type)

    def answer(sent: Draft) -> None:
        if sent.error is not None:
            finish(sent.error)
            return
        try:
            typing.stop(session_id, person)
        finally:
            finish(("Message sent", {"message": serializers.message(sent.message)}))

    sending.submit(connection.caller, session_id, message, answer)


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
    marked = read_marks.mark(session_id, person, seq)
    return "Marked as read", {"sessionId": str(session_id), "seq": marked}


@event("end_session")
def end_session(connection: Connection, payload: Payload) -> Answer:
    """End the session, as the REST call does."""
    session_id = payloads.session_id_in(payload)
    return "Session ended", lifecycle.end(connection.caller, session_id, payloads.session_end(payload))


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
