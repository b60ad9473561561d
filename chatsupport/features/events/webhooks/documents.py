"""The stored webhooks and deliveries."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import BooleanField, DateTimeField, IntField, ListField, LongField, ObjectIdField, StringField

from chatsupport.documents.base import BaseDocument

MAX_URL, MAX_DESCRIPTION = 2000, 200

PENDING, DELIVERED, FAILED, DEAD = STATES = ("pending", "delivered", "failed", "dead")
"""A failed delivery will be repeated, a dead one will not."""


class Webhook(BaseDocument):
    """An address that gets events."""

    id = ObjectIdField(primary_key=True)
    url = StringField(required=True, max_length=MAX_URL)
    types = ListField(StringField())
    description = StringField(max_length=MAX_DESCRIPTION)
    secret = StringField(required=True)
    previous_secret = StringField(db_field="previousSecret")
    previous_until = DateTimeField(db_field="previousUntil")
    """Until then, the previous secret signs too."""
    is_enabled = BooleanField(db_field="isEnabled", required=True)
    disabled_because = StringField(db_field="disabledBecause")
    failing_since = DateTimeField(db_field="failingSince")
    """The first failure after the last success."""
    through = LongField(required=True)
    """The position up to which every event was tried at least once."""
    created_at = DateTimeField(db_field="createdAt", required=True)
    updated_at = DateTimeField(db_field="updatedAt", required=True)

    meta: ClassVar[dict[str, Any]] = {
        "collection": "webhooks",
        "indexes": [
            # The list.
            {"name": "newest", "fields": ["-created_at", "-_id"]},
        ],
    }


class Delivery(BaseDocument):
    """One event for one webhook, once it was tried. Its id follows from both.

    The event's data is not here: it is read for each attempt.
    """

    id = ObjectIdField(primary_key=True)
    webhook_id = ObjectIdField(db_field="webhookId", required=True)
    position = LongField(required=True)
    event_id = StringField(db_field="eventId", required=True)
    type = StringField(required=True)
    event_at = DateTimeField(db_field="eventAt", required=True)
    session_id = ObjectIdField(db_field="sessionId")
    seq = LongField()
    about = ObjectIdField()
    state = StringField(required=True, choices=STATES)
    attempts = IntField(required=True)
    next_at = DateTimeField(db_field="nextAt")
    last_status = IntField(db_field="lastStatus")
    last_error = StringField(db_field="lastError")
    created_at = DateTimeField(db_field="createdAt", required=True)
    updated_at = DateTimeField(db_field="updatedAt", required=True)
    expires_at = DateTimeField(db_field="expiresAt")

    meta: ClassVar[dict[str, Any]] = {
        "collection": "deliveries",
        "runs_out": True,
        "indexes": [
            # The lists.
            {"name": "newest", "fields": ["webhook_id", "-created_at", "-_id"]},
            {"name": "newest_by_state", "fields": ["webhook_id", "state", "-created_at", "-_id"]},
            # Deliveries that are due for another attempt.
            {
                "name": "due",
                "fields": ["webhook_id", "next_at"],
                "partialFilterExpression": {"nextAt": {"$exists": True}},
            },
            # Those that are old enough to be deleted.
            {"name": "expiry", "fields": ["expires_at"], "partialFilterExpression": {"expiresAt": {"$exists": True}}},
        ],
    }
