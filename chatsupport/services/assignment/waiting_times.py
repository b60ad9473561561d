"""How long a visitor who comes now will wait for an agent.

The queue is played through many times: each busy slot becomes free after a time that a recent chat took, if it has not
taken as long already, and the estimate is the median. While too few chats have ended lately there is no estimate.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heapify, heapreplace
from statistics import fmean, median
from typing import Any

from chatsupport.background import Remembered
from chatsupport.database.clock import now
from chatsupport.documents import Agent, Session
from chatsupport.documents.session import ACTIVE, ENDED
from chatsupport.services.assignment import slots

RECENT, RECENT_DAYS = 200, 7
"""The estimate goes by so many of the chats that have ended last, in so many days."""
FEWEST = 20
"""With fewer chats than this, there is no estimate."""
KEPT_SECONDS = 2.0

ROUNDS = 40
MOST_SLOTS, MOST_AHEAD = 200, 500
"""A larger team or a longer queue moves evenly, so that its rate alone says as much."""


@dataclass(slots=True)
class Desk:
    """The state of the team: how long recent chats took, since when each busy slot is taken, and all and free slots."""

    handled: list[float]
    taken_at: list[datetime]
    slots: int
    free: int
    estimates: dict[int, int] = field(default_factory=dict)


_known: Remembered[Desk] = Remembered()


def expected(waiting: int) -> int | None:
    """Return the seconds that a visitor will wait with so many before it, or None if that is not known."""
    desk = _known.get()
    if desk is None:
        desk = _look()
        _known.keep(desk, KEPT_SECONDS)
    if desk.free > waiting:
        return 0
    if not desk.slots or len(desk.handled) < FEWEST or not desk.taken_at:
        return None
    if waiting not in desk.estimates:
        time = now()
        ages = [(time - taken_at).total_seconds() for taken_at in desk.taken_at]
        is_even = desk.slots > MOST_SLOTS or waiting > MOST_AHEAD
        seconds = fmean(desk.handled) * (waiting + 1) / desk.slots if is_even else play(desk.handled, ages, waiting)
        desk.estimates[waiting] = round(seconds)
    return desk.estimates[waiting]


def play(handled: Sequence[float], ages: Sequence[float], ahead: int) -> float:
    """Return the median of the seconds after which the last of `ahead` + 1 visitors gets a slot.

    `handled` is how long chats take, in ascending order, and `ages` how long each busy slot has been taken.
    """
    chance, most = random.Random(0).random, len(handled)  # noqa: S311 The same state has the same estimate.
    longer = [(age, bisect_right(handled, age)) for age in ages]
    waits = []
    for _ in range(ROUNDS):
        # A chat that takes longer than all others may end at any time.
        frees = [
            handled[start + int(chance() * (most - start))] - age if start < most else handled[int(chance() * most)]
            for age, start in longer
        ]
        heapify(frees)
        for _ in range(ahead):
            heapreplace(frees, frees[0] + handled[int(chance() * most)])
        waits.append(frees[0])
    return median(waits)


def _look() -> Desk:
    with_people = {"firstAssignedAt": {"$ne": None}}  # Other sessions had only a bot.
    ended = {"status": ENDED, "endedAt": {"$gte": now() - timedelta(days=RECENT_DAYS)}, **with_people}
    rows = Session.collection().find(ended, {"assignedAt": 1, "endedAt": 1}, sort=[("endedAt", -1)], limit=RECENT)
    handled = sorted(
        (row["endedAt"] - row["assignedAt"]).total_seconds() for row in rows if row.get("assignedAt") is not None
    )
    there = slots.there()
    taken: Any = {"$size": {"$ifNull": ["$activeSessions", []]}}
    sums = {"slots": {"$sum": "$maxUsers"}, "taken": {"$sum": taken}}
    team = next(iter(Agent.collection().aggregate([{"$match": there}, {"$group": {"_id": None, **sums}}])), None)
    active = list(
        Session.collection().find({"status": ACTIVE, **with_people}, {"assignedAt": 1, "agentId": 1}, limit=MOST_SLOTS)
    )
    # The chats of agents who take no new ones free no slot.
    theirs = {"_id": {"$in": list({row["agentId"] for row in active})}, **there}
    present = {agent["_id"] for agent in Agent.collection().find(theirs, {"_id": 1})}
    taken_at = [row["assignedAt"] for row in active if row["agentId"] in present and row.get("assignedAt") is not None]
    if team is None:
        return Desk(handled, [], 0, 0)
    return Desk(handled, taken_at, team["slots"], team["slots"] - team["taken"])
