"""The availability that visitors may see: whether an agent is present."""

from __future__ import annotations

from typing import Any

from chatsupport.identity import Caller
from chatsupport.services.assignment import queue, slots


def describe(caller: Caller | None) -> dict[str, Any]:
    """Return whether the chat is open and an agent is present, busy or not. Callers also get the queue's length."""
    public = {"isOpen": True, "opensAt": None, "isStaffed": slots.any_there()}
    if caller is None:
        return public
    return {**public, "waiting": queue.count_waiting(), "estimatedWaitSeconds": None}
