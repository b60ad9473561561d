"""Notes on sessions. Staff write and read them, and the session's user never gets them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from chatsupport import broadcasts, events, recording, serializers
from chatsupport.contract.fields import Cursor
from chatsupport.database.clock import now
from chatsupport.documents import Agent, Session
from chatsupport.errors import AgentNotFoundError, ForbiddenError, SessionNotFoundError
from chatsupport.events import HandedOver, HistoryRead, NoteAdded
from chatsupport.features.notes.documents import Note
from chatsupport.identity import AGENT, Caller
from chatsupport.services.people import tombstones
from chatsupport.services.shared import access, pages

Document = dict[str, Any]


def list_page(caller: Caller, session_id: ObjectId, limit: int, cursor: Cursor | None) -> Document:
    """Return one page of a session's notes, newest first, and the cursor of the next. For staff only."""
    session = find_session(caller, session_id)
    rows, next_cursor = pages.read(Note.collection(), {"sessionId": session_id}, limit, cursor, time="createdAt")
    events.happened(HistoryRead(caller, session))
    return serializers.page("notes", [serialize(row) for row in rows], next_cursor)


def add(caller: Caller, session_id: ObjectId, text: str) -> Document:
    """Add a note to a session, open or ended, and tell the staff in its room. For staff only."""
    session = find_session(caller, session_id)
    note = {
        "_id": ObjectId(),
        "sessionId": session_id,
        "authorId": caller.id,
        "authorType": caller.type,
        "authorName": _name_of(caller),
        "text": text,
        "createdAt": now(),
    }
    _store(session, note)
    return serialize(note)


def keep_summary(event: HandedOver) -> None:
    """Store what a bot leaves to the person who gets its session next. May be repeated."""
    if event.summary is None or event.session.get("erased"):
        return
    bot = Agent.collection().find_one({"_id": event.bot_id}, {"name": 1}) or {"name": "Bot"}
    note = {
        "_id": event.id,
        "sessionId": event.session["_id"],
        "authorId": str(event.bot_id),
        "authorType": AGENT,
        "authorName": str(bot["name"]),
        "text": event.summary,
        "isSummary": True,
        "createdAt": event.at,
    }
    # It may be there already; or the session, or its user, is gone.
    with contextlib.suppress(DuplicateKeyError, ForbiddenError, SessionNotFoundError):
        _store(event.session, note)


def find_session(caller: Caller, session_id: ObjectId) -> Document:
    """Return the session for staff who are people or systems."""
    session = access.find_session_of_staff(caller, session_id)
    if access.is_bot_of(caller, session):
        raise ForbiddenError("A bot reads and writes no notes. It leaves a summary when it hands the session over.")
    return session


def _store(session: Mapping[str, Any], note: Document) -> None:
    marks = recording.marks(recording.NOTE_CREATED)
    Note.collection().insert_one({**note, **recording.kept(marks)})
    recording.look_after(Note.collection(), note["_id"], recording.NOTE_CREATED, marks)
    _look_after(session, note)
    events.happened(NoteAdded(session, note))


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
        **({"isSummary": True} if note.get("isSummary") else {}),
        "createdAt": serializers.iso(note["createdAt"]),
    }


def _name_of(caller: Caller) -> str:
    if caller.type != AGENT:
        return caller.id
    agent = Agent.collection().find_one({"_id": ObjectId(caller.id)}, {"name": 1})
    if agent is None:
        raise AgentNotFoundError
    return str(agent["name"])


def _look_after(session: Mapping[str, Any], note: Document) -> None:
    """Delete a new note if its session or person was deleted while it was being stored."""
    if tombstones.is_erased_meanwhile(session, note["createdAt"]):
        Note.collection().delete_one({"_id": note["_id"]})
        raise ForbiddenError("This person has just been erased, so the note was not stored.")
    if Session.collection().find_one({"_id": session["_id"]}, {"_id": 1}) is None:
        Note.collection().delete_one({"_id": note["_id"]})
        raise SessionNotFoundError
