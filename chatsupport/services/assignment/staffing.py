"""The availability that visitors may see: whether the chat is open, and whether an agent is present."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from chatsupport import serializers
from chatsupport.database.clock import now
from chatsupport.identity import Caller
from chatsupport.services.assignment import queue, slots, waiting_times


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether the chat is open. If not: when it opens, if that is known, and the time zone of the hours."""

    is_open: bool = True
    opens_at: datetime | None = None
    zone: ZoneInfo | None = None

    def shown(self) -> dict[str, Any]:
        """Return the fields that clients see."""
        return {"isOpen": self.is_open, "opensAt": serializers.iso(self.opens_at)}


Hours = Callable[[datetime], Opening]
_hours: list[Hours] = []
_ALWAYS = Opening()


def bind_hours(sources: Iterable[Hours]) -> None:
    """Use these opening hours. The chat is open if it is open by all of them, and by none always."""
    _hours[:] = sources


def opening() -> Opening:
    """Return whether the chat is open now. Sends no command."""
    time = now()
    return next((found for hours in _hours if not (found := hours(time)).is_open), _ALWAYS)


def describe(caller: Caller | None) -> dict[str, Any]:
    """Return whether the chat is open and an agent is present, busy or not.

    Callers also get the queue's length, and the seconds that one more visitor would wait: None while it is closed.
    """
    found = opening()
    public = {**found.shown(), "isStaffed": slots.any_there()}
    if caller is None:
        return public
    waiting = queue.count_waiting()
    expected = waiting_times.expected(waiting) if found.is_open else None
    return {**public, "waiting": waiting, "estimatedWaitSeconds": expected}
