"""Telling staff of a new note. A session's room has its user in it, so each process tells its sockets one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from chatsupport import broadcasts, orders
from chatsupport.events import NoteAdded
from chatsupport.features.notes import service as notes
from chatsupport.sockets import connections


@dataclass(frozen=True, slots=True, kw_only=True)
class TellStaff:
    """Tell the staff in a session's room of a note. `user_id` and `user_type` are those of the session's user."""

    note: dict[str, Any]
    user_id: str
    user_type: str


def note_added(event: NoteAdded) -> None:
    """Have every process tell its staff."""
    session = event.session
    note = notes.serialize(event.note)
    orders.give(TellStaff(note=note, user_id=session["userId"], user_type=session.get("userType", "user")))


def tell_here(order: TellStaff) -> None:
    """Tell the sockets of this process that are in the room as staff."""
    session = {"userId": order.user_id, "userType": order.user_type}
    for connection in connections.of_staff_in(ObjectId(order.note["sessionId"]), session):
        broadcasts.to_socket(connection.sid, "note_added", order.note)
