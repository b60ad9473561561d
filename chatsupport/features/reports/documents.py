"""A roll-up: figures of the sessions that ended in one hour, day or month of UTC (features/reports/rollups.py)."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, DictField, LongField, ObjectIdField, StringField

from chatsupport.documents.base import BaseDocument

HOUR, DAY, MONTH = "hour", "day", "month"


class Rollup(BaseDocument):
    """The figures of one span and one agent, or of all sessions if `agent_id` is missing. It names no visitor."""

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
            # Each roll-up is written only once, whatever process computes it. Reports read them in this order.
            {"name": "one_each", "fields": ["span", "agent_id", "start"], "unique": True},
            # All agents of one span.
            {"name": "by_time", "fields": ["span", "start"]},
        ],
    }
