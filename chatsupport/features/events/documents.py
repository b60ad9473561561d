"""The feed as it is stored: references only, so that an erasure of what they refer to empties the feed too."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import (
    BooleanField,
    DateTimeField,
    DictField,
    ListField,
    LongField,
    ObjectIdField,
    StringField,
)

from chatsupport.documents.base import BaseDocument

FEED = "feed"
MESSAGE_CREATED = "message.created"
SESSION_STARTED, SESSION_ENDED = "session.started", "session.ended"
BATCH_SIZE = 4096
"""A batch has fewer events than this. An event's position is this times the batch's number, plus its place there."""


class Feed(BaseDocument):
    """Whether changes are recorded: one document."""

    id = StringField(primary_key=True)
    is_on = BooleanField(db_field="isOn", required=True)
    since = DateTimeField(required=True)
    """When recording began the last time."""
    read_at = DateTimeField(db_field="readAt", required=True)
    """When somebody last read the feed or there was a webhook, to the hour."""
    kept_from = LongField(db_field="keptFrom")
    """The first batch that is kept."""
    gone_through = DictField(db_field="goneThrough")
    """The position of the last deleted event of each type: `{session_started: 4097}`."""

    meta: ClassVar[dict[str, Any]] = {"collection": "feed"}


class EventBatch(BaseDocument):
    """The events that the relay has moved at once. Batches are numbered without gaps; the unique `_id` allows only one
    relay to add the next.

    An entry is one event: `type`, `id` (of the mark), `at`, and `about` or `sessionId`; or it is a run of messages:
    `sessionId`, `seq` (of the last one) and `count`. Each entry about a session has `through`, the seq up to which the
    session's messages were recorded by then.
    """

    id = LongField(primary_key=True)
    at = DateTimeField(required=True)
    types = ListField(StringField())
    entries = ListField(DictField())

    meta: ClassVar[dict[str, Any]] = {
        "collection": "events",
        "indexes": [
            # Events of certain types after a position.
            {"name": "by_type", "fields": ["types", "_id"]},
            # Up to which seq the messages of a session were recorded.
            {"name": "by_session", "fields": ["entries.sessionId", "_id"]},
        ],
    }


class Hint(BaseDocument):
    """The sessions in which a process has stored messages, for the relay in another process."""

    id = ObjectIdField(primary_key=True)
    session_ids = ListField(ObjectIdField(), db_field="sessionIds")

    meta: ClassVar[dict[str, Any]] = {"collection": "event_hints"}
