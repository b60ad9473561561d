"""/api/agents."""

from __future__ import annotations

from chatsupport.openapi.parts import (
    Json,
    array,
    body,
    boolean,
    choice,
    identifier,
    in_path,
    integer,
    nothing_or,
    operation,
    record,
    ref,
    string,
    success,
    text,
)

TAG = "Agents"

_AGENT_ID = in_path("agent_id", string("An agent's id. A malformed id counts as unknown."))
_FIELDS = {
    "name": text(1, 100),
    "maxUsers": integer(1, 50, "How many people it takes at once."),
    "isOnline": boolean("Whether it wants sessions."),
    "email": nothing_or(text(3, 254, "With what it signs in: kept trimmed and in small letters. null takes it away.")),
    "password": nothing_or(text(10, 128, "Kept as argon2id. null takes it away.")),
    "role": choice("agent", "supervisor", default="agent"),
}
_INVALID = ["INVALID_AGENT", "INVALID_EMAIL", "INVALID_PASSWORD", "INVALID_ROLE", "EMAIL_TAKEN", "RATE_LIMITED"]
_OF_AN_AGENT = ["AGENT_NOT_FOUND", "NOT_FOUND", "FORBIDDEN"]

PATHS: dict[str, Json] = {
    "/api/agents": {
        "get": operation(
            TAG,
            "listAgents",
            "List the agents",
            description="By API key, system or supervisor.",
            answers={200: success(record({"agents": array(ref("Agent"))}), "All of them, by name")},
            codes=["FORBIDDEN"],
        ),
        "post": operation(
            TAG,
            "createAgent",
            "Make an agent",
            description="By API key, system or supervisor. Those who wait are given to it at once.",
            request_body=body(_FIELDS, ("name",)),
            answers={201: success(ref("Agent"), "The agent")},
            codes=[*_INVALID, "FORBIDDEN"],
        ),
    },
    "/api/agents/{agent_id}": {
        "get": operation(
            TAG,
            "getAgent",
            "Read an agent",
            description="By API key, system or supervisor, and by the agent itself.",
            parameters=(_AGENT_ID,),
            answers={200: success(ref("Agent"), "The agent")},
            codes=_OF_AN_AGENT,
        ),
        "patch": operation(
            TAG,
            "updateAgent",
            "Change an agent",
            description="By API key, system or supervisor; an agent itself may change its isOnline, and with "
            "currentPassword its password. Another email or password ends its tokens, but for the one it used itself.",
            parameters=(_AGENT_ID,),
            request_body=body({**_FIELDS, "currentPassword": text(1, 128, "To change your own password.")}),
            answers={200: success(ref("Agent"), "The agent")},
            codes=[*_INVALID, "INVALID_CREDENTIALS", *_OF_AN_AGENT],
        ),
        "delete": operation(
            TAG,
            "deleteAgent",
            "Delete an agent",
            description="By API key, system or supervisor. Its access ends at once, its sessions requeue.",
            parameters=(_AGENT_ID,),
            answers={200: success(record({"id": identifier()}), "Deleted")},
            codes=_OF_AN_AGENT,
        ),
    },
}
