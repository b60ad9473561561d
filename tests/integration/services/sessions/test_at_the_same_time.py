"""Starts and ends at the same time share commands, and each is as if it were alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from bson import ObjectId

from chatsupport.database import connection
from chatsupport.documents import Session
from chatsupport.services.assignment import slots
from chatsupport.services.sessions import end_statistics, reading, writes
from chatsupport.services.shared.shared_commands import SharedCommands
from tests.api import Api, Apis, assert_failure, data_of
from tests.concurrency import eventually, waiting_callers
from tests.invariants import violations

Calls = list[Callable[[], Any]]


class Held:
    """Shared commands in place of a module's, which run when they are let go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        self._run: Any = getattr(module, name)._run
        self.shared: SharedCommands[Any] = SharedCommands(self._wait)
        self.sizes: list[int] = []
        self._may_go_on = threading.Event()
        monkeypatch.setattr(module, name, self.shared)

    def _wait(self, items: list[Any]) -> Iterable[dict[str, Any]]:
        self.sizes.append(len(items))
        assert self._may_go_on.wait(40)
        return self._run(items)

    def together(self, first: Callable[[], Any], others: Calls) -> tuple[Any, list[Any]]:
        """Make the first call, and the others, in this order, while its command is in progress."""
        with ThreadPoolExecutor(1 + len(others)) as pool:
            result = pool.submit(first)
            assert eventually(lambda: self.sizes)
            futures: list[Future[Any]] = []
            for call in others:
                futures.append(pool.submit(call))
                assert eventually(lambda: waiting_callers(self.shared) == len(futures))
            self._may_go_on.set()
            return result.result(), [future.result() for future in futures]


@pytest.fixture
def written(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> Held:
    """The writes of starts and ends, held."""
    return Held(monkeypatch, writes, "_together")


def starting(apis: Apis, *user_ids: str) -> Calls:
    """Return the starts of these users."""
    return [lambda user_id=user_id: apis.user(user_id).start(user_id) for user_id in user_ids]


def ending(apis: Apis, ids: dict[str, str]) -> Calls:
    """Return the ends of these users' sessions, which return how many messages there were."""
    return [
        lambda user_id=user_id, session_id=session_id: data_of(apis.user(user_id).end(session_id))["statistics"][
            "totalMessages"
        ]
        for user_id, session_id in ids.items()
    ]


@pytest.fixture
def waiting_id(operator: Api) -> str:
    """A session of u9 that waits."""
    session_id: str = operator.start("u9")["sessionId"]
    return session_id


def test_starts_and_ends_share_a_command_and_keep_their_order(
    apis: Apis, operator: Api, waiting_id: str, written: Held
) -> None:
    first, (*others, ended) = written.together(
        *starting(apis, "v1"), [*starting(apis, "v3", "v2", "v4"), lambda: apis.user("u9").end(waiting_id)]
    )

    assert written.sizes == [1, 4]
    assert data_of(ended)["statistics"]["totalMessages"] == 0
    assert operator.session(waiting_id)["status"] == "ended"
    sessions = [operator.session(started["sessionId"]) for started in (first, *others)]
    assert [(session["userId"], session["queuePosition"]) for session in sessions] == [
        ("v1", 1),
        ("v3", 2),
        ("v2", 3),
        ("v4", 4),
    ]
    assert {session["status"] for session in sessions} == {"waiting"}


def test_two_starts_of_a_user_in_one_command_return_one_session(apis: Apis, operator: Api, written: Held) -> None:
    _, started = written.together(*starting(apis, "v1"), starting(apis, "v2", "v2", "v3"))

    assert written.sizes == [1, 3]
    assert started[0]["sessionId"] == started[1]["sessionId"]
    assert Session.collection().count_documents({"userId": {"$in": ["v2", "v3"]}}) == 2
    assert violations(connection.database()) == []


def test_starts_in_one_command_get_their_agents(apis: Apis, operator: Api, written: Held) -> None:
    operator.create_agent(maxUsers=3)
    first, started = written.together(*starting(apis, "v1"), starting(apis, "v2", "v3", "v4"))

    assert [one["status"] for one in (first, *started)] == ["active", "active", "active", "waiting"]
    assert violations(connection.database()) == []


def test_of_two_ends_in_one_command_the_first_counts(apis: Apis, operator: Api, waiting_id: str, written: Held) -> None:
    _, (stranger, first, second) = written.together(
        *starting(apis, "v1"),
        [
            lambda: apis.user("u8").end(waiting_id, reason="mine"),
            lambda: apis.user("u9").end(waiting_id, reason="first"),
            lambda: operator.end(waiting_id, reason="second"),
        ],
    )

    assert written.sizes[:2] == [1, 3]
    assert_failure(stranger, 403, "FORBIDDEN")
    assert data_of(first) == data_of(second)
    assert data_of(first)["reason"] == "first"
    stored = Session.collection().find_one({"_id": ObjectId(waiting_id)})
    assert (stored["endReason"], stored["endedBy"]) == ("first", "u9")


def test_a_start_that_mongodb_refuses_fails_alone(apis: Apis, operator: Api, written: Held) -> None:
    sessions = Session.collection()
    refused = {"validator": {"userId": {"$ne": "refused"}}}
    sessions.database.command("collMod", sessions.name, **refused)
    try:
        _, (before, failed, after) = written.together(
            *starting(apis, "v1"),
            [
                *starting(apis, "v2"),
                lambda: apis.user("refused").post("/api/chat/start-session", {"userId": "refused"}),
                *starting(apis, "v3"),
            ],
        )
    finally:
        sessions.database.command("collMod", sessions.name, validator={})

    assert written.sizes == [1, 3]
    assert (before["queuePosition"], after["queuePosition"]) == (2, 3)
    assert_failure(failed, 500, "INTERNAL_ERROR")


def test_ends_at_the_same_time_free_their_slots_and_count_their_messages(
    apis: Apis, operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent_id = operator.create_agent(maxUsers=4)["id"]
    ids = {user_id: operator.start(user_id)["sessionId"] for user_id in ("v1", "v2", "v3", "v4")}
    waiting = operator.start("v5")["sessionId"]
    for number, (user_id, session_id) in enumerate(ids.items()):
        for _ in range(number):
            apis.user(user_id).send(session_id)

    freed = Held(monkeypatch, slots, "_free_together")
    first, second, third, _ = ending(apis, ids)
    assert freed.together(first, [second, third]) == (0, [1, 2])

    assert freed.sizes == [1, 2]
    agent = data_of(operator.get(f"/api/agents/{agent_id}"))
    assert sorted(agent["activeUsers"]) == ["v4", "v5"]
    assert operator.session(waiting)["status"] == "active"
    assert violations(connection.database()) == []


def test_messages_of_ends_at_the_same_time_are_read_together(
    apis: Apis, operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {user_id: operator.start(user_id)["sessionId"] for user_id in ("v1", "v2", "v3")}
    for number, (user_id, session_id) in enumerate(ids.items(), start=1):
        for _ in range(number):
            apis.user(user_id).send(session_id)

    read = Held(monkeypatch, end_statistics, "_read_together")
    first, second, third = ending(apis, ids)
    assert read.together(first, [third, second]) == (1, [3, 2])
    assert read.sizes == [1, 2]


def test_the_newest_sessions_of_several_people_are_found_together(
    apis: Apis, operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [("v1", "user"), ("$userId", "user"), ("v2", "user"), ("v2", "agent"), ("nobody", "user")]
    newest: dict[Any, Any] = dict.fromkeys(people)
    for user_id, user_type in people[1:4] * 3:
        session = operator.post("/api/chat/start-session", {"userId": user_id, "userType": user_type})
        newest[user_id, user_type] = ObjectId(data_of(session)["sessionId"])
        if user_id != "$userId":
            operator.end(str(newest[user_id, user_type]))

    def found(*asked: tuple[str, str]) -> dict[Any, Any]:
        return {row["_id"]: row["session"] and row["session"]["_id"] for row in reading._newest_of(asked)}

    assert found(*people) == newest
    for person in people:
        assert found(person) == {person: newest[person]}
