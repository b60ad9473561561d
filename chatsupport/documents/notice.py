"""A notice: an event or an order from a command, which cannot send it to sockets itself."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, ObjectIdField, StringField

from chatsupport.documents.base import BaseDocument

KEPT_SECONDS = 60


class Notice(BaseDocument):
    """One emit, as JSON. Every process delivers it to its own sockets; MongoDB removes it a minute later."""

    id = ObjectIdField(primary_key=True)
    text = StringField(required=True)
    at = DateTimeField(required=True)

    meta: ClassVar[dict[str, Any]] = {
        "collection": "notices",
        "indexes": [{"name": "expiry", "fields": ["at"], "expireAfterSeconds": KEPT_SECONDS}],
    }
