"""A lease, by which only one process at a time does a piece of timed work."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, StringField

from chatsupport.documents.base import BaseDocument


class Lease(BaseDocument):
    """The process that does the work named by `id`, and when its lease ends unless it renews."""

    id = StringField(primary_key=True)
    owner = StringField(required=True)
    expires_at = DateTimeField(db_field="expiresAt", required=True)

    meta: ClassVar[dict[str, Any]] = {"collection": "leases"}
