"""Running totals for the statistics of sessions (services/server/totals.py)."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, DictField, FloatField, LongField, ObjectIdField, StringField

from chatsupport.documents.base import BaseDocument


class Counters(BaseDocument):
    """Sums for the means, and corrections of MongoDB's own counts."""

    id = StringField(primary_key=True)
    ended = LongField(default=0)
    ended_ms = FloatField(db_field="endedMs", default=0)
    assigned = LongField(default=0)
    waited_ms = FloatField(db_field="waitedMs", default=0)
    skew = DictField()
    through = DateTimeField()
    """The time up to which hours are rolled up for reports. It is in a document of its own."""

    position = ObjectIdField()
    """Up to which session the search has looked; in a document of its own."""

    meta: ClassVar[dict[str, Any]] = {"collection": "counters"}
