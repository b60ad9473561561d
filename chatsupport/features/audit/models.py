"""Requests and answers about the audit log."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from bson import ObjectId
from pydantic import Field

from chatsupport.contract.base import Answer, Code, Reads, Request, absent, page
from chatsupport.contract.fields import DEFAULT_PAGE, AgentId, Cursor, Id, Limit, PersonId, PersonType, Text, Time

Action = Literal[
    "start", "assign", "requeue", "transfer", "update", "end", "token", "sign_in", "sign_in_failed", "sign_out",
    "identify", "read", "revoke", "block", "unblock", "agent_created", "agent_changed", "agent_deleted",
    "export", "erase", "retention", "reply_created", "reply_changed", "reply_deleted",
    "department_created", "department_changed", "department_deleted",
    "settings_changed", "webhook_created", "webhook_changed", "webhook_deleted", "webhook_secret_rotated",
    "webhook_tested", "webhook_retried", "webhook_recovered", "transcript_mailed",
]  # fmt: skip


def _session_id(value: Any) -> ObjectId:
    if not isinstance(value, str) or not ObjectId.is_valid(value):
        raise ValueError
    return ObjectId(value)


class AuditFilter(Request):
    """The filter and the page of a list of audit entries."""

    action: Annotated[str, Text(40), Code("INVALID_ACTION")] | None = absent("Only this action.")
    user_id: PersonId | None = absent("Only entries about this person.")
    agent_id: AgentId | None = absent("Only entries about this agent.")
    session_id: Annotated[ObjectId, Reads(_session_id, "a session's id"), Code("INVALID_SESSION_ID")] | None = absent(
        "Only entries about this session."
    )
    limit: Limit = DEFAULT_PAGE
    cursor: Cursor | None = None


class AuditEntry(Answer):
    """One action: its actor, time and address, and the session, agent or person that it concerned."""

    id: Id
    at: Time
    action: Action
    caller_id: str | None = Field(description="Who did it. Null if the server did it by itself.")
    caller_type: Literal["user", "agent", "system", "server"]
    address: str | None = Field(description="From where.")
    request_id: str | None
    session_id: Id | None
    agent_id: Id | None
    user_id: str | None = Field(description="To whom.")
    user_type: PersonType | None
    details: dict[str, Any] = Field(description="Further fields, depending on the action.")


AuditLog = page("AuditLog", "entries", AuditEntry)
