"""The events of a chat: join, leave, send, type, read, end."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from chatsupport import broadcasts, serializers
from chatsupport.contract.chat import EndedSession
from chatsupport.contract.socket_events import (
    EndSession,
    InSession,
    Join,
    JoinAnswer,
    Left,
    MarkRead,
    Read,
    SendMessage,
    Sent,
    TypingState,
)
from chatsupport.documents.session import ACTIVE
from chatsupport.errors import ForbiddenError, NotFoundError
from chatsupport.identity import USER, Caller
from chatsupport.realtime import server
from chatsupport.services.messages import read_marks, sending
from chatsupport.services.messages.drafts import Draft
from chatsupport.services.presence import membership, typing
from chatsupport.services.sessions import ending, joins, told_here
from chatsupport.services.shared import access
from chatsupport.sockets import connections, held_events
from chatsupport.sockets.connections import Connection
from chatsupport.sockets.dispatch import Answer, Finish, SocketEvents
from chatsupport.sockets.leaving import leave

events = SocketEvents()

MAX_JOINED_SESSIONS = 50
MESSAGE_BYTES = 300
"""The approximate size of a message in a history, without its text, in bytes."""


@events.on("join_session", body=Join, answer=JoinAnswer)
def join_session(connection: Connection, join: Join) -> Answer:
    """Join a session's room. The socket gets the last messages, or those after `after`, and then all new ones in order.

    The history is in the event; a client that asks for a lean answer does not get it again in the acknowledgement.
    """
    session_id = join.session_id
    person = _person(connection, join)
    if connection.people.get(session_id, person) != person:
        leave(connection, session_id, "left")  # One socket is one person there.
    if session_id not in connection.people and len(connection.people) >= MAX_JOINED_SESSIONS:
        raise ForbiddenError(f"A socket can be in at most {MAX_JOINED_SESSIONS} sessions. Leave one first.")
    connection.people[session_id] = person
    try:
        joined = _enter(connection, session_id, join.after)
    except ForbiddenError:
        told_here.refused(connection.caller.id, session_id)
        raise
    membership.join(session_id, person, connection.sid)
    if connection.budget is not None:
        connection.budget.charge(
            sum(MESSAGE_BYTES + len(message["message"].encode()) for message in joined["messages"])
        )
    if join.lean:
        joined = {name: value for name, value in joined.items() if name != "messages"}
    return "Joined the session", joined


def _enter(connection: Connection, session_id: ObjectId, after: int | None) -> dict[str, Any]:
    """Enter the session's room after its history; a socket that joins again leaves the room in between.

    The read of the history checks the caller's access. The socket is named in `people` before that, so that somebody
    who takes the session from the caller meanwhile finds it there.
    """
    room = broadcasts.session_room(session_id)
    with server.listening(room), held_events.hold_back(room) as held:
        server.leave(connection.sid, room)
        try:
            joined, user_id, is_staff = joins.joined(connection.caller, session_id, after)
            if session_id not in connection.people:
                raise ForbiddenError("This session has just been assigned to another agent.")
            if connections.find(connection.sid) is not connection:
                raise NotFoundError("This socket has disconnected. Connect again.")
        except BaseException as error:
            person = connection.people.get(session_id)
            was_inside = (
                person is not None
                and connections.find(connection.sid) is connection
                and membership.is_there(session_id, person, connection.sid)
            )
            if was_inside and isinstance(error, ForbiddenError):
                leave(connection, session_id, "unassigned")
            elif was_inside:
                held_events.hand_back(connection.sid, held)
                server.enter(connection.sid, room)
            else:
                connection.people.pop(session_id, None)
            raise
        # From here to the end of the block nothing yields, so no message can arrive in between.
        held_events.hand_over(connection.sid, room, joined, held)
        told_here.joined(session_id, joined, user_id)
        if joined["status"] == ACTIVE and joined["agentId"] == connection.caller.id:
            told_here.knows_of(connection.caller.id, session_id)
        server.enter(connection.sid, room)
        # A system that acts for a user gets only what the user may see.
        if is_staff and connection.people[session_id].type != USER:
            server.enter(connection.sid, broadcasts.staff_room(session_id))
    return joined


@events.on("leave_session", body=InSession, answer=Left)
def leave_session(connection: Connection, leaving: InSession) -> Answer:
    """Leave the session's room."""
    session_id = leaving.session_id
    if not leave(connection, session_id, "left"):
        access.find_session(connection.caller, session_id)
    return "Left the session", {"sessionId": str(session_id)}


@events.answered_later("send_message", body=SendMessage, answer=Sent)
def send_message(connection: Connection, message: SendMessage, finish: Finish) -> None:
    """Send a message; the room gets it before the acknowledgement, which says that it is durable. 20 in 10 s."""
    session_id = message.session_id
    access.act_as(connection.caller, message.user_id, message.user_type)
    person = connection.people.get(session_id, connection.caller)
    if person != connection.caller and message.sender_id is None and message.sender_type is None:
        # A system that named the person it acts for when it joined.
        message = message.model_copy(update={"sender_id": person.id, "sender_type": person.type})

    def answer(sent: Draft) -> None:
        if sent.error is not None:
            finish(sent.error)
            return
        try:
            typing.stop(session_id, person)
        finally:
            finish(("Message sent", {"message": serializers.message(sent.message)}))

    sending.submit(connection.caller, session_id, message, answer)


@events.on("typing_start", body=InSession, answer=TypingState)
def typing_start(connection: Connection, typed: InSession) -> Answer:
    """Tell the others that the caller is typing. Renew it within 5 s. 60 a minute, together with typing_stop."""
    session_id, person = _present(connection, typed)
    typing.start(session_id, person, connection.caller)
    return "Typing", {"sessionId": str(session_id), "isTyping": True}


@events.on("typing_stop", body=InSession, answer=TypingState)
def typing_stop(connection: Connection, typed: InSession) -> Answer:
    """Tell the others that the caller has stopped typing."""
    session_id, person = _present(connection, typed)
    typing.stop(session_id, person, connection.caller)
    return "Not typing", {"sessionId": str(session_id), "isTyping": False}


@events.on("mark_read", body=MarkRead, answer=Read)
def mark_read(connection: Connection, read: MarkRead) -> Answer:
    """Tell the others how far the caller has read."""
    session_id, person = _present(connection, read)
    marked = read_marks.mark(session_id, person, read.seq)
    return "Marked as read", {"sessionId": str(session_id), "seq": marked}


@events.on("end_session", body=EndSession, answer=EndedSession)
def end_session(connection: Connection, end: EndSession) -> Answer:
    """End the session, as the REST call does."""
    return "Session ended", ending.end(connection.caller, end.session_id, end)


def _present(connection: Connection, named: InSession) -> tuple[ObjectId, Caller]:
    """Return the session and the caller's person in it. A caller that has not joined is checked as when joining."""
    person = connection.people.get(named.session_id)
    if person is None:
        access.find_session(connection.caller, named.session_id)
        person = connection.caller
    access.act_as(connection.caller, named.user_id, named.user_type)
    return named.session_id, person


def _person(connection: Connection, named: InSession) -> Caller:
    """Return the caller's person in the session: the caller itself, or the person that a system names."""
    access.act_as(connection.caller, named.user_id, named.user_type)
    if named.user_id is None or not connection.caller.may_act_for_others:
        return connection.caller
    return Caller(named.user_id, named.user_type or "user")
