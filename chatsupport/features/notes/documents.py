"""A note on a session."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import BooleanField, DateTimeField, ObjectIdField, StringField

from chatsupport.documents.base import BaseDocument
from chatsupport.documents.recorded import UNRECORDED_INDEX, unrecorded_field

MAX_TEXT = 2000


class Note(BaseDocument):
    """A note by staff about a session. The session's user never sees it."""

    id = ObjectIdField(primary_key=True)
    session_id = ObjectIdField(db_field="sessionId", required=True)
    author_id = StringField(db_field="authorId", required=True)
    author_type = StringField(db_field="authorType", required=True)
    author_name = StringField(db_field="authorName", required=True)
    is_summary = BooleanField(db_field="isSummary")
    """Whether a bot wrote it for the person who gets the session next."""
    text = StringField(required=True, max_length=MAX_TEXT)
    created_at = DateTimeField(db_field="createdAt", required=True)
    unrecorded = unrecorded_field()

    meta: ClassVar[dict[str, Any]] = {
        "collection": "notes",
        "indexes": [
            {"name": "newest_by_session", "fields": ["session_id", "-created_at", "-_id"]},
            # For the export and the erasure of an agent.
            {"name": "by_author", "fields": ["author_id", "author_type"]},
            UNRECORDED_INDEX,
        ],
    }
