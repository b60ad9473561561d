"""Requests and answers about canned replies."""

from __future__ import annotations

import re
from typing import Annotated, Any

from bson import ObjectId
from pydantic import Field

from chatsupport.contract.base import Answer, Code, Reads, Request, absent, example, page
from chatsupport.contract.fields import DEFAULT_PAGE, NEXT_CURSOR, PAGE_BEFORE, DocumentId, Id, Limit, Text, Time
from chatsupport.errors import ConflictError, NotFoundError
from chatsupport.features.replies.documents import MAX_SHORTCUT, MAX_TEXT, MAX_TITLE

_SHORTCUT = re.compile(r"[a-z0-9-]{1,32}")


class ReplyNotFoundError(NotFoundError):
    """No canned reply has this id."""

    code = "REPLY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("No canned reply has this id. GET /api/replies lists the replies.")


class ShortcutTakenError(ConflictError):
    """Another canned reply has this shortcut."""

    code = "SHORTCUT_TAKEN"

    def __init__(self) -> None:
        super().__init__("Another canned reply already has this shortcut. Choose another one.")


def _shortcut(value: Any) -> str:
    if not isinstance(value, str) or not _SHORTCUT.fullmatch(value):
        raise ValueError
    return value


_PATTERN = f"^{_SHORTCUT.pattern}$"
Shortcut = Annotated[
    str,
    Reads(_shortcut, f"1 to {MAX_SHORTCUT} small letters a to z, digits or hyphens", pattern=_PATTERN),
    Code("INVALID_REPLY"),
]
Title = Annotated[str, Text(MAX_TITLE), Code("INVALID_REPLY")]
ReplyText = Annotated[str, Text(MAX_TEXT), Code("INVALID_REPLY")]
ReplyId = Annotated[ObjectId, DocumentId(ReplyNotFoundError), Code("INVALID_REPLY")]

_SHORTCUT_USE = "The text that agents type after `/`. It is unique."
_TEXT_USE = "The agent's client replaces `{{visitor.name}}` and `{{agent.name}}` with the names."


class NewReply(Request):
    """A new canned reply."""

    shortcut: Shortcut = Field(description=_SHORTCUT_USE)
    title: Title
    text: ReplyText = Field(description=_TEXT_USE)

    model_config = example(shortcut="hello", title="Greeting", text="Hello {{visitor.name}}, I am {{agent.name}}.")


class ReplyChanges(Request):
    """Changes of a canned reply. `given` names the fields that are present."""

    shortcut: Shortcut = absent(_SHORTCUT_USE)
    title: Title = absent()
    text: ReplyText = absent(_TEXT_USE)

    model_config = example(title="Friendly greeting")


class ReplyPage(Request):
    """The page of the canned replies."""

    limit: Limit = DEFAULT_PAGE
    cursor: Annotated[str, Reads(_shortcut, NEXT_CURSOR, description=PAGE_BEFORE), Code("INVALID_CURSOR")] | None = None


class Reply(Answer):
    """A canned reply."""

    id: Id
    shortcut: str
    title: str
    text: str
    created_at: Time
    updated_at: Time


Replies = page("Replies", "replies", Reply)
