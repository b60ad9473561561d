"""/api/chat."""

from __future__ import annotations

from chatsupport.openapi.parts import (
    Json,
    array,
    body,
    boolean,
    choice,
    header,
    identifier,
    in_path,
    integer,
    nothing_or,
    number,
    operation,
    query,
    record,
    ref,
    string,
    success,
    text,
    time,
)
from chatsupport.openapi.schemas import STATUS, USER_ID

TAG = "Chat"

SESSION_ID = in_path("session_id", string("A session's id. A malformed id counts as unknown."))
LIMIT = query("limit", integer(1, 100, "How many at most.", default=50))
CURSOR = query("cursor", string("The nextCursor of the page before."))
_SEQ = integer(0, 2**53 - 1)
_OF_A_SESSION = ["SESSION_NOT_FOUND", "NOT_FOUND", "FORBIDDEN"]
_HISTORY = record(
    {
        "sessionId": identifier(),
        "messages": array(ref("Message"), "Oldest first."),
        "pagination": record(
            {"total": integer(0), "limit": integer(1), "offset": integer(0), "hasMore": boolean()},
        ),
    }
)
_LOAD = record(
    {
        "id": identifier(),
        "name": string(),
        "activeUsers": integer(0),
        "maxUsers": integer(1),
        "isOnline": boolean(),
        "utilizationRate": string(),
    }
)
_STATISTICS = record(
    {
        "sessions": record({name: integer(0) for name in ("active", "waiting", "ended", "total")}),
        "messages": record({"total": integer(0), "averagePerSession": number()}),
        "agentsTotal": integer(0),
        "agents": array(_LOAD, "By name; the 200 busiest where there are more. Empty for users."),
        "performance": record(
            {
                "averageSessionDuration": number("Seconds."),
                "averageWaitTime": number("Seconds."),
                "systemLoad": string("Taken slots of agents that are there, as a percentage."),
            }
        ),
        "systemHealth": record(
            {
                "status": string(),
                "uptime": number("Seconds."),
                "memory": record({"used": number("MiB."), "total": number("MiB.")}),
                "timestamp": time(),
            }
        ),
    }
)

PATHS: dict[str, Json] = {
    "/api/chat/start-session": {
        "post": operation(
            TAG,
            "startSession",
            "Start a session, or get the open one",
            description="A user has one open session at most. 10 a minute.",
            request_body=body({"userId": USER_ID, "userType": choice("user", "agent", default="user")}, ("userId",)),
            answers={
                200: success(ref("StartedSession"), "This user has an open session already: this one"),
                201: success(ref("StartedSession"), "A new session, with an agent or in the queue"),
            },
            codes=["INVALID_USER_ID", "INVALID_USER_TYPE", "FORBIDDEN", "RATE_LIMITED", "QUEUE_FULL"],
        )
    },
    "/api/chat/session/current": {
        "get": operation(
            TAG,
            "getCurrentSession",
            "Read the caller's open session",
            description="For users.",
            answers={200: success(record({"session": nothing_or(ref("Session"))}), "The session, or null")},
            codes=["FORBIDDEN"],
        )
    },
    "/api/chat/session/{session_id}": {
        "get": operation(
            TAG,
            "getSession",
            "Read a session",
            parameters=(SESSION_ID,),
            answers={200: success(ref("Session"), "The session")},
            codes=_OF_A_SESSION,
        )
    },
    "/api/chat/end-session/{session_id}": {
        "post": operation(
            TAG,
            "endSession",
            "End a session",
            description="A second call answers with the first end, unchanged.",
            parameters=(SESSION_ID,),
            request_body=body(
                {
                    "reason": nothing_or(text(0, 200)),
                    "internalReason": nothing_or(text(0, 200, "Only staff give it and see it.")),
                }
            ),
            answers={200: success(ref("SessionEnd"), "How it ended")},
            codes=["INVALID_REASON", *_OF_A_SESSION],
        )
    },
    "/api/chat/messages/{session_id}": {
        "get": operation(
            TAG,
            "getMessages",
            "Read a session's messages",
            description="A page by `offset`, or by `after` or `before` a seq.",
            parameters=(
                SESSION_ID,
                LIMIT,
                query("offset", {**_SEQ, "default": 0}),
                query("after", _SEQ),
                query("before", _SEQ),
            ),
            answers={200: success(_HISTORY, "One page")},
            codes=["INVALID_LIMIT", "INVALID_OFFSET", "INVALID_CURSOR", *_OF_A_SESSION],
        )
    },
    "/api/chat/send-message/{session_id}": {
        "post": operation(
            TAG,
            "sendMessage",
            "Send a message",
            description="Answered when it is durable. 20 in 10 s. `senderId` and `senderType` are believed of "
            "systems and API keys only; of others they must be their own.",
            parameters=(
                SESSION_ID,
                header("Idempotency-Key", text(1, 64, "The `clientMessageId` of a message whose body has none.")),
            ),
            request_body=body(
                {
                    "message": text(1, 1000),
                    "clientMessageId": nothing_or(
                        text(1, 64, "Your own id of the message: a retry with it stores nothing new.")
                    ),
                    "senderId": nothing_or(text(1, 128)),
                    "senderType": nothing_or(choice("user", "agent", "system")),
                },
                ("message",),
            ),
            answers={
                200: success(ref("SentMessage"), "This clientMessageId was sent before: that message"),
                201: success(ref("SentMessage"), "Sent"),
            },
            codes="""INVALID_MESSAGE MESSAGE_TOO_LONG INVALID_CLIENT_MESSAGE_ID INVALID_SENDER_ID INVALID_SENDER_TYPE
                SESSION_ENDED RATE_LIMITED""".split()
            + _OF_A_SESSION,
        )
    },
    "/api/chat/sessions": {
        "get": operation(
            TAG,
            "listSessions",
            "List sessions, newest first",
            description="An agent's own; all for supervisors, API keys and systems.",
            parameters=(
                query("status", STATUS),
                query("agentId", string()),
                query("userId", USER_ID),
                LIMIT,
                CURSOR,
            ),
            answers={
                200: success(
                    record(
                        {
                            "sessions": array(ref("ListedSession")),
                            "hasMore": boolean(),
                            "nextCursor": nothing_or(string()),
                        }
                    ),
                    "One page",
                )
            },
            codes="""INVALID_STATUS INVALID_AGENT INVALID_USER_ID INVALID_LIMIT INVALID_CURSOR FORBIDDEN
                AGENT_NOT_FOUND""".split(),
        )
    },
    "/api/chat/transfer/{session_id}": {
        "post": operation(
            TAG,
            "transferSession",
            "Hand a session to an agent, or back to the queue's front",
            description="By its agent, a supervisor, an API key or a system. With its own id a supervisor takes over.",
            parameters=(SESSION_ID,),
            request_body=body({"agentId": nothing_or(string("None: back to the queue."))}),
            answers={200: success(ref("Session"), "The session")},
            codes="INVALID_AGENT AGENT_NOT_FOUND SESSION_ENDED AGENT_BUSY AGENT_AT_CAPACITY".split() + _OF_A_SESSION,
        )
    },
    "/api/chat/queue": {
        "get": operation(
            TAG,
            "getQueue",
            "See who waits",
            description="For agents, supervisors, API keys and systems; `sessionId` for all of these but agents.",
            answers={
                200: success(
                    record(
                        {
                            "total": integer(0),
                            "longestWait": integer(0, description="Seconds that the first session has waited."),
                            "sessions": array(
                                record(
                                    {
                                        "sessionId": identifier(),
                                        "userId": string(),
                                        "position": integer(1),
                                        "waitingSince": nothing_or(time()),
                                    },
                                    optional=("sessionId",),
                                ),
                                "The first 50, in the order they are served.",
                            ),
                        }
                    ),
                    "The queue",
                )
            },
            codes=["FORBIDDEN"],
        )
    },
    "/api/chat/availability": {
        "get": operation(
            TAG,
            "getAvailability",
            "Ask whether somebody is there",
            description="For everybody. With credentials the answer also says how many wait.",
            answers={
                200: success(
                    record(
                        {
                            "isOpen": boolean(),
                            "opensAt": nothing_or(time()),
                            "isStaffed": boolean("An agent is there, busy or not."),
                            "waiting": integer(0),
                            "estimatedWaitSeconds": nothing_or(integer(0)),
                        },
                        optional=("waiting", "estimatedWaitSeconds"),
                    ),
                    "Whether somebody is there",
                )
            },
            codes=["INVALID_TOKEN", "TOKEN_EXPIRED", "INVALID_API_KEY", "BLOCKED", "DATABASE_UNAVAILABLE"],
            needs_caller=False,
        )
    },
    "/api/chat/stats": {
        "get": operation(
            TAG,
            "getStatistics",
            "Read the statistics",
            answers={200: success(_STATISTICS, "The statistics")},
            codes=[],
        )
    },
}
