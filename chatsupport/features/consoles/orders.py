"""Orders between the processes for the consoles."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TellConsoles:
    """Send the consoles the current state of these sessions and agents."""

    session_ids: list[str]
    agent_ids: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRole:
    """Look up the changed role of an agent, and move its sockets into and out of rooms accordingly."""

    agent_id: str
