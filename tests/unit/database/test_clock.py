"""The database's time is right, whatever this machine's clock says and however long an answer takes."""

from __future__ import annotations

import logging
from datetime import datetime, timezone

import pytest

from chatsupport.database import clock as clocks
from chatsupport.database.clock import Clock

START = 1_800_000_000.0


class Machine:
    """A wall clock that may be wrong, a monotonic one that never is, and the database's difference from it."""

    def __init__(self) -> None:
        self.moment = 1000.0
        self.wall_ahead = 0.0
        self.database_starts = START

    def clock_gettime(self, _: int) -> float:
        return self.moment

    def time(self) -> float:
        return START + self.moment + self.wall_ahead

    def measure(self, clock: Clock, there: float = 0.001, back: float = 0.001) -> float:
        """Ask the database, with these delays of the question and the answer."""
        asked = self.moment
        self.moment += there
        theirs = datetime.fromtimestamp(self.database_starts + self.moment, timezone.utc)
        self.moment += back
        return clock.take(theirs.replace(tzinfo=None), asked, self.moment)

    def error(self, clock: Clock) -> float:
        return clock.timestamp() - (self.database_starts + self.moment)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(clocks, "time", machine)
    return machine


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize("ahead", [-86_400.0, -0.4, 0.4, 300.0])
def test_neither_a_wrong_wall_clock_nor_setting_it_changes_the_time(
    machine: Machine, clock: Clock, ahead: float
) -> None:
    machine.wall_ahead = ahead
    assert clock.timestamp() == machine.time()  # Only the wall clock is known.

    machine.measure(clock)
    assert abs(machine.error(clock)) < 0.002
    machine.wall_ahead = -ahead * 7
    machine.moment += 3600
    assert abs(machine.error(clock)) < 0.002
    assert clock.own_offset() == pytest.approx(-ahead * 7, abs=0.01)


def test_the_quickest_answer_is_used(machine: Machine, clock: Clock) -> None:
    machine.measure(clock)
    for _ in range(5):
        machine.moment += 1
        assert machine.measure(clock, there=0.9, back=0.001) == 0
        assert abs(machine.error(clock)) < 0.002


def test_time_never_goes_back_by_a_better_measurement(machine: Machine, clock: Clock) -> None:
    machine.measure(clock, there=0.0, back=0.4)
    before = clock.timestamp()
    machine.measure(clock, there=0.4, back=0.0)
    machine.measure(clock)

    assert clock.timestamp() >= before
    machine.moment += 1
    assert abs(machine.error(clock)) < 0.002


@pytest.mark.parametrize("jump", [-300.0, 0.5, 86_400.0])
def test_a_jump_of_the_primarys_clock_is_followed_at_once(machine: Machine, clock: Clock, jump: float) -> None:
    for _ in range(8):
        machine.measure(clock)
    machine.database_starts += jump

    assert machine.measure(clock) == pytest.approx(jump, abs=0.01)
    assert abs(machine.error(clock)) < 0.002


def test_a_wrong_clock_is_logged_once(machine: Machine, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="chatsupport.database.clock")
    for ahead, lines in ((4.0, 0), (300.0, 1), (301.0, 1), (0.0, 2)):
        machine.wall_ahead = ahead
        machine.measure(clock)
        machine.measure(clock)
        assert len(caplog.records) == lines, ahead
    assert "300.0 s ahead of the database's" in caplog.messages[0]


def test_members_with_a_wrong_clock_are_listed(machine: Machine, clock: Clock) -> None:
    def said(seconds: float) -> datetime:
        return datetime.fromtimestamp(START + machine.moment + seconds, timezone.utc)

    clock.take_member("b:27017", said(300))
    assert clock.wrong_members() == {}
    machine.measure(clock)
    clock.take_member("a:27017", said(1))
    clock.take_member("c:27017", said(-60))
    assert {name: round(ahead) for name, ahead in clock.wrong_members().items()} == {"b:27017": 300, "c:27017": -60}
    clock.take_member("b:27017", None)
    assert set(clock.wrong_members()) == {"c:27017"}
    machine.moment += 3600
    assert clock.wrong_members() == {}
