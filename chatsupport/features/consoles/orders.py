"""What the processes tell each other for the consoles."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TellConsoles:
    """Tell the consoles what these sessions and agents are now."""

    session_ids: list[str]
    agent_ids: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRole:
    """Look up the role of an agent, which has changed, and let its sockets be where it lets them be."""

    agent_id: str
