"""What consoles are shown."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chatsupport.contract.base import Answer, record
from chatsupport.contract.chat import Session, WaitingSession
from chatsupport.contract.fields import Count, Id, Time
from chatsupport.contract.people import Agent
from chatsupport.contract.socket_events import SHOWN_SESSION, Emitted


class Queue(Answer):
    """Who waits."""

    total: Count
    longest_wait: Count = Field(description="Seconds that the first session has waited.")
    sessions: list[WaitingSession] = Field(description="The first 50, in the order they are served.")


class QueueState(Answer):
    """Who waits."""

    waiting: Count
    longest_waiting_since: Time | None
    sessions: Annotated[list[WaitingSession], Field(max_length=50)] = Field(
        description="The first of those who wait; only supervisors get sessionId."
    )


class AgentState(Agent):
    """What an agent is, and has."""

    load: Count = Field(description="How many sessions it has.")


EMITTED = {
    "queue_changed": Emitted("all sockets of all agents", QueueState),
    "session_changed": Emitted("all sockets of supervisors", Session, SHOWN_SESSION),
    "agent_changed": Emitted(
        "all sockets of supervisors, and the agent's own",
        AgentState,
        "the agent, as [REST](rest.md#agents) shows it, and `load`: how many sessions it has",
    ),
    "agent_deleted": Emitted("all sockets of supervisors", record("AgentDeleted", id=Id)),
}
