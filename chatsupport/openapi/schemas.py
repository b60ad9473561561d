"""What calls send and return, by name."""

from __future__ import annotations

from chatsupport.openapi.parts import (
    STATUS_OF_CODE,
    Json,
    array,
    boolean,
    choice,
    identifier,
    integer,
    nothing_or,
    number,
    record,
    ref,
    string,
    text,
    time,
)

USER_ID = text(
    1,
    128,
    "Whatever the site calls its visitor; trimmed. Can be seen, is neither . nor .., has no NUL or lone surrogate.",
)
STATUS = choice("waiting", "active", "ended")
PERSON_TYPE = choice("user", "agent", "system")

FAILURE: Json = {
    "type": "object",
    "properties": {
        "success": {"const": False},
        "code": choice(*STATUS_OF_CODE, description="What went wrong, for programs. Codes never change."),
        "message": string("What to do about it, for people."),
        "requestId": string("What to tell us, if you ask us."),
        "details": array({}, "More, where there is more: for NOT_FOUND the endpoints."),
        "data": {"description": "Of /api/health only: the state, as in a success."},
    },
    "required": ["success", "code", "message", "requestId"],
}

AGENT_SUMMARY = record({"id": identifier(), "name": string(), "isOnline": boolean("Online, and there.")})
AGENT = record(
    {
        "id": identifier(),
        "name": string(),
        "maxUsers": integer(1, 50, "How many people it takes at once."),
        "activeUsers": array(string(), "Whom it talks to now."),
        "isOnline": boolean("Whether it wants sessions."),
        "isAway": boolean("Whether it has lost its last socket for longer than AGENT_GRACE."),
        "email": nothing_or(string("With what it signs in; in small letters.")),
        "role": choice("agent", "supervisor"),
        "createdAt": nothing_or(time()),
    }
)
_STATE: dict[str, Json] = {
    "status": STATUS,
    "agentId": nothing_or(identifier()),
    "agent": nothing_or(ref("AgentSummary")),
    "queuePosition": nothing_or(
        integer(1, description="The place in the queue, from 1. Null if the session does not wait.")
    ),
}
READ_MARK = record({"userId": string(), "userType": string(), "seq": integer(0)})
_SESSION: dict[str, Json] = {
    "id": identifier(),
    "userId": string(),
    "userType": string(),
    **_STATE,
    "createdAt": time(),
    "firstAssignedAt": nothing_or(time()),
    "updatedAt": nothing_or(time()),
    "endedAt": nothing_or(time()),
    "endReason": nothing_or(string()),
    "internalReason": string(
        description="Why it has ended, where only staff are to know: users do not get this field."
    ),
    "messageCount": integer(0),
    "lastSeq": integer(0, description="The seq of the last message; 0 of none."),
    "readSeq": array(ref("ReadMark"), "How far each participant has read."),
    "duration": integer(0, description="Milliseconds, up to now while it is open."),
}
_FOR_STAFF = ("internalReason",)
SESSION = record(_SESSION, optional=_FOR_STAFF)
LISTED_SESSION = record(
    {**_SESSION, "unreadCount": integer(0, description="What its agent has not read.")}, optional=_FOR_STAFF
)
STARTED_SESSION = record(
    {
        "sessionId": identifier(),
        **_STATE,
        "createdAt": time(),
        "waitingMessage": nothing_or(string()),
        "instructions": record({"websocket": string(), "http": string()}),
    }
)
SESSION_END = record(
    {
        "sessionId": identifier(),
        "endedAt": time(),
        "reason": nothing_or(string()),
        "statistics": record(
            {
                "duration": integer(0, description="Milliseconds."),
                "totalMessages": integer(0),
                "averageResponseTime": nothing_or(number("Seconds from a user's message to the agent's next.")),
            }
        ),
    }
)
MESSAGE = record(
    {
        "id": identifier(),
        "sessionId": identifier(),
        "seq": integer(1, description="1, 2, 3… without gap or repeat: the order everybody sees."),
        "senderId": string(),
        "senderType": PERSON_TYPE,
        "message": text(0, 1000, "As it was sent, trimmed. Text, not HTML: escape it where you show it."),
        "timestamp": time(),
        "clientMessageId": string(),
        "erased": {"const": True, "description": "There where the text was erased; `message` is empty then."},
    },
    optional=("clientMessageId", "erased"),
)
EXPORTED_SESSION = record({**_SESSION, "messages": array(ref("Message"))}, optional=_FOR_STAFF)
SENT_MESSAGE = record(
    {"messageId": identifier(), "sessionId": identifier(), "message": ref("Message"), "sessionStatus": STATUS}
)
BLOCK = record(
    {
        "id": identifier(),
        "userId": nothing_or(string()),
        "userType": nothing_or(PERSON_TYPE),
        "address": nothing_or(string()),
        "reason": nothing_or(string()),
        "createdAt": time(),
        "expiresAt": nothing_or(time("null: until it is lifted.")),
    }
)
ACTIONS = (
    "start assign requeue transfer end token sign_in sign_in_failed sign_out identify read revoke block unblock "
    "agent_created agent_changed agent_deleted export erase retention"
).split()
AUDIT_ENTRY = record(
    {
        "id": identifier(),
        "at": time(),
        "action": choice(*ACTIONS),
        "callerId": nothing_or(string("Who did it; null of what the server did by itself.")),
        "callerType": choice("user", "agent", "system", "server"),
        "address": nothing_or(string("From where.")),
        "requestId": nothing_or(string()),
        "sessionId": nothing_or(identifier()),
        "agentId": nothing_or(identifier()),
        "userId": nothing_or(string("To whom.")),
        "userType": nothing_or(PERSON_TYPE),
        "details": {"type": "object", "description": "What else there is to say, by the action."},
    }
)

SCHEMAS: dict[str, Json] = {
    "Failure": FAILURE,
    "AgentSummary": AGENT_SUMMARY,
    "Agent": AGENT,
    "ReadMark": READ_MARK,
    "Session": SESSION,
    "ListedSession": LISTED_SESSION,
    "StartedSession": STARTED_SESSION,
    "SessionEnd": SESSION_END,
    "Message": MESSAGE,
    "SentMessage": SENT_MESSAGE,
    "ExportedSession": EXPORTED_SESSION,
    "Block": BLOCK,
    "AuditEntry": AUDIT_ENTRY,
}
