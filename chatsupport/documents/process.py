"""A server process that uses this database, and its sign of life."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, FloatField, IntField, ListField, ObjectIdField, StringField

from chatsupport.documents.base import BaseDocument


class Process(BaseDocument):
    """One process, which renews its sign of life once a second. After a long silence it takes a new `id`.

    `redis` identifies its Redis without naming it. `clock_offset` is how many seconds the clock of its machine is ahead
    of the database's. `knows` lists the processes that it knows.
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
