"""What clients send -> typed values, or an error with the field's code.

The same functions read REST bodies, query strings and Socket.IO payloads. Unknown fields are ignored.
"""

from chatsupport.payloads.fields import (
    Payload,
    agent_id,
    end_reason,
    limit,
    optional_agent_id,
    resume_after,
    seq_in,
    session_id,
    session_id_in,
    user_id,
    user_type,
)
from chatsupport.payloads.requests import (
    AgentChanges,
    AgentFields,
    NewMessage,
    Page,
    SessionFilter,
    StartSession,
    TokenRequest,
    agent_changes,
    agent_fields,
    new_message,
    page,
    session_filter,
    start_session,
    token_request,
)

__all__ = [
    "AgentChanges",
    "AgentFields",
    "NewMessage",
    "Page",
    "Payload",
    "SessionFilter",
    "StartSession",
    "TokenRequest",
    "agent_changes",
    "agent_fields",
    "agent_id",
    "end_reason",
    "limit",
    "new_message",
    "optional_agent_id",
    "page",
    "resume_after",
    "seq_in",
    "session_filter",
    "session_id",
    "session_id_in",
    "start_session",
    "token_request",
    "user_id",
    "user_type",
]
