"""Running totals of what sessions took (services/server/totals.py)."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DictField, Document, FloatField, LongField, StringField


class Counters(Document):
    """Sums for the means, and by how much MongoDB's own counts are off."""

    id = StringField(primary_key=True)
    ended = LongField(default=0)
    ended_ms = FloatField(db_field="endedMs", default=0)
    assigned = LongField(default=0)
    waited_ms = FloatField(db_field="waitedMs", default=0)
    skew = DictField()

    meta: ClassVar[dict[str, Any]] = {"collection": "counters", "strict": False, "auto_create_index": False}
