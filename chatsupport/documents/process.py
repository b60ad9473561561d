"""A server process that uses this database, and that it is alive."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, FloatField, IntField, ListField, ObjectIdField, StringField

from chatsupport.documents.base import BaseDocument


class Process(BaseDocument):
    """One process, which says once a second that it is there. Its `id` is its own, and a new one after a long silence.

    `redis` tells which Redis it uses without naming it; `clock_offset` is how far the clock of its machine is ahead of
    the database's, in seconds; `knows` are the processes of which it knows.
    """

    id = ObjectIdField(primary_key=True)
    host = StringField(required=True)
    pid = IntField(required=True)
    version = StringField(required=True)
    started_at = DateTimeField(db_field="startedAt", required=True)
    beat_at = DateTimeField(db_field="beatAt", required=True)
    redis = StringField(null=True)
    clock_offset = FloatField(db_field="clockOffset")
    knows = ListField(ObjectIdField())

    meta: ClassVar[dict[str, Any]] = {"collection": "processes"}
