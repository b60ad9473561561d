"""What a command tells the server processes: an event or an order that it cannot send to sockets itself."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, Document, ObjectIdField, StringField

KEPT_SECONDS = 60


class Notice(Document):
    """One emit, as JSON. Every process delivers it to its own sockets; MongoDB removes it a minute later."""

    id = ObjectIdField(primary_key=True)
    text = StringField(required=True)
    at = DateTimeField(required=True)

    meta: ClassVar[dict[str, Any]] = {
        "collection": "notices",
        "strict": False,
        "auto_create_index": False,
        "index_background": False,
        "indexes": [{"name": "expiry", "fields": ["at"], "expireAfterSeconds": KEPT_SECONDS}],
    }
