"""Requests and answers about notes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from chatsupport.contract.base import Answer, Code, Request, absent, example, page
from chatsupport.contract.fields import DEFAULT_PAGE, Cursor, Id, Limit, Text, Time
from chatsupport.contract.socket_events import Emitted
from chatsupport.features.notes.documents import MAX_TEXT


class NewNote(Request):
    """A new note."""

    text: Annotated[str, Text(MAX_TEXT), Code("INVALID_NOTE")] = Field(
        description="It is trimmed. The limit counts code points, one of them visible."
    )

    model_config = example(text="The customer has called twice before.")


class NotePage(Request):
    """The page of a session's notes."""

    limit: Limit = DEFAULT_PAGE
    cursor: Cursor | None = None


class Note(Answer):
    """A note, for staff only."""

    id: Id
    session_id: Id
    author_id: str
    author_name: str = Field(description="The agent's name at that time, or the id of a system.")
    text: str
    is_summary: Literal[True] = absent("Present if a bot wrote it when it handed the session over.")
    created_at: Time


Notes = page("Notes", "notes", Note)

EMITTED = {"note_added": Emitted("the staff in the room", Note, "the note, as [REST](rest.md#notes) shows it")}
