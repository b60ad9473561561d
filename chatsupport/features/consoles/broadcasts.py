"""The events for consoles. Each process sends them to its own sockets."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from chatsupport.broadcasts import emit_here, person_room
from chatsupport.identity import AGENT
from chatsupport.realtime import server

AGENTS_ROOM, SUPERVISORS_ROOM = "agents", "supervisors"
"""The room of all agents' sockets, and the room of the supervisors' sockets."""


def session_changed(session: dict[str, Any]) -> None:
    """Tell the supervisors here the state of a session (serialized)."""
    emit_here("session_changed", session, SUPERVISORS_ROOM)


def agent_changed(agent: dict[str, Any]) -> None:
    """Tell the supervisors here, and the agent's own sockets here, an agent's state and load (serialized)."""
    emit_here("agent_changed", agent, [SUPERVISORS_ROOM, person_room(agent["id"], AGENT)])


def agent_deleted(agent_id: ObjectId) -> None:
    """Tell the supervisors here that an agent was deleted."""
    emit_here("agent_deleted", {"id": str(agent_id)}, SUPERVISORS_ROOM)


def queue_changed(state: dict[str, Any]) -> None:
    """Tell the agents here how many sessions wait, since when, and which are first.

    Only supervisors may enter a waiting session, so only they get its id.
    """
    emit_here("queue_changed", state, SUPERVISORS_ROOM)
    rows = [{name: value for name, value in row.items() if name != "sessionId"} for row in state["sessions"]]
    emit_here("queue_changed", {**state, "sessions": rows}, AGENTS_ROOM, skip_sid=server.members(SUPERVISORS_ROOM))
