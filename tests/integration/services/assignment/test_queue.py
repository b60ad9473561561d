"""The queue: places and their announcement, the limit, and the assignment of agents."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from chatsupport.database import clock, connection
from chatsupport.documents import Session
from chatsupport.services.assignment import queue
from chatsupport.services.sessions import joins, starting
from tests.api import Api, Apis, assert_failure, data_of
from tests.applications import MakeApp
from tests.concurrency import eventually, run_together
from tests.interleaving import just_after, just_before
from tests.sockets import Sockets


@pytest.fixture
def sockets(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    monkeypatch.setattr(queue, "ANNOUNCE_INTERVAL_SECONDS", 0.1)
    return Sockets(app)


def start(operator: Api, user_id: str) -> TestResponse:
    return operator.post("/api/chat/start-session", {"userId": user_id})


def waiting(operator: Api, *users: str) -> list[str]:
    return [operator.start(user_id)["sessionId"] for user_id in users]


def places(operator: Api, session_ids: list[str]) -> list[int | None]:
    return [operator.session(session_id)["queuePosition"] for session_id in session_ids]


def test_places_follow_ends_starts_and_returns_to_the_front(operator: Api) -> None:
    agent = operator.create_agent(maxUsers=1)
    active = operator.start("u0")["sessionId"]
    queued = waiting(operator, "u1", "u2", "u3")

    operator.end(queued[1])
    assert places(operator, queued) == [1, None, 2]
    operator.delete(f"/api/agents/{agent['id']}")
    assert places(operator, [active, *queued]) == [1, 2, None, 3]
    assert operator.start("u4")["queuePosition"] == 4
    assert data_of(start(operator, "u3"))["queuePosition"] == 3, "a second start tells the place too"


def test_sessions_of_the_same_millisecond_have_different_places(operator: Api) -> None:
    queued = waiting(operator, *(f"u{number}" for number in range(5)))
    Session.collection().update_many({}, {"$set": {"queuedAt": clock.now()}})

    assert sorted(places(operator, queued)) == [1, 2, 3, 4, 5]


def test_an_end_in_a_long_queue_writes_little_and_announces_each_place_once(
    sockets: Sockets, operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.create_agent(maxUsers=1)
    active = operator.start("active")["sessionId"]
    collection = Session.collection()
    documents = [starting._new(f"u{number}", "user") for number in range(300)]
    collection.insert_many(documents)
    users = {number: sockets.user(f"u{number}") for number in (0, 1, 150, 299)}
    for number, user in users.items():
        user.join(str(documents[number]["_id"]))
    queue._announce()
    for user in users.values():
        user.forget()
    before, unchanged = documents_written(), list(collection.find({"status": "waiting"}, sort=[("_id", 1)]))

    operator.end(active)

    assert eventually(lambda: users[299].heard("queue_update"))
    time.sleep(0.3)
    # Eight, plus what the background writes. It would be 300 if each place were stored.
    assert documents_written() - before < 30
    assert list(collection.find({"status": "waiting"}, sort=[("_id", 1)])) == unchanged[1:]
    for number, user in users.items():
        told = [event["queuePosition"] for event in user.heard("queue_update")]
        assert told == ([] if number == 0 else [number]), number
    assert users[0].wait_for("agent_assigned")


def documents_written() -> int:
    written = connection.database().command("serverStatus")["metrics"]["document"]
    return int(written["inserted"] + written["updated"] + written["deleted"])


def test_many_ends_at_once_are_announced_together(
    sockets: Sockets, operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 1.0
    monkeypatch.setattr(queue, "ANNOUNCE_INTERVAL_SECONDS", seconds)
    monkeypatch.setattr(queue.announce_here, "seconds", seconds)
    operator.create_agent(maxUsers=8)
    active = waiting(operator, *(f"a{number}" for number in range(8)))
    queued = waiting(operator, *(f"u{number}" for number in range(10)))
    last = sockets.user("u9")
    last.join(queued[-1])
    queue._announce()
    last.forget()
    began = time.monotonic()

    run_together(*[partial(operator.end, session_id) for session_id in active])

    assert eventually(lambda: (last.heard("queue_update") or [{}])[-1].get("queuePosition") == 2)
    assert len(last.heard("queue_update")) <= 2 + (time.monotonic() - began) / seconds


def test_a_socket_that_joins_while_its_place_changes_is_told_the_new_one(
    sockets: Sockets, operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead, queued = waiting(operator, "u1", "u2")
    assert eventually(lambda: queue._announcements.is_idle and queue.announce_here.is_idle)
    user, anybody = sockets.user("u2"), sockets.operator()
    anybody.join(ahead)

    def move_up() -> None:
        operator.end(ahead)
        queue._announce()

    just_after(monkeypatch, joins.places, "position", move_up)
    assert user.join(queued)["queuePosition"] == 2
    queue._announce()

    assert user.heard("queue_update")[-1] == {"sessionId": queued, "queuePosition": 1}


def test_a_place_is_announced_again_if_it_gets_worse(sockets: Sockets, operator: Api) -> None:
    agent = operator.create_agent(maxUsers=1)
    operator.start("u0")
    (queued,) = waiting(operator, "u1")
    user = sockets.user("u1")
    assert user.join(queued)["queuePosition"] == 1

    operator.delete(f"/api/agents/{agent['id']}")

    assert user.wait_for("queue_update")[-1] == {"sessionId": queued, "queuePosition": 2}


def test_a_session_is_told_that_it_left_its_agent_and_then_of_the_next(sockets: Sockets, operator: Api) -> None:
    agent = operator.create_agent(maxUsers=1)
    session_id = operator.start("u1")["sessionId"]
    user = sockets.user("u1")
    user.join(session_id)

    operator.delete(f"/api/agents/{agent['id']}")
    other = operator.create_agent("Ben")

    expected = {"sessionId": session_id, "agentId": agent["id"], "reason": "agent_deleted"}
    assert user.wait_for("session_unassigned") == [expected]
    assert user.wait_for("agent_assigned")[0]["agentId"] == other["id"]


def test_a_full_queue_is_refused_with_the_numbers(make_app: MakeApp) -> None:
    operator = Apis(make_app(queue_limit=2)).operator()
    first, second = waiting(operator, "u1", "u2")

    response = start(operator, "u3")

    body = assert_failure(response, 503, "QUEUE_FULL")
    assert body["details"] == [{"waiting": 2, "limit": 2}]
    assert "2" in body["message"]
    assert int(response.headers["Retry-After"]) > 0
    assert Session.objects.count() == 2
    assert start(operator, "u2").status_code == 200, "who waits already is not refused"
    operator.end(first)
    assert operator.start("u3")["queuePosition"] == 2
    operator.create_agent(maxUsers=5)
    assert operator.session(second)["status"] == "active"
    assert operator.start("u4")["status"] == "active"


def test_a_start_does_not_count_a_queue_with_much_room(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = Apis(make_app(queue_limit=5_000)).operator()
    counted: list[int] = []
    count = queue._count_waiting
    queue._has_plenty_of_room.forget()
    monkeypatch.setattr(queue, "PLENTY_SECONDS", 60.0)
    monkeypatch.setattr(queue, "_count_waiting", lambda limit: counted.append(limit) or count(limit))

    waiting(operator, "u1", "u2", "u3")

    assert counted == [5_000]
    monkeypatch.setattr(queue, "PLENTY", 4_998)
    queue._has_plenty_of_room.forget()
    waiting(operator, "u4")
    assert counted == [5_000, 5_000, 5_001]


def test_a_session_returns_even_to_a_full_queue(make_app: MakeApp) -> None:
    operator = Apis(make_app(queue_limit=1)).operator()
    agent = operator.create_agent(maxUsers=1)
    had, queued = waiting(operator, "u1", "u2")

    operator.delete(f"/api/agents/{agent['id']}")

    assert places(operator, [had, queued]) == [1, 2]


def test_many_starts_at_once_never_overfill_the_queue(make_app: MakeApp) -> None:
    operator = Apis(make_app(queue_limit=3)).operator()

    for round_number in range(6):
        answers = run_together(*[partial(start, operator, f"u{round_number}-{number}") for number in range(9)])
        accepted = [data_of(answer)["sessionId"] for answer in answers if answer.status_code == 201]
        for answer in answers:
            if answer.status_code != 201:
                assert_failure(answer, 503, "QUEUE_FULL")
                assert answer.headers["Retry-After"]
        # One too few is acceptable; one too many is not.
        assert 2 <= len(accepted) <= 3
        assert sorted(places(operator, accepted), key=str) == list(range(1, len(accepted) + 1))
        for session_id in accepted:
            operator.end(session_id)


def test_a_repeated_start_returns_no_session_that_is_about_to_be_withdrawn(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = Apis(make_app(queue_limit=1)).operator()

    with ThreadPoolExecutor(1) as pool:
        repeated: list[Future[TestResponse]] = []

        def repeat() -> None:
            repeated.append(pool.submit(start, operator, "slow"))
            wait(repeated, timeout=0.3)

        def fill_the_queue() -> None:
            operator.start("quick")
            just_before(monkeypatch, queue, "withdraw_beyond_limit", repeat)

        just_after(monkeypatch, queue, "check_room", fill_the_queue)
        assert_failure(start(operator, "slow"), 503, "QUEUE_FULL")

        assert_failure(repeated[0].result(), 503, "QUEUE_FULL")


def test_an_accepted_session_is_not_displaced_by_an_earlier_start(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = Apis(make_app(queue_limit=1)).operator()
    later: list[dict[str, Any]] = []
    # The slow start has its time and has seen room in the queue. The quick one is accepted before the slow one is
    # stored.
    just_after(monkeypatch, queue, "check_room", lambda: later.append(operator.start("quick")))

    assert_failure(start(operator, "slow"), 503, "QUEUE_FULL")

    assert places(operator, [later[0]["sessionId"]]) == [1]
