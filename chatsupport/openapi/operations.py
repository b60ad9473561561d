"""/api/blocks, /api/audit and /api/users: for those who run the service."""

from __future__ import annotations

from chatsupport.openapi.chat import CURSOR, LIMIT
from chatsupport.openapi.parts import (
    Json,
    array,
    body,
    boolean,
    choice,
    in_path,
    integer,
    nothing_or,
    operation,
    query,
    record,
    ref,
    string,
    success,
    text,
    time,
)
from chatsupport.openapi.schemas import ACTIONS, PERSON_TYPE, USER_ID
from chatsupport.payloads.operations import MAX_BLOCK_SECONDS

TAG = "Operations"

_EXPORTED = record(
    {
        "userId": string(),
        "userType": string(),
        "exportedAt": time(),
        "sessions": array(ref("ExportedSession")),
        "agent": nothing_or(ref("Agent")),
        "sentMessages": array(ref("Message"), "An agent's own, in the sessions of others."),
        "blocks": array(ref("Block")),
        "auditEntries": array(ref("AuditEntry")),
    }
)
_ERASED = record({"pseudonym": string(), "sessions": integer(0), "messages": integer(0), "isComplete": boolean()})
_STORED_PERSON = (
    {**query("userId", string("Exactly as it is stored; also one that is refused today.")), "required": True},
    query("userType", choice("user", "agent", default="user")),
)
_PERSON = (in_path("user_id", USER_ID), query("userType", choice("user", "agent", default="user")))


def _page(name: str, items: Json) -> Json:
    page = record({name: array(items), "hasMore": boolean(), "nextCursor": nothing_or(string())})
    return success(page, "One page, newest first")


PATHS: dict[str, Json] = {
    "/api/blocks": {
        "get": operation(
            TAG,
            "listBlocks",
            "List the blocks in force",
            parameters=(LIMIT, CURSOR),
            answers={200: _page("blocks", ref("Block"))},
            codes=["INVALID_LIMIT", "INVALID_CURSOR", "FORBIDDEN"],
        ),
        "post": operation(
            TAG,
            "createBlock",
            "Block a person or an address",
            description="At once, everywhere: its requests and connections are refused, its sockets are closed.",
            request_body=body(
                {
                    "userId": nothing_or(USER_ID),
                    "userType": nothing_or({**PERSON_TYPE, "default": "user"}),
                    "address": nothing_or(string("Instead of userId: an IP address, or an IPv6 network /64.")),
                    "reason": nothing_or(text(1, 200)),
                    "expiresInSeconds": nothing_or(integer(1, MAX_BLOCK_SECONDS, "Without: until it is lifted.")),
                }
            ),
            answers={
                200: success(ref("Block"), "This was blocked already; its reason and end are the new ones"),
                201: success(ref("Block"), "Blocked"),
            },
            codes="INVALID_USER_ID INVALID_USER_TYPE INVALID_ADDRESS INVALID_REASON INVALID_EXPIRY FORBIDDEN".split(),
        ),
    },
    "/api/blocks/{block_id}": {
        "delete": operation(
            TAG,
            "deleteBlock",
            "Lift a block",
            parameters=(in_path("block_id", string()),),
            answers={200: success(ref("Block"), "It was this one")},
            codes=["BLOCK_NOT_FOUND", "NOT_FOUND", "FORBIDDEN"],
        )
    },
    "/api/audit": {
        "get": operation(
            TAG,
            "listAuditEntries",
            "Read the audit log",
            description="Who did what to which session, agent or person, when and from where. Kept for AUDIT_DAYS.",
            parameters=(
                query("action", text(1, 40, f"One of {', '.join(ACTIONS)}.")),
                query("userId", USER_ID),
                query("agentId", string()),
                query("sessionId", string()),
                LIMIT,
                CURSOR,
            ),
            answers={200: _page("entries", ref("AuditEntry"))},
            codes="""INVALID_ACTION INVALID_USER_ID INVALID_AGENT AGENT_NOT_FOUND INVALID_SESSION_ID INVALID_LIMIT
                INVALID_CURSOR FORBIDDEN""".split(),
        )
    },
    "/api/users/export": {
        "get": operation(
            TAG,
            "exportStoredUser",
            "Export everything that is kept of somebody, by an id in the query",
            parameters=_STORED_PERSON,
            answers={200: success(_EXPORTED, "Everything")},
            codes=["INVALID_USER_ID", "INVALID_USER_TYPE", "FORBIDDEN"],
        )
    },
    "/api/users": {
        "delete": operation(
            TAG,
            "eraseStoredUser",
            "Erase somebody, by an id in the query",
            parameters=_STORED_PERSON,
            answers={200: success(_ERASED, "What was erased")},
            codes=["INVALID_USER_ID", "INVALID_USER_TYPE", "FORBIDDEN"],
        )
    },
    "/api/users/{user_id}/export": {
        "get": operation(
            TAG,
            "exportUser",
            "Export everything that is kept of somebody",
            parameters=_PERSON,
            answers={
                200: success(_EXPORTED, "Everything"),
            },
            codes=["INVALID_USER_ID", "INVALID_USER_TYPE", "FORBIDDEN", "NOT_FOUND"],
        )
    },
    "/api/users/{user_id}": {
        "delete": operation(
            TAG,
            "eraseUser",
            "Erase somebody",
            description="Open sessions end, texts become empty, the id becomes a random one everywhere. Counts stay.",
            parameters=_PERSON,
            answers={
                200: success(_ERASED, "What was erased"),
            },
            codes=["INVALID_USER_ID", "INVALID_USER_TYPE", "FORBIDDEN", "NOT_FOUND", "METHOD_NOT_ALLOWED"],
        )
    },
}
