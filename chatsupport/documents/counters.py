"""Running totals, so that statistics cost the same however much there is."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import Document, FloatField, LongField, StringField


class Counters(Document):
    """Totals of what has ended and been assigned. Open sessions are few, and counted by an index."""

    id = StringField(primary_key=True)
    messages = LongField(default=0)
    ended = LongField(default=0)
    ended_ms = FloatField(db_field="endedMs", default=0)
    assigned = LongField(default=0)
    waited_ms = FloatField(db_field="waitedMs", default=0)

    meta: ClassVar[dict[str, Any]] = {"collection": "counters", "strict": False, "auto_create_index": False}
