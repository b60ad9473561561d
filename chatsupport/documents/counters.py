"""Running totals of what sessions took (services/server/totals.py)."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, DictField, FloatField, LongField, StringField

from chatsupport.documents.base import BaseDocument


class Counters(BaseDocument):
    """Sums for the means, and by how much MongoDB's own counts are off."""

    id = StringField(primary_key=True)
    ended = LongField(default=0)
    ended_ms = FloatField(db_field="endedMs", default=0)
    assigned = LongField(default=0)
    waited_ms = FloatField(db_field="waitedMs", default=0)
    skew = DictField()
    through = DateTimeField()
    """Up to when the hours are rolled up for reports; in a document of its own."""

    meta: ClassVar[dict[str, Any]] = {"collection": "counters"}
