"""Every event of the core from the server to its clients. Features emit theirs by `emit` and `emit_here`.

Rooms: two a session (everybody who joined it, and the staff among them), one a person (all sockets of one caller, in
whatever process).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import ObjectId

from chatsupport import orders, serializers
from chatsupport.database.clock import now
from chatsupport.events import MessagesRead, MessageStored, PersonJoined, PersonLeft, SessionIdle, TypingChanged
from chatsupport.identity import AGENT, Caller
from chatsupport.orders import LeaveSession
from chatsupport.realtime import server

Document = Mapping[str, Any]

SESSION_ROOMS = "session:"


def session_room(session_id: ObjectId | str) -> str:
    """Return the room of everybody who joined this session."""
    return f"{SESSION_ROOMS}{session_id}"


def staff_room(session_id: ObjectId | str) -> str:
    """Return the room of the staff among those who joined this session."""
    return f"staff:{session_id}"


def person_room(person_id: object, person_type: str) -> str:
    """Return the room of all sockets of one person."""
    return f"{person_type}:{person_id}"


def link_room(session_id: str) -> str:
    """Return the room of the sockets whose token is for this session only."""
    return f"link:{session_id}"


def own_room(caller: Caller) -> str:
    """Return the room in which a caller's socket hears what concerns the caller."""
    return person_room(caller.id, caller.type) if caller.session_id is None else link_room(caller.session_id)


def new_message(event: MessageStored) -> None:
    """Tell the session's room, the sender included."""
    message = event.message
    emit("new_message", serializers.message(message), to=session_room(message["sessionId"]))


def user_joined(event: PersonJoined) -> None:
    """Tell the others that somebody is here."""
    _emit_presence("user_joined", event)


def user_left(event: PersonLeft) -> None:
    """Tell the others that somebody's last socket is gone, and why."""
    _emit_presence("user_left", event, reason=event.reason)


def user_typing(event: TypingChanged) -> None:
    """Tell the others that somebody began or stopped typing."""
    emit(
        "user_typing",
        {
            "sessionId": str(event.session_id),
            "userId": event.person.id,
            "userType": event.person.type,
            "isTyping": event.is_typing,
        },
        to=session_room(event.session_id),
        skip_sid=list(event.connections),
    )


def messages_read(event: MessagesRead) -> None:
    """Tell the others how far somebody has read, and also an agent's own sockets in any browser."""
    session_id, person, seq = str(event.session_id), event.person, event.seq
    emit(
        "messages_read",
        {"sessionId": session_id, "userId": person.id, "seq": seq},
        to=session_room(session_id),
        skip_sid=list(event.connections),
    )
    if person.type == AGENT:
        emit("session_read", {"sessionId": session_id, "seq": seq}, to=person_room(person.id, AGENT))


def session_updated(for_user: dict[str, Any], for_staff: dict[str, Any], *, here: bool = False) -> None:
    """Tell what a session (serialized) is now: its user on all sockets, and staff in the room, and its agent, what
    they may see of it. With `here` the sockets of this process only.
    """
    own = [person_room(for_user["userId"], for_user["userType"]), link_room(for_user["id"])]
    emit("session_updated", for_user, to=own, here=here)
    rooms = [staff_room(for_staff["id"])]
    if for_staff["agentId"] is not None:
        rooms.append(person_room(for_staff["agentId"], AGENT))
    emit("session_updated", for_staff, to=rooms, here=here)


def session_ended(session: Document, *, here: bool = False) -> None:
    """Tell the room (with `here`, only the sockets of this process) that the session has ended."""
    emit(
        "session_ended",
        {
            "sessionId": str(session["_id"]),
            "reason": session.get("endReason"),
            "endedAt": serializers.iso(session["endedAt"]),
            "endedBy": session.get("endedBy"),
        },
        to=session_room(session["_id"]),
        here=here,
    )


def agent_assigned(session: Document, agent: Document, *, here: bool = False) -> None:
    """Tell the room (with `here`, only the sockets of this process) which agent will answer."""
    emit(
        "agent_assigned",
        {
            "sessionId": str(session["_id"]),
            "agentId": str(agent["_id"]),
            "agent": serializers.agent_summary(agent),
        },
        to=session_room(session["_id"]),
        here=here,
    )


def session_assigned(agent_id: ObjectId, session: dict[str, Any], *, here: bool = False) -> None:
    """Tell all of an agent's sockets, in any process, about a session (serialized) that the agent now has."""
    emit("session_assigned", session, to=person_room(agent_id, "agent"), here=here)


def session_unassigned(session_id: ObjectId, agent_id: ObjectId, reason: str, *, here: bool = False) -> None:
    """Tell the room and all of the agent's sockets that the session left its agent, and why."""
    rooms = [session_room(session_id), person_room(agent_id, AGENT)]
    _tell_of_leaving(session_id, agent_id, reason, rooms, here=here)


def session_lost(session_id: ObjectId, agent_id: ObjectId, reason: str) -> None:
    """Tell only the agent's sockets in this process that the session left the agent. The room knows already."""
    _tell_of_leaving(session_id, agent_id, reason, [person_room(agent_id, AGENT)], here=True)


def _tell_of_leaving(session_id: ObjectId, agent_id: ObjectId, reason: str, rooms: list[str], *, here: bool) -> None:
    data = {"sessionId": str(session_id), "agentId": str(agent_id), "reason": reason}
    emit("session_unassigned", data, to=rooms, here=here)
    orders.give(LeaveSession(session_id=str(session_id), person_id=str(agent_id), person_type=AGENT), here=here)


def is_heard_here(room: str) -> bool:
    """Tell whether any socket of this process is in the room."""
    return server.has_members(room)


def session_idle(event: SessionIdle) -> None:
    """Tell the room that the session will end unless somebody writes, and when."""
    emit(
        "session_idle",
        {"sessionId": str(event.session_id), "endsAt": serializers.iso(event.ends_at)},
        to=session_room(event.session_id),
    )


def session_sync(session_id: ObjectId, last_seq: int) -> None:
    """Tell only the sockets of this process the session's last seq."""
    emit_here("session_sync", {"sessionId": str(session_id), "lastSeq": last_seq}, session_room(session_id))


def queue_update(session_id: ObjectId, queue_position: int) -> None:
    """Tell only the sockets of this process their session's new place in the queue."""
    emit_here(
        "queue_update",
        {"sessionId": str(session_id), "queuePosition": queue_position},
        session_room(session_id),
    )


def to_socket(sid: str, event: str, data: dict[str, Any]) -> None:
    """Tell one socket of this process."""
    emit_here(event, data, sid)


def emit(
    event: str, data: dict[str, Any], to: str | list[str], skip_sid: list[str] | None = None, here: bool = False
) -> None:
    """Emit an event to these rooms, in every process; with `here` in this one only."""
    server.emit(event, data, to, skip=skip_sid, here=here)


def emit_here(event: str, data: dict[str, Any], room: str | list[str], skip_sid: list[str] | None = None) -> None:
    """Emit an event to these rooms' sockets in this process, and in no other."""
    emit(event, data, room, skip_sid, here=True)


def _emit_presence(event: str, about: PersonJoined | PersonLeft, **data: str) -> None:
    emit(
        event,
        {
            "sessionId": str(about.session_id),
            "userId": about.person.id,
            "userType": about.person.type,
            "timestamp": serializers.iso(now()),
            **data,
        },
        to=session_room(about.session_id),
        skip_sid=[about.connection],
    )
