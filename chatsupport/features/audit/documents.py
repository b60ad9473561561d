"""An entry of the audit log."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, DictField, ObjectIdField, StringField

from chatsupport.documents.base import BaseDocument


class AuditEntry(BaseDocument):
    """An action, with its caller, subject, time and address.

    Entries are added and expire. Only an erasure changes one.
    """

    id = ObjectIdField(primary_key=True)
    at = DateTimeField(required=True)
    action = StringField(required=True)
    caller_id = StringField(db_field="callerId")
    caller_type = StringField(db_field="callerType")
    address = StringField()
    request_id = StringField(db_field="requestId")
    session_id = ObjectIdField(db_field="sessionId")
    agent_id = ObjectIdField(db_field="agentId")
    user_id = StringField(db_field="userId")
    user_type = StringField(db_field="userType")
    details = DictField()
    expires_at = DateTimeField(db_field="expiresAt", required=True)

    meta: ClassVar[dict[str, Any]] = {
        "collection": "audit",
        # MongoDB does not delete these by age, because its clock may be wrong.
        "runs_out": True,
        # An earlier release had MongoDB delete by age, even while its clock was wrong.
        "retired_indexes": ["expiry"],
        "indexes": [
            {"name": "run_out", "fields": ["expires_at", "_id"]},
            {"name": "newest", "fields": ["-at", "-_id"]},
            {"name": "newest_by_action", "fields": ["action", "-at", "-_id"]},
            {"name": "newest_by_session", "fields": ["session_id", "-at", "-_id"]},
            {"name": "newest_by_agent", "fields": ["agent_id", "-at", "-_id"]},
            {"name": "newest_by_user", "fields": ["user_id", "-at", "-_id"]},
        ],
    }
