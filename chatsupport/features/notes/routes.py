"""Notes on sessions, for staff: the session's agent, supervisors, API keys and systems."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import Access, route
from chatsupport.contract.calls import Says
from chatsupport.contract.fields import SessionId
from chatsupport.features.notes import service as notes
from chatsupport.features.notes.models import NewNote, Note, NotePage, Notes

blueprint = Blueprint("notes", __name__, url_prefix="/api/chat/notes")

Json = dict[str, Any]
AUTHORS = Access(check_session=notes.find_session)


@route(blueprint.get("/<session_id>"), query=NotePage, answers={200: Says("Notes", Notes)}, access=AUTHORS)
def list_notes(session_id: SessionId, page: NotePage) -> Json:
    """Read a session's notes, newest first.

    For staff only.
    """
    return notes.list_page(caller(), session_id, page.limit, page.cursor)


@route(blueprint.post("/<session_id>"), body=NewNote, answers={201: Says("Note added", Note)}, access=AUTHORS)
def add_note(session_id: SessionId, new: NewNote) -> Json:
    """Add a note to a session, open or ended.

    For staff only; the session's user never sees it.
    """
    return notes.add(caller(), session_id, new.text)
