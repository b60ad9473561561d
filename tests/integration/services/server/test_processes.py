"""A process learns from the database which others use it, and changes nothing before the others know of it."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from pymongo.collection import Collection
from pymongo.errors import NetworkTimeout

from chatsupport.documents import Process
from chatsupport.errors import DatabaseUnavailableError
from chatsupport.services.assignment import agent_presence
from chatsupport.services.server import processes, readiness
from chatsupport.services.server.leases import Lease
from chatsupport.services.server.processes import ALONE_SECONDS, GONE_SECONDS, SILENT_SECONDS, ThisProcess
from chatsupport.services.sessions import inactivity
from tests.api import Apis, assert_failure, data_of
from tests.applications import MakeApp
from tests.interleaving import just_before

Pass = Callable[[float], None]
REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture
def wait(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Pass:
    """Let some seconds pass for every process. Nothing else does."""
    time = [processes.elapsed()]
    monkeypatch.setattr(processes, "elapsed", lambda: time[0])

    def wait(seconds: float) -> None:
        time[0] += seconds

    return wait


def process() -> ThisProcess:
    started = ThisProcess()
    started.begin()
    return started


def stored() -> list[dict[str, Any]]:
    return list(Process.collection().find())


def test_the_first_process_is_alone_and_does_not_wait(app: Flask) -> None:
    first = process()
    assert not first.is_alone()
    assert not first.is_known()

    assert first.beat()

    assert first.is_alone()
    assert first.is_known()
    (document,) = stored()
    assert (document["redis"], document["knows"], type(document["pid"])) == (None, [], int)
    assert abs(document["clockOffset"]) < 1


def test_a_new_process_changes_nothing_before_the_others_know_it(wait: Pass) -> None:
    first, second = process(), process()
    first.beat()

    second.beat()
    assert not second.is_alone()
    assert not second.is_known()
    assert first.is_alone()
    first.beat()  # From here on, the first process knows.
    assert not first.is_alone()
    second.beat()
    assert not second.is_known()
    first.beat()  # And it has stored that it knows.
    second.beat()
    assert second.is_known()
    for _ in range(3):
        for each in (first, second):
            each.beat()
            assert each.is_known()
            assert not each.is_alone()


def test_a_stopped_process_is_waited_for_while_it_may_believe_it_is_alone(wait: Pass) -> None:
    frozen, second = process(), process()
    frozen.beat()
    second.beat()
    wait(ALONE_SECONDS - 0.5)
    second.beat()
    assert frozen.is_alone()
    assert not second.is_known()

    wait(0.6)
    assert not frozen.is_alone()
    second.beat()
    assert second.is_known()
    frozen.beat()
    assert not frozen.is_alone()


def test_no_process_is_alone_until_no_write_of_a_killed_one_can_arrive(wait: Pass) -> None:
    first, killed = process(), process()
    for each in (first, killed, first):
        each.beat()
    for _ in range(2):
        wait(GONE_SECONDS / 2 - 1)
        first.beat()
        assert not first.is_alone()

    wait(3)
    first.beat()
    assert first.is_alone()
    assert len(stored()) == 1


def test_a_process_that_leaves_is_gone_at_once(wait: Pass) -> None:
    first, second = process(), process()
    for each in (first, second, first):
        each.beat()
    second.leave()
    first.beat()

    assert first.is_alone()
    assert not second.beat()
    assert len(stored()) == 1


def test_data_read_before_another_process_came_is_not_trusted_after_it_left(wait: Pass) -> None:
    first, second = process(), process()
    first.beat()
    read_at = processes.elapsed()
    assert first.was_alone_since(read_at)
    wait(0.1)
    for each in (second, first, first, second):
        each.beat()
    second.leave()
    first.beat()

    assert first.is_alone()
    assert not first.was_alone_since(read_at)
    read_at = processes.elapsed()
    assert first.was_alone_since(read_at)
    wait(ALONE_SECONDS + 1)  # Meanwhile another process may have come and left.
    first.beat()
    assert first.is_alone()
    assert not first.was_alone_since(read_at)


def test_a_process_started_after_a_kill_does_not_wait_in_vain(wait: Pass) -> None:
    process().beat()
    Process.collection().update_many({}, [{"$set": {"beatAt": {"$subtract": ["$$NOW", 5_000]}}}])

    second = process()
    second.beat()
    assert second.is_known()
    assert not second.is_alone()


def test_a_process_silent_for_long_counts_as_new(wait: Pass) -> None:
    silent, other = process(), process()
    for each in (silent, other, silent, other):
        each.beat()
    (earlier,) = [row["_id"] for row in stored() if row["_id"] != other._id]
    wait(SILENT_SECONDS + 1)
    assert not silent.is_known()
    other.beat()

    silent.beat()
    assert not silent.is_known()
    assert silent._id != earlier
    for each in (other, other, silent):
        each.beat()
    assert silent.is_known()
    assert {row["_id"] for row in stored()} == {silent._id, other._id}


def test_a_process_whose_document_was_lost_starts_again(wait: Pass) -> None:
    first = process()
    first.beat()
    Process.collection().delete_many({})
    first.beat()
    assert first.is_known()
    assert len(stored()) == 1


def test_a_process_unsure_of_its_registration_waits_as_long(wait: Pass, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = process(), process()
    first.beat()
    update = Collection.update_one

    def lose_the_answer(*arguments: Any, **options: Any) -> Any:
        update(*arguments, **options)
        raise NetworkTimeout("the answer was lost")

    with monkeypatch.context() as broken:
        broken.setattr(Collection, "update_one", lose_the_answer)
        with pytest.raises(NetworkTimeout):
            second.beat()
    second.beat()
    assert len(stored()) == 2
    assert first.is_alone()
    assert not second.is_known()
    wait(ALONE_SECONDS)
    second.beat()
    assert second.is_known()


def test_a_process_that_leaves_during_a_beat_does_not_come_back(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    first = process()
    first.beat()
    just_before(monkeypatch, first, "_say", first.leave)

    assert not first.beat()
    assert stored() == []


@pytest.mark.parametrize("still", ["the database", "the process"])
def test_after_a_standstill_all_periods_begin_again(wait: Pass, still: str) -> None:
    first = process()
    assert first.beat()
    wait(1)
    assert not first.beat()
    wait(3)
    assert first.steady_seconds() >= 4
    wait(processes.break_seconds())
    assert first.steady_seconds() == 0
    assert first.beat()
    assert first.steady_seconds() < 1


def test_two_processes_without_redis_are_logged_once(
    wait: Pass, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.ERROR, logger="chatsupport.services.server.processes")
    first, second = process(), process()
    for _ in range(3):
        first.beat()
        second.beat()
        wait(1)

    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]  # Each of the two processes logs it.
    assert "REDIS_URL" in caplog.messages[0]
    assert processes.metrics.PROCESSES._read() == {"together": 1, "apart": 1}


def test_two_processes_with_one_redis_are_fine(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    make_app(redis_url=REDIS)
    first, second = process(), process()
    for _ in range(3):
        first.beat()
        second.beat()

    assert not [record for record in caplog.records if record.name == processes.__name__]
    assert processes.metrics.PROCESSES._read() == {"together": 2, "apart": 0}
    third = process()
    third.beat()
    assert third.is_known()  # At once, because no process remembers anything.
    assert not first.is_alone()


def test_a_process_changes_nothing_before_the_others_know_it(
    apis: Apis, wait: Pass, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = apis.user("u1").start("u1")["sessionId"]
    process().beat()
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0.0)
    processes.here.begin()
    processes.here.beat()

    assert_failure(apis.user("u1").send(session_id), 503, "DATABASE_UNAVAILABLE")
    assert_failure(apis.operator().end(session_id), 503, "DATABASE_UNAVAILABLE")
    assert apis.user("u1").session(session_id)["status"] == "waiting"
    assert data_of(apis.anonymous().post("/api/auth/token", {"userId": "u2"}))["token"]
    with pytest.raises(DatabaseUnavailableError):
        readiness.wait_until_ready()
    wait(ALONE_SECONDS + 1)
    processes.here.beat()
    assert apis.user("u1").send(session_id).status_code == 201


def test_no_agent_loses_its_sessions_right_after_a_standstill(
    make_app: MakeApp, wait: Pass, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[str] = []
    for module in (agent_presence, inactivity):
        monkeypatch.setattr(module, "sweep", lambda time, name=module.__name__: swept.append(name))
    processes.here.begin()
    # The server starts, and later it is stopped for 20 s.
    for seconds in (0, 20):
        wait(seconds)
        for step in range(8):
            agent_presence.beat()
            agent_presence.look()
            inactivity.look()
            # By then, every process has renewed the leases of its agents: the heartbeat interval is 15 s.
            assert bool(swept) == (step == 7), step
            wait(4)
        assert swept == [agent_presence.__name__, inactivity.__name__]
        swept.clear()


def test_the_times_of_a_process_are_the_databases(wait: Pass) -> None:
    first = process()
    first.beat()
    (document,) = stored()
    assert abs(document["beatAt"] - document["startedAt"]) < timedelta(seconds=2)


def test_processes_forked_from_one_have_leases_of_their_own(app: Flask) -> None:
    imported = Lease("work", 30.0)
    first, second = copy.deepcopy(imported), copy.deepcopy(imported)  # As a fork does.
    assert [one.hold() for one in (first, second, first)] == [True, False, True]
