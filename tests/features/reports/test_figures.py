"""The figures of reports: counting sessions, and adding figures up."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from bson import ObjectId

from chatsupport.features.reports import figures
from chatsupport.features.reports.figures import Figures
from tests.features.reports.reporting import NOW, Made, assert_equal, ended, first_answer


def counted(made: Made) -> Figures:
    total = Figures()
    for session, messages in made:
        total.add(session, len(messages), first_answer(session, messages))
    return total


@pytest.mark.parametrize("count", [0, 1, 500])
def test_figures_are_right_however_they_are_added_up(count: int) -> None:
    rng = random.Random(count)
    agent_ids = [ObjectId() for _ in range(3)]
    made = [ended(NOW - timedelta(minutes=minute), rng, agent_ids, counted=False) for minute in range(count)]
    total = Figures()
    for part in (made[:7], made[7:8], made[8:]):
        total.merge(counted(part).stored())

    assert total.stored() == counted(made).stored()
    assert_equal(figures.described(total.stored()), made)


def test_the_steps_of_the_histogram_are_as_fine_as_documented() -> None:
    rng = random.Random(1)
    for _ in range(2000):
        milliseconds = int(10 ** rng.uniform(0, 10))
        middle = figures.middle_of(figures.step_of(milliseconds))
        assert middle == pytest.approx(milliseconds, rel=figures.ERROR + 1e-9)
    assert figures.middle_of(figures.step_of(0)) == 0
