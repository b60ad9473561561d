"""A roll-up: what the sessions that ended in one hour, day or month of UTC took (features/reports/rollups.py)."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, DictField, LongField, ObjectIdField, StringField

from chatsupport.documents.base import BaseDocument

HOUR, DAY, MONTH = "hour", "day", "month"


class Rollup(BaseDocument):
    """The figures of one span and one agent, or with no `agent_id` of all sessions. Nobody is named in it."""

    span = StringField(required=True, choices=(HOUR, DAY, MONTH))
    start = DateTimeField(required=True)
    agent_id = ObjectIdField(db_field="agentId", null=True)
    sessions = LongField(default=0)
    abandoned = LongField(default=0)
    messages = LongField(default=0)
    waiting = DictField()
    first_response = DictField(db_field="firstResponse")
    handling = DictField()

    meta: ClassVar[dict[str, Any]] = {
        "collection": "rollups",
        "indexes": [
            # Each is written once, whoever computes it; and in this order the buckets of a report are read.
            {"name": "one_each", "fields": ["span", "agent_id", "start"], "unique": True},
            # All agents of a time.
            {"name": "by_time", "fields": ["span", "start"]},
        ],
    }
