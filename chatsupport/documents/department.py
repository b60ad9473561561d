"""A department: the agents who may have a session are those of its department, until it overflows."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, IntField, ObjectIdField, StringField

from chatsupport.documents.base import BaseDocument

MAX_NAME = 60
MAX_OVERFLOW_SECONDS = 86_400
MAX_DEPARTMENTS = 150
"""MongoDB merges at most 200 parts of an index in the order of the queue."""


class Department(BaseDocument):
    """A part of the team. `key` is the name without differences of capitals, and keeps names unique."""

    id = ObjectIdField(primary_key=True)
    name = StringField(required=True, max_length=MAX_NAME)
    key = StringField(required=True)
    overflow_after = IntField(db_field="overflowAfter", null=True, min_value=1, max_value=MAX_OVERFLOW_SECONDS)
    bot_id = ObjectIdField(db_field="botId", null=True)
    created_at = DateTimeField(db_field="createdAt", required=True)
    updated_at = DateTimeField(db_field="updatedAt", required=True)

    meta: ClassVar[dict[str, Any]] = {
        "collection": "departments",
        "indexes": [
            # Keeps names unique. The list is in this order.
            {"name": "one_department_per_name", "fields": ["key"], "unique": True},
        ],
    }
