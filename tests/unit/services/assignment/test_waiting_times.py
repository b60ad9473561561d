"""The estimated wait, compared with what happens at a desk in virtual time."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

import pytest

from chatsupport.services.assignment import waiting_times
from chatsupport.services.assignment.waiting_times import FEWEST, RECENT

Draw = Callable[[random.Random], float]
ARRIVALS = 700

DESKS: dict[str, tuple[int, float, Draw]] = {
    "much alike": (4, 0.95, lambda chance: sum(chance.uniform(25, 75) for _ in range(6))),
    "usual": (6, 1.0, lambda chance: chance.lognormvariate(5.5, 0.6)),
    "a larger team": (20, 1.05, lambda chance: chance.gammavariate(4, 75)),
    "very different": (4, 1.1, lambda chance: chance.expovariate(1 / 300)),
}


def waits(slots: int, load: float, draw: Draw) -> list[tuple[float, float]]:
    """Let visitors come at random, and return what each was told and how long it then waited, in seconds."""
    chance, number = random.Random(18), count()
    pace = load * slots / (sum(draw(random.Random(seed)) for seed in range(2_000)) / 2_000)
    handled: deque[float] = deque(maxlen=RECENT)
    busy: dict[int, float] = {}
    queue: deque[tuple[float, float | None]] = deque()
    told: list[tuple[float, float]] = []
    happens: list[tuple[float, int, float]] = [(0.0, next(number), 0.0)]  # A visitor comes, or a chat began then.

    def begin(now: float) -> None:
        chat = next(number)
        busy[chat] = now
        heappush(happens, (now + draw(chance), chat, now))

    for _ in range(3 * ARRIVALS):
        now, event, began = heappop(happens)
        if event in busy:
            del busy[event]
            handled.append(now - began)
            if queue:
                came, expected = queue.popleft()
                if expected is not None:
                    told.append((expected, now - came))
                begin(now)
            continue
        heappush(happens, (now + chance.expovariate(pace), next(number), 0.0))
        if len(busy) < slots:
            begin(now)
        else:
            ages = [now - began for began in busy.values()]
            is_known = len(handled) >= FEWEST
            queue.append((now, waiting_times.play(sorted(handled), ages, len(queue)) if is_known else None))
    return told


@pytest.mark.parametrize("desk", DESKS)
def test_half_of_the_waits_are_within_thirty_percent_of_the_estimate(desk: str) -> None:
    told = waits(*DESKS[desk])

    good = sum(abs(expected - waited) <= 0.3 * waited for expected, waited in told) / len(told)
    assert len(told) > 100
    assert good >= 0.5, good


def test_the_same_state_has_the_same_estimate() -> None:
    handled = [100.0, 200.0, 300.0]

    assert waiting_times.play(handled, [50.0, 150.0], 3) == waiting_times.play(handled, [50.0, 150.0], 3)


def test_a_chat_ends_no_earlier_than_it_can() -> None:
    assert waiting_times.play([100.0], [30.0], 0) == 70
    assert waiting_times.play([100.0], [30.0, 10.0], 1) == 90
    assert waiting_times.play([100.0], [30.0, 10.0], 2) == 170
    assert waiting_times.play([100.0], [400.0], 0) == 100, "one that takes longer than all others says nothing"
