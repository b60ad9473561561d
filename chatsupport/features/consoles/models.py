"""The queue, as consoles show it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chatsupport.contract.base import Answer, record
from chatsupport.contract.chat import Session, WaitingSession
from chatsupport.contract.fields import Count, Id, Time
from chatsupport.contract.people import Agent
from chatsupport.contract.socket_events import SHOWN_SESSION, Emitted


class DepartmentQueue(Answer):
    """How many sessions wait for the agents of a department."""

    id: Id
    name: str
    waiting: Count
    is_starving: bool = Field(description="True if nobody is there, and the sessions do not overflow to others.")


class Queue(Answer):
    """The waiting sessions, their number, and the longest wait."""

    total: Count
    longest_wait: Count = Field(description="How many seconds the first session has waited.")
    departments: list[DepartmentQueue] = Field(description="The departments whose sessions wait for their agents.")
    sessions: list[WaitingSession] = Field(description="The first 50, in the order in which they are served.")


class QueueState(Answer):
    """The waiting sessions and their number, for consoles."""

    waiting: Count
    longest_waiting_since: Time | None
    departments: list[DepartmentQueue]
    sessions: Annotated[list[WaitingSession], Field(max_length=50)] = Field(
        description="The first waiting sessions. Only supervisors get `sessionId`."
    )


class AgentState(Agent):
    """An agent and its load."""

    load: Count = Field(description="How many sessions the agent has.")


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
