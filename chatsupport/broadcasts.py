"""Every event from the server to its clients. The only module that emits.

Rooms: one a session (everybody who joined it), one a person (all sockets of one caller, in whatever process).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import ObjectId

from chatsupport import orders, serializers
from chatsupport.contract.events import EMITTED, OTHERS
from chatsupport.database.clock import now
from chatsupport.events import MessagesRead, MessageStored, PersonJoined, PersonLeft, SessionIdle, TypingChanged
from chatsupport.identity import AGENT
from chatsupport.orders import LeaveSession
from chatsupport.realtime import server

Document = Mapping[str, Any]

AGENTS_ROOM, SUPERVISORS_ROOM = "agents", "supervisors"
"""All sockets of agents, and those of supervisors among them."""


SESSION_ROOMS = "session:"

TO_THE_OTHERS = {name for name, event in EMITTED.items() if event.to.startswith(OTHERS)}
"""An event about a person for a session's room, without the person's own sockets."""


def session_room(session_id: ObjectId | str) -> str:
    """Return the room of everybody who joined this session."""
    return f"{SESSION_ROOMS}{session_id}"


def person_room(person_id: object, person_type: str) -> str:
    """Return the room of all sockets of one person."""
    return f"{person_type}:{person_id}"


def new_message(event: MessageStored) -> None:
    """Tell the session's room, the sender included."""
    message = event.message
    _emit("new_message", serializers.message(message), to=session_room(message["sessionId"]))


def user_joined(event: PersonJoined) -> None:
    """Tell the others that somebody is here."""
    _emit_presence("user_joined", event)


def user_left(event: PersonLeft) -> None:
    """Tell the others that somebody's last socket is gone, and why."""
    _emit_presence("user_left", event, reason=event.reason)


def user_typing(event: TypingChanged) -> None:
    """Tell the others that somebody began or stopped typing."""
    _emit(
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
    """Tell the others how far somebody has read, and an agent's own sockets, in whatever browser they are."""
    session_id, person, seq = str(event.session_id), event.person, event.seq
    _emit(
        "messages_read",
        {"sessionId": session_id, "userId": person.id, "seq": seq},
        to=session_room(session_id),
        skip_sid=list(event.connections),
    )
    if person.type == AGENT:
        _emit("session_read", {"sessionId": session_id, "seq": seq}, to=person_room(person.id, AGENT))


def session_updated(session: dict[str, Any], agent_id: ObjectId | None, *, here: bool = False) -> None:
    """Tell the room, and all sockets of its user and its agent, what a session (serialized) is now.

    With `here` those of this process only.
    """
    rooms = [session_room(ObjectId(session["id"])), person_room(session["userId"], session["userType"])]
    if agent_id is not None:
        rooms.append(person_room(agent_id, "agent"))
    _emit("session_updated", session, to=rooms, here=here)


def session_ended(session: Document, *, here: bool = False) -> None:
    """Tell the room (with `here` the sockets of this process only) that the session takes no more messages."""
    _emit(
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
    """Tell the room (with `here` the sockets of this process only) who will answer."""
    _emit(
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
    """Tell all of an agent's sockets, wherever they are, of a session (serialized) that is theirs now."""
    _emit("session_assigned", session, to=person_room(agent_id, "agent"), here=here)


def session_unassigned(session_id: ObjectId, agent_id: ObjectId, reason: str, *, here: bool = False) -> None:
    """Tell the room and all of the agent's sockets that the session left its agent, and why."""
    data = {"sessionId": str(session_id), "agentId": str(agent_id), "reason": reason}
    _emit("session_unassigned", data, to=[session_room(session_id), person_room(agent_id, AGENT)], here=here)
    orders.give(LeaveSession(session_id=str(session_id), person_id=str(agent_id), person_type=AGENT), here=here)


def session_changed(session: dict[str, Any]) -> None:
    """Tell the supervisors of this process, and of no other, what a session (serialized) is now."""
    _emit_here("session_changed", session, SUPERVISORS_ROOM)


def agent_changed(agent: dict[str, Any]) -> None:
    """Tell the supervisors of this process, and the agent's own sockets here, what an agent (serialized) is and has."""
    _emit_here("agent_changed", agent, [SUPERVISORS_ROOM, person_room(agent["id"], AGENT)])


def agent_deleted(agent_id: ObjectId) -> None:
    """Tell the supervisors of this process, and of no other, that there is no such agent any more."""
    _emit_here("agent_deleted", {"id": str(agent_id)}, SUPERVISORS_ROOM)


def queue_changed(state: dict[str, Any]) -> None:
    """Tell the agents of this process, and of no other, how many wait, since when, and who is first.

    Only supervisors may enter a session that waits, so only they get its id.
    """
    _emit_here("queue_changed", state, SUPERVISORS_ROOM)
    rows = [{name: value for name, value in row.items() if name != "sessionId"} for row in state["sessions"]]
    _emit_here("queue_changed", {**state, "sessions": rows}, AGENTS_ROOM, skip_sid=server.members(SUPERVISORS_ROOM))


def is_heard_here(room: str) -> bool:
    """Tell whether any socket of this process is in the room."""
    return server.has_members(room)


def session_idle(event: SessionIdle) -> None:
    """Tell the room that the session will end for lack of messages, and when."""
    _emit(
        "session_idle",
        {"sessionId": str(event.session_id), "endsAt": serializers.iso(event.ends_at)},
        to=session_room(event.session_id),
    )


def session_sync(session_id: ObjectId, last_seq: int) -> None:
    """Tell the sockets of this process, and of no other, the session's last seq."""
    _emit_here("session_sync", {"sessionId": str(session_id), "lastSeq": last_seq}, session_room(session_id))


def queue_update(session_id: ObjectId, queue_position: int) -> None:
    """Tell the sockets of this process, and of no other, their session's new place in the queue."""
    _emit_here(
        "queue_update",
        {"sessionId": str(session_id), "queuePosition": queue_position},
        session_room(session_id),
    )


def to_socket(sid: str, event: str, data: dict[str, Any]) -> None:
    """Tell one socket of this process."""
    _emit_here(event, data, sid)


def _emit(
    event: str, data: dict[str, Any], to: str | list[str], skip_sid: list[str] | None = None, here: bool = False
) -> None:
    server.emit(event, data, to, skip=skip_sid, here=here)


def _emit_here(event: str, data: dict[str, Any], room: str | list[str], skip_sid: list[str] | None = None) -> None:
    _emit(event, data, room, skip_sid, here=True)


def _emit_presence(event: str, about: PersonJoined | PersonLeft, **data: str) -> None:
    _emit(
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
