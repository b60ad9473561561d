"""What agents were when they were deleted, for the feed of events.

A deleted document cannot hold the mark of its own deletion. So the mark is stored here before the deletion, and counts
only once the agent is gone.
"""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, DictField, ObjectIdField

from chatsupport.documents.base import BaseDocument
from chatsupport.documents.recorded import UNRECORDED_INDEX, unrecorded_field


class Deletion(BaseDocument):
    """The deletion of an agent, with the agent as REST shows it."""

    id = ObjectIdField(primary_key=True)
    agent = DictField()
    at = DateTimeField(required=True)
    unrecorded = unrecorded_field()

    meta: ClassVar[dict[str, Any]] = {
        "collection": "deletions",
        "indexes": [
            UNRECORDED_INDEX,
            # Those that are too old to be shown.
            {"name": "by_age", "fields": ["at"]},
        ],
    }
