"""Places in a long queue that were counted lately, so that others behind them are counted from there.

MongoDB counts key by key: 0.1 s for 100 000 people. The first thousand places are always counted from the front.
Further back, a place may be as old as the one that it was counted from: a second for 10 000 people ahead, ten at most.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable
from datetime import datetime

from bson import ObjectId

from chatsupport.database.clock import elapsed

NEAR = 1_000
"""Up to this place, nothing is remembered."""
AHEAD_A_SECOND = 10_000
LONGEST_SECONDS = 10.0
MOST = 200
"""How many places are remembered for each queue."""

Key = tuple[datetime, ObjectId]
"""Where a session is in its queue."""

_counted: dict[Hashable, dict[Key, tuple[int, float]]] = {}
"""For each queue the places, and until when each is good."""


def nearest(queue: Hashable, key: Key) -> tuple[Key, int] | None:
    """Return the last place at or before this key that was counted lately, with its key, or None."""
    counted, now = _counted.get(queue, {}), elapsed()
    keys = sorted(each for each, (_, until) in counted.items() if now < until)
    position = bisect_right(keys, key)
    return (keys[position - 1], counted[keys[position - 1]][0]) if position else None


def remember(queue: Hashable, key: Key, place: int) -> None:
    """Remember a place that was just counted from the front."""
    if place <= NEAR:
        return
    now = elapsed()
    counted = {each: kept for each, kept in _counted.get(queue, {}).items() if now < kept[1]}
    if len(counted) < MOST:
        counted[key] = place, now + min(LONGEST_SECONDS, place / AHEAD_A_SECOND)
    _counted[queue] = counted


def forget() -> None:
    """Forget all places."""
    _counted.clear()
