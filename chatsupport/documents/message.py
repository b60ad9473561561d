"""A message of a session."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import BooleanField, DateTimeField, DictField, LongField, ObjectIdField, StringField

from chatsupport.database.clock import now
from chatsupport.documents.base import CHANGED, KEPT, REMOVED, BaseDocument

MAX_LENGTH = 1000
"""The most code points that a message may have."""

SENDER_TYPES = ("user", "agent", "system")


class Message(BaseDocument):
    """One message. `seq` counts 1, 2, 3… inside its session: the order everybody sees."""

    session_id = ObjectIdField(db_field="sessionId", required=True)
    seq = LongField(required=True)
    sender_id = StringField(db_field="senderId", required=True, max_length=128, erasure=CHANGED)
    sender_type = StringField(db_field="senderType", required=True, choices=SENDER_TYPES, erasure=KEPT)
    message = StringField(required=True, max_length=MAX_LENGTH, erasure=CHANGED)
    timestamp = DateTimeField(required=True, default=now)
    client_message_id = StringField(db_field="clientMessageId", max_length=64, erasure=REMOVED)

    content = DictField(erasure=REMOVED)
    """What is shown beside the text (`contract/content.py`)."""
    reply_to = LongField(db_field="replyTo")
    features = DictField(erasure=REMOVED)
    """What features keep with the message, each under its own name."""
    erased = BooleanField()
    fence = BooleanField()
    expires_at = DateTimeField(db_field="expiresAt")

    meta: ClassVar[dict[str, Any]] = {
        "collection": "messages",
        "indexes": [
            # Keeps two processes from giving the same seq. The history is paged by it.
            {"name": "seq", "fields": ["session_id", "seq"], "unique": True},
            # MongoDB removes the fences of ended sessions (services/messages/message_log.py).
            {
                "name": "fences",
                "fields": ["expires_at"],
                "expireAfterSeconds": 0,
                "partialFilterExpression": {"fence": True},
            },
            # Keeps a retry by the same sender from storing a second message. (With `$type`, no look-up could use the
            # index.)
            {
                "name": "retries",
                "fields": ["session_id", "sender_id", "sender_type", "client_message_id"],
                "unique": True,
                "partialFilterExpression": {"clientMessageId": {"$exists": True}},
            },
        ],
    }
