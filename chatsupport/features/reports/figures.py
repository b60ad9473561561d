"""The figures of many sessions, in a form that can be added up: hours to a day, agents to a team.

Percentiles cannot be added, but histograms can. A histogram counts durations in steps that grow by 4 %, so a percentile
read from it is off by at most 2 %, however many histograms were added.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from chatsupport.documents.session import waits_since
from chatsupport.serializers import milliseconds_between

Document = Mapping[str, Any]

GROWTH = 1.04
ERROR = math.sqrt(GROWTH) - 1
"""The largest relative error of a percentile."""
_LOG_GROWTH = math.log(GROWTH)
LAST_STEP = 800
"""The step of a thousand years. Longer durations count there too."""


@dataclass
class Durations:
    """Durations in milliseconds: their number, their sum, and their histogram by step."""

    count: int = 0
    sum_ms: int = 0
    steps: list[int] = field(default_factory=lambda: [0] * (LAST_STEP + 1))

    def add(self, milliseconds: int) -> None:
        """Count one duration."""
        self.count += 1
        self.sum_ms += milliseconds
        self.steps[step_of(milliseconds)] += 1

    def merge(self, stored: Document) -> None:
        """Add what `stored()` returned."""
        self.count += stored["count"]
        self.sum_ms += stored["sumMs"]
        steps = self.steps
        for step, count in zip(*_unpacked(stored["steps"]), strict=True):
            steps[step] += count

    def stored(self) -> dict[str, Any]:
        """Return this in its stored form: the histogram packed, and the percentiles computed, in seconds."""
        used = [step for step, count in enumerate(self.steps) if count]
        return {
            "count": self.count,
            "sumMs": self.sum_ms,
            "p50": self._percentile(50, used),
            "p95": self._percentile(95, used),
            "steps": _packed(used, [self.steps[step] for step in used]),
        }

    def _percentile(self, percent: int, used: list[int]) -> float | None:
        rank = max(1, math.ceil(self.count * percent / 100))
        for step in used:
            rank -= self.steps[step]
            if rank <= 0:
                return round(middle_of(step) / 1000, 3)
        return None


@dataclass
class Figures:
    """The figures of some sessions that have ended."""

    sessions: int = 0
    abandoned: int = 0
    messages: int = 0
    waiting: Durations = field(default_factory=Durations)
    first_response: Durations = field(default_factory=Durations)
    handling: Durations = field(default_factory=Durations)

    def add(self, session: Document, messages: int, first_response_ms: int | None) -> None:
        """Count one session. If it ended without an agent, it was abandoned while waiting."""
        self.sessions += 1
        self.messages += messages
        assigned_at: datetime | None = session.get("firstAssignedAt")
        if assigned_at is not None:
            self.waiting.add(milliseconds_between(waits_since(session), assigned_at))
        if session.get("agentId") is None:
            self.abandoned += 1
        elif assigned_at is not None:
            self.handling.add(milliseconds_between(assigned_at, session["endedAt"]))
        if first_response_ms is not None:
            self.first_response.add(first_response_ms)

    def merge(self, stored: Document) -> None:
        """Add what `stored()` returned."""
        self.sessions += stored["sessions"]
        self.abandoned += stored["abandoned"]
        self.messages += stored["messages"]
        self.waiting.merge(stored["waiting"])
        self.first_response.merge(stored["firstResponse"])
        self.handling.merge(stored["handling"])

    def stored(self) -> dict[str, Any]:
        """Return this in its stored form."""
        return {
            "sessions": self.sessions,
            "abandoned": self.abandoned,
            "messages": self.messages,
            "waiting": self.waiting.stored(),
            "firstResponse": self.first_response.stored(),
            "handling": self.handling.stored(),
        }


def step_of(milliseconds: int) -> int:
    """Return the step of the histogram that a duration falls into: 0 for less than a millisecond."""
    return 0 if milliseconds < 1 else min(LAST_STEP, 1 + math.floor(math.log(milliseconds) / _LOG_GROWTH))


def middle_of(step: int) -> float:
    """Return the milliseconds that stand for a step: relatively as far from its lower end as from its upper end."""
    return 0.0 if step == 0 else math.exp((step - 0.5) * _LOG_GROWTH)


def described(stored: Document) -> dict[str, Any]:
    """Return figures as a report shows them, in seconds, from what `stored()` returned."""
    sessions = stored["sessions"]
    return {
        "sessions": sessions,
        "abandoned": stored["abandoned"],
        "messages": stored["messages"],
        "messagesPerSession": round(stored["messages"] / sessions, 2) if sessions else None,
        **{name: _durations(stored[name]) for name in ("waiting", "firstResponse", "handling")},
    }


def _packed(steps: list[int], counts: list[int]) -> bytes:
    """Return the steps, two bytes each, followed by their counts, four bytes each."""
    return _in_order("H", steps).tobytes() + _in_order("I", counts).tobytes()


def _unpacked(packed: bytes) -> tuple[array[int], array[int]]:
    length = len(packed) // 6
    steps, counts = array("H", packed[: 2 * length]), array("I", packed[2 * length :])
    if sys.byteorder == "big":
        steps.byteswap()
        counts.byteswap()
    return steps, counts


def _in_order(code: Literal["H", "I"], numbers: list[int]) -> array[int]:
    """Return the numbers with their lowest byte first, on every machine."""
    packed = array(code, numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed


def _durations(stored: Document) -> dict[str, Any]:
    count = stored["count"]
    return {
        "count": count,
        "mean": round(stored["sumMs"] / count / 1000, 3) if count else None,
        "p50": stored["p50"],
        "p95": stored["p95"],
    }
