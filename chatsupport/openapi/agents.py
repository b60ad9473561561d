"""/api/agents."""

from __future__ import annotations

from chatsupport.openapi.parts import (
    Json,
    array,
    body,
    boolean,
    identifier,
    in_path,
    integer,
    operation,
    record,
    ref,
    string,
    success,
    text,
)

TAG = "Agents"

_AGENT_ID = in_path("agent_id", string("An agent's id. What is no id is no agent either."))
_FIELDS = {
    "name": text(1, 100),
    "maxUsers": integer(1, 50, "How many people it takes at once."),
    "isOnline": boolean("Whether it wants sessions."),
}
_OF_AN_AGENT = ["AGENT_NOT_FOUND", "NOT_FOUND", "FORBIDDEN"]

PATHS: dict[str, Json] = {
    "/api/agents": {
        "get": operation(
            TAG,
            "listAgents",
            "List the agents",
            description="By API key or system.",
            answers={200: success(record({"agents": array(ref("Agent"))}), "All of them, by name")},
            codes=["FORBIDDEN"],
        ),
        "post": operation(
            TAG,
            "createAgent",
            "Make an agent",
            description="By API key or system. Those who wait are given to it at once.",
            request_body=body(_FIELDS, ("name",)),
            answers={201: success(ref("Agent"), "The agent")},
            codes=["INVALID_AGENT", "FORBIDDEN"],
        ),
    },
    "/api/agents/{agent_id}": {
        "get": operation(
            TAG,
            "getAgent",
            "Read an agent",
            description="By API key or system, and by the agent itself.",
            parameters=(_AGENT_ID,),
            answers={200: success(ref("Agent"), "The agent")},
            codes=_OF_AN_AGENT,
        ),
        "patch": operation(
            TAG,
            "updateAgent",
            "Change an agent",
            description="By API key or system; an agent itself may change its isOnline.",
            parameters=(_AGENT_ID,),
            request_body=body(_FIELDS),
            answers={200: success(ref("Agent"), "The agent")},
            codes=["INVALID_AGENT", *_OF_AN_AGENT],
        ),
        "delete": operation(
            TAG,
            "deleteAgent",
            "Delete an agent",
            description="By API key or system. Its access ends at once, its sessions go to the queue's front.",
            parameters=(_AGENT_ID,),
            answers={200: success(record({"id": identifier()}), "Deleted")},
            codes=_OF_AN_AGENT,
        ),
    },
}
