"""A score for reports. It names nobody, and stays if the session is deleted or its user is erased."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, IntField, ObjectIdField

from chatsupport.documents.base import BaseDocument


class Score(BaseDocument):
    """The score of one session, by its id, with the agent that it had."""

    id = ObjectIdField(primary_key=True)
    agent_id = ObjectIdField(db_field="agentId", null=True)
    score = IntField(required=True, min_value=1, max_value=5)
    at = DateTimeField(required=True)

    meta: ClassVar[dict[str, Any]] = {
        "collection": "scores",
        # Reports read only this index.
        "indexes": [{"name": "by_time", "fields": ["at", "agent_id", "score"]}],
    }
