"""What the search knows of a session."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, ListField, LongField, ObjectIdField, StringField

from chatsupport.documents.base import BaseDocument
from chatsupport.documents.session import OPEN


class SearchEntry(BaseDocument):
    """The words of a session, up to a message. Its id is the session's."""

    id = ObjectIdField(primary_key=True)
    words = ListField(StringField())
    own = ListField(StringField())
    """Those of the words that are not of messages: ids, names, tags."""
    through = LongField(default=0)
    """The seq of the last message whose words are here: a session's messages commit in this order, without a gap."""
    revision = ObjectIdField(required=True)
    """Another one after each write; a write holds only for the revision that it has read."""
    agent_id = ObjectIdField(db_field="agentId", null=True)
    status = StringField()
    created_at = DateTimeField(db_field="createdAt")
    changed_at = DateTimeField(db_field="changedAt", null=True)
    """The session's `updatedAt` when it was read."""

    meta: ClassVar[dict[str, Any]] = {
        "collection": "search",
        "indexes": [
            {"name": "newest_by_word", "fields": ["words", "-created_at", "-_id"]},
            {"name": "newest_by_agent", "fields": ["agent_id", "-created_at", "-_id"]},
            {
                "name": "newest_open_by_status",
                "fields": ["status", "-created_at", "-_id"],
                "partialFilterExpression": {"status": {"$in": list(OPEN)}},
            },
        ],
    }
