"""Work in the background: throttled, buffered, and at an interval."""

from __future__ import annotations

import itertools
import logging
import operator
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from pymongo.errors import AutoReconnect

from chatsupport import background
from chatsupport.background import Buffered, Counted, Every, Remembered, Throttled
from tests.background_tasks import BackgroundTasks
from tests.concurrency import eventually

pytestmark = pytest.mark.usefixtures("background_tasks", "no_outage")


@pytest.fixture
def no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget work of other tests that still waits for its database."""
    monkeypatch.setattr(background, "_outage", background._Outage())


def test_a_round_begins_after_the_last_call_and_rounds_keep_their_interval() -> None:
    asked, served, times = 0, 0, []

    def work() -> None:
        nonlocal served
        times.append(time.monotonic())
        served = asked

    throttled = Throttled(work, 0.1)
    for _ in range(50):
        asked += 1
        throttled()
        time.sleep(0.005)

    assert eventually(lambda: served == 50)
    assert all(later - earlier >= 0.1 for earlier, later in itertools.pairwise(times))


def test_a_failure_ends_one_round_only() -> None:
    rounds: list[int] = []

    def work() -> None:
        rounds.append(1)
        raise ValueError

    throttled = Throttled(work, 0.01)
    throttled()
    assert eventually(lambda: len(rounds) == 1)
    throttled()

    assert eventually(lambda: len(rounds) == 2)


def test_a_round_without_a_database_is_repeated_and_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "RETRY_SECONDS", 0.01)
    caplog.set_level(logging.INFO, background.__name__)
    is_away, rounds = True, {"one": 0, "other": 0}

    def work_of(name: str) -> Callable[[], None]:
        def work() -> None:
            rounds[name] += 1
            if is_away:
                raise AutoReconnect

        work.__qualname__ = name
        return work

    for name in rounds:
        Throttled(work_of(name), 0.0)()
    assert eventually(lambda: min(rounds.values()) >= 3)
    is_away = False
    assert eventually(lambda: "continues" in caplog.text)

    assert [record.message for record in caplog.records] == [
        "Background work is waiting for the database",
        "Background work continues: the database answers",
    ]


def test_the_next_outage_is_logged_even_if_rare_work_still_waits_for_the_last_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "RETRY_SECONDS", 0.01)
    is_away = True

    def work() -> None:
        if is_away:
            raise AutoReconnect

    def told() -> int:
        return caplog.text.count("is waiting for the database")

    Every(3600.0, lambda: work()).start()
    often = Throttled(work, 0.0)
    often()
    assert eventually(lambda: len(background._outage._waiting) == 2)
    is_away = False
    assert eventually(lambda: often.is_idle)
    is_away = True
    often()
    assert eventually(lambda: told() == 2)
    is_away = False
    assert eventually(lambda: often.is_idle)


def test_work_that_asks_for_its_own_next_round_goes_on_until_it_is_done() -> None:
    left = 3

    def work() -> None:
        nonlocal left
        left -= 1
        if left:
            throttled()

    throttled = Throttled(work, 0.01)
    throttled()

    assert eventually(lambda: throttled.is_idle)
    assert left == 0


@pytest.fixture
def written() -> Iterator[list[dict[str, int]]]:
    """The values that a test's buffers have written. The buffers are forgotten afterwards."""
    before = list(background._buffers)
    yield []
    background._buffers[:] = before


def test_collected_values_are_merged_and_written_together(written: list[dict[str, int]]) -> None:
    sums = Buffered[str, int](written.append, 0.5, merge=operator.add)
    for _ in range(10):
        sums.add("a", 1)
        sums.add("b", 2)
    assert (written, sums.get("a", 0), sums.get("c", 7)) == ([], 10, 7)

    assert eventually(lambda: written)
    assert written == [{"a": 10, "b": 20}]


def test_with_at_once_the_first_value_does_not_wait(written: list[dict[str, int]]) -> None:
    last = Buffered[str, int](written.append, 600.0, at_once=True)
    last.add("a", 1)
    assert eventually(lambda: written)
    for number in range(2, 5):
        last.add("a", number)
    assert len(written) == 1

    last.flush()
    assert written == [{"a": 1}, {"a": 4}]


def test_values_that_cannot_be_written_stay_together_with_newer_ones(written: list[dict[str, int]]) -> None:
    def write(batch: dict[str, int]) -> None:
        written.append(dict(batch))
        if len(written) == 1:
            batch.pop("done")
            sums.add("a", 10)
            sums.add("new", 1)
            raise AutoReconnect

    sums = Buffered[str, int](write, 60.0, merge=operator.add)
    for key in ("done", "a", "b"):
        sums.add(key, 1)

    with pytest.raises(AutoReconnect):
        sums.flush()
    sums.flush()

    assert written[1] == {"a": 11, "b": 1, "new": 1}


def test_a_full_buffer_loses_new_values_and_logs_it_once(
    written: list[dict[str, int]], caplog: pytest.LogCaptureFixture
) -> None:
    last = Buffered[str, int](written.append, 60.0, most=2)
    for key in ("a", "b", "c", "d", "a"):
        last.add(key, 1)
    last.flush()

    assert written == [{"a": 1, "b": 1}]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_leaving_process_writes_its_collected_values(written: list[dict[str, int]]) -> None:
    lasting, needless = (Buffered[str, int](written.append, 60.0, on_leaving=is_needed) for is_needed in (True, False))
    failing = Buffered[str, int](lambda batch: batch.clear() or 1 // 0, 60.0)
    for buffer in (failing, lasting, needless):
        buffer.add("a", 1)

    assert [type(failure) for failure in background.flush_all()] == [ZeroDivisionError]
    assert written == [{"a": 1}]


def test_timed_work_continues_after_failures() -> None:
    rounds = 0

    def work() -> None:
        nonlocal rounds
        rounds += 1
        raise ValueError

    Every(lambda: 0.01 if rounds < 3 else 3600.0, work).start()

    assert eventually(lambda: rounds >= 3)


def test_work_under_a_lease_is_done_by_its_holder() -> None:
    class Lease:
        held = False

        def hold(self) -> bool:
            return self.held

    lease, rounds = Lease(), []
    work = Every(lambda: 1.0, lambda: rounds.append(1), under=lease)
    work()
    assert not rounds
    lease.held = True
    work()
    assert rounds == [1]


def test_a_value_is_remembered_for_its_time_and_for_one_application() -> None:
    remembered: Remembered[int] = Remembered()
    assert remembered.get() is None

    remembered.keep(1, 60.0)
    assert remembered.get() == 1
    remembered.keep(2, 0.0)
    assert remembered.get() is None
    remembered.keep(3, 60.0)
    background.clear_all()
    assert remembered.get() is None


def test_a_large_number_is_not_counted_again_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter([10_000, 10_001, 3])
    count = Counted(lambda: next(numbers))

    assert [count(), count(), count()] == [10_000, 10_001, 10_001]
    elapsed = background.elapsed
    monkeypatch.setattr(background, "elapsed", lambda: elapsed() + 1.0)
    assert count() == 3


def test_the_background_tasks_of_a_test_end_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = BackgroundTasks()
    monkeypatch.setattr(background, "socketio", SimpleNamespace(start_background_task=tasks.start, sleep=tasks.sleep))
    is_working, may_end, rounds, written = threading.Event(), threading.Event(), [], []

    def work() -> None:
        rounds.append(1)
        is_working.set()
        may_end.wait()
        written.append(1)

    throttled = Throttled(work, 0.0)
    throttled()
    Every(0.0, lambda: None).start()
    Every(3600.0, lambda: None).start()
    is_working.wait()
    throttled()
    threading.Timer(0.05, may_end.set).start()

    tasks.end()

    assert written == rounds == [1], "it has finished its round, and begins no other"
    throttled()
    assert eventually(lambda: throttled.is_idle)
    assert rounds == [1]
