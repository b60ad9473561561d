"""The availability that visitors may see: whether the chat is open, and whether an agent is present."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bson import ObjectId

from chatsupport import serializers
from chatsupport.database.clock import now
from chatsupport.identity import Caller
from chatsupport.services.assignment import queue, slots, waiting_times
from chatsupport.services.people import departments


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
    """Use these opening hours. The chat is open while all of them say so. Without any, it is always open."""
    _hours[:] = sources


def opening() -> Opening:
    """Return whether the chat is open now. Sends no command."""
    time = now()
    return next((found for hours in _hours if not (found := hours(time)).is_open), _ALWAYS)


def describe(caller: Caller | None, department_id: ObjectId | None = None) -> dict[str, Any]:
    """Return whether the chat is open and an agent is present, busy or not, of a department or of all.

    Callers also get the queue's length, and the seconds that one more visitor would wait: None while it is closed, and
    for a department. Raises `DepartmentNotFoundError`.
    """
    if department_id is not None:
        departments.require([department_id])
    found = opening()
    public = {**found.shown(), "isStaffed": slots.any_there(department_id)}
    if caller is None:
        return public
    waiting = queue.count_waiting(department_id)
    expected = waiting_times.expected(waiting) if found.is_open and department_id is None else None
    return {**public, "waiting": waiting, "estimatedWaitSeconds": expected}


def waiting_departments() -> list[dict[str, Any]]:
    """Return the departments whose sessions wait for their agents, by name, and whether one of these agents is there.

    A department starves if none is there and it has no `overflowAfter`: its sessions wait until somebody comes.
    """
    reserved, known, time = queue.count_reserved(), departments.known(), now()
    staffed = slots.staffed(sorted(reserved.keys() & known.keys()))
    found = []
    for department_id, (waiting, since) in reserved.items():
        if department_id not in known:
            continue  # It was deleted just now.
        is_staffed = department_id in staffed
        found.append(
            {
                "id": str(department_id),
                "name": known[department_id]["name"],
                "waiting": waiting,
                "longestWait": serializers.milliseconds_between(since, time) // 1000,
                "isStaffed": is_staffed,
                "isStarving": not is_staffed and known[department_id].get("overflowAfter") is None,
            }
        )
    return sorted(found, key=lambda department: str(department["name"]).casefold())
