"""Notes on sessions. Staff write and read them, and the session's user never gets them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import ObjectId

from chatsupport import broadcasts, events, recording, serializers
from chatsupport.contract.fields import Cursor
from chatsupport.database.clock import now
from chatsupport.documents import Agent, Session
from chatsupport.errors import AgentNotFoundError, ForbiddenError, SessionNotFoundError
from chatsupport.events import HistoryRead, NoteAdded
from chatsupport.features.notes.documents import Note
from chatsupport.identity import AGENT, Caller
from chatsupport.services.people import tombstones
from chatsupport.services.shared import access, pages

Document = dict[str, Any]


def list_page(caller: Caller, session_id: ObjectId, limit: int, cursor: Cursor | None) -> Document:
    """Return one page of a session's notes, newest first, and the cursor of the next. For staff only."""
    session = access.find_session_of_staff(caller, session_id)
    rows, next_cursor = pages.read(Note.collection(), {"sessionId": session_id}, limit, cursor, time="createdAt")
    events.happened(HistoryRead(caller, session))
    return serializers.page("notes", [serialize(row) for row in rows], next_cursor)


def add(caller: Caller, session_id: ObjectId, text: str) -> Document:
    """Add a note to a session, open or ended, and tell the staff in its room. For staff only."""
    session = access.find_session_of_staff(caller, session_id)
    marks = recording.marks(recording.NOTE_CREATED)
    note = {
        "_id": ObjectId(),
        "sessionId": session_id,
        "authorId": caller.id,
        "authorType": caller.type,
        "authorName": _name_of(caller),
        "text": text,
        "createdAt": now(),
    }
    Note.collection().insert_one({**note, **recording.kept(marks)})
    recording.look_after(Note.collection(), note["_id"], recording.NOTE_CREATED, marks)
    _look_after(session, note)
    events.happened(NoteAdded(session, note))
    return serialize(note)


def tell_staff(event: NoteAdded) -> None:
    """Tell only the staff in the session's room."""
    broadcasts.emit("note_added", serialize(event.note), to=broadcasts.staff_room(event.note["sessionId"]))


def serialize(note: Mapping[str, Any]) -> Document:
    """Serialize a note for staff."""
    return {
        "id": str(note["_id"]),
        "sessionId": str(note["sessionId"]),
        "authorId": note["authorId"],
        "authorName": note["authorName"],
        "text": note["text"],
        "createdAt": serializers.iso(note["createdAt"]),
    }


def _name_of(caller: Caller) -> str:
    if caller.type != AGENT:
        return caller.id
    agent = Agent.collection().find_one({"_id": ObjectId(caller.id)}, {"name": 1})
    if agent is None:
        raise AgentNotFoundError
    return str(agent["name"])


def _look_after(session: Document, note: Document) -> None:
    """Delete a new note if its session or person was deleted while it was being stored."""
    if tombstones.is_erased_meanwhile(session, note["createdAt"]):
        Note.collection().delete_one({"_id": note["_id"]})
        raise ForbiddenError("This person has just been erased, so the note was not stored.")
    if Session.collection().find_one({"_id": session["_id"]}, {"_id": 1}) is None:
        Note.collection().delete_one({"_id": note["_id"]})
        raise SessionNotFoundError
