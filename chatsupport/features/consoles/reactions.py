"""Announce to consoles which session or agent an event has changed."""

from __future__ import annotations

from chatsupport import orders
from chatsupport.events import (
    AgentChanged,
    AgentConnected,
    AgentCreated,
    AgentDeleted,
    AgentsCameBack,
    AgentWentAway,
    SessionAssigned,
    SessionEnded,
    SessionLeft,
    SessionMoved,
    SessionRated,
    SessionRequeued,
    SessionStarted,
    SessionUpdated,
    Table,
)
from chatsupport.features.consoles import roles
from chatsupport.features.consoles import service as consoles
from chatsupport.features.consoles.orders import CheckRole


def session_changed(event: SessionStarted | SessionAssigned | SessionEnded | SessionUpdated | SessionRated) -> None:
    """Announce a session and its agent."""
    consoles.changed(event.session["_id"], event.session.get("agentId"))


def session_left(event: SessionLeft) -> None:
    """Announce a session and the agent that it has left."""
    consoles.changed(event.session["_id"], event.agent_id)


def agent_changed(event: AgentCreated | AgentChanged) -> None:
    """Announce an agent."""
    consoles.changed(None, event.agent["_id"])


def role_changed(event: AgentChanged) -> None:
    """Have every process check that the agent's sockets are in the rooms that its role allows."""
    if "role" in event.changes:
        orders.give(CheckRole(agent_id=str(event.agent["_id"])))


def agent_gone(event: AgentDeleted | AgentWentAway) -> None:
    """Announce an agent that is away or deleted."""
    consoles.changed(None, event.agent_id)


def agents_back(event: AgentsCameBack) -> None:
    """Announce agents that are back."""
    consoles.changed(None, *event.agent_ids)


REACTIONS: Table = {
    SessionStarted: [session_changed],
    SessionAssigned: [session_changed],
    SessionRequeued: [session_left],
    SessionMoved: [session_left],
    SessionEnded: [session_changed],
    SessionUpdated: [session_changed],
    SessionRated: [session_changed],
    AgentCreated: [agent_changed],
    AgentChanged: [role_changed, agent_changed],
    AgentDeleted: [agent_gone],
    AgentWentAway: [agent_gone],
    AgentsCameBack: [agents_back],
    AgentConnected: [roles.connected],
}
