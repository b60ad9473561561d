"""A canned reply. It names nobody, and its author is not stored."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, ObjectIdField, StringField

from chatsupport.documents.base import BaseDocument

MAX_SHORTCUT, MAX_TITLE, MAX_TEXT = 32, 100, 1000


class Reply(BaseDocument):
    """A text that agents insert by its shortcut."""

    id = ObjectIdField(primary_key=True)
    shortcut = StringField(required=True, max_length=MAX_SHORTCUT)
    title = StringField(required=True, max_length=MAX_TITLE)
    text = StringField(required=True, max_length=MAX_TEXT)
    created_at = DateTimeField(db_field="createdAt", required=True)
    updated_at = DateTimeField(db_field="updatedAt", required=True)

    meta: ClassVar[dict[str, Any]] = {
        "collection": "replies",
        "indexes": [
            # Keeps shortcuts unique. The list is in this order.
            {"name": "one_reply_per_shortcut", "fields": ["shortcut"], "unique": True},
        ],
    }
