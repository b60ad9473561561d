"""The browsers of agents that get pushes, and the keys by which push services recognize this server."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, IntField, ObjectIdField, StringField

from chatsupport.documents.base import BaseDocument


class PushSubscription(BaseDocument):
    """One browser of an agent. `id` is the hash of its endpoint, so a browser belongs to one agent."""

    id = StringField(primary_key=True)
    agent_id = ObjectIdField(db_field="agentId", required=True)
    endpoint = StringField(required=True)
    p256dh = StringField(required=True)
    auth = StringField(required=True)
    token_id = StringField(db_field="tokenId")
    token_issued_at_ms = IntField(db_field="tokenIssuedAtMs")
    created_at = DateTimeField(db_field="createdAt", required=True)
    updated_at = DateTimeField(db_field="updatedAt", required=True)
    expires_at = DateTimeField(db_field="expiresAt", required=True)

    meta: ClassVar[dict[str, Any]] = {
        "collection": "push_subscriptions",
        "runs_out": True,
        "indexes": [
            {"name": "by_agent", "fields": ["agent_id", "-updated_at", "_id"]},
            {"name": "run_out", "fields": ["expires_at", "_id"]},
        ],
    }


class PushKeys(BaseDocument):
    """The one pair of VAPID keys. Browsers have subscribed to it, so it never changes."""

    id = StringField(primary_key=True)
    private_key = StringField(db_field="privateKey", required=True)
    public_key = StringField(db_field="publicKey", required=True)
    created_at = DateTimeField(db_field="createdAt", required=True)

    meta: ClassVar[dict[str, Any]] = {"collection": "push_keys"}
