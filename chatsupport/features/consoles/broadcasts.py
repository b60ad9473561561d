"""The events for consoles. Each process tells its own."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from chatsupport.broadcasts import emit_here, person_room
from chatsupport.identity import AGENT
from chatsupport.realtime import server

AGENTS_ROOM, SUPERVISORS_ROOM = "agents", "supervisors"
"""All sockets of agents, and those of supervisors among them."""


def session_changed(session: dict[str, Any]) -> None:
    """Tell the supervisors here what a session (serialized) is now."""
    emit_here("session_changed", session, SUPERVISORS_ROOM)


def agent_changed(agent: dict[str, Any]) -> None:
    """Tell the supervisors here, and the agent's own sockets here, what an agent (serialized) is and has."""
    emit_here("agent_changed", agent, [SUPERVISORS_ROOM, person_room(agent["id"], AGENT)])


def agent_deleted(agent_id: ObjectId) -> None:
    """Tell the supervisors here that there is no such agent any more."""
    emit_here("agent_deleted", {"id": str(agent_id)}, SUPERVISORS_ROOM)


def queue_changed(state: dict[str, Any]) -> None:
    """Tell the agents here how many wait, since when, and who is first.

    Only supervisors may enter a session that waits, so only they get its id.
    """
    emit_here("queue_changed", state, SUPERVISORS_ROOM)
    rows = [{name: value for name, value in row.items() if name != "sessionId"} for row in state["sessions"]]
    emit_here("queue_changed", {**state, "sessions": rows}, AGENTS_ROOM, skip_sid=server.members(SUPERVISORS_ROOM))
