"""Read marks: they never move back, are announced at once, stored once a second, and counted in lists."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from pymongo.collection import Collection

from chatsupport.documents import Session
from chatsupport.identity import Caller
from chatsupport.services.messages import read_marks
from tests.api import Api, Apis, data_of
from tests.commands import COMMANDS
from tests.concurrency import eventually, run_together
from tests.sockets import Socket, Sockets, succeeded

USER = Caller("u1", "user")


@pytest.fixture(autouse=True)
def nothing_is_known() -> Iterator[None]:
    """Begin and end like a process that has just started."""
    forget()
    yield
    eventually(lambda: read_marks._pending.is_idle)
    forget()


def forget() -> None:
    read_marks._known.clear()
    read_marks._pending.clear()


@pytest.fixture
def session_id(agent: dict[str, Any], operator: Api) -> str:
    """A session with its agent and ten messages, six of them the user's."""
    session_id = str(operator.start("u1")["sessionId"])
    for number in range(10):
        data_of(operator.send(session_id, senderType="user" if number < 6 else "agent"))
    return session_id


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int]]:
    """The writes of marks to the database, with the number of marks in each."""
    stores: list[tuple[float, int]] = []
    bulk_write = Collection.bulk_write

    def spy(collection: Any, requests: Any, *args: Any, **kwargs: Any) -> Any:
        if collection.name == "sessions" and "readSeq" in str(requests):
            stores.append((time.monotonic(), len(requests)))
        return bulk_write(collection, requests, *args, **kwargs)

    monkeypatch.setattr(Collection, "bulk_write", spy)
    return stores


def mark(socket: Socket, session_id: str, seq: int) -> int:
    """Mark as read, and return the resulting mark."""
    marked: int = succeeded(socket.call("mark_read", {"sessionId": session_id, "seq": seq}))["seq"]
    return marked


def stored(session_id: str) -> dict[str, int]:
    session = Session.collection().find_one({"_id": ObjectId(session_id)})
    return {read["userId"]: read["seq"] for read in session.get("readSeq", ())}


def test_a_mark_never_moves_back(user_socket: Socket, agent_socket: Socket, session_id: str) -> None:
    assert [mark(user_socket, session_id, seq) for seq in (3, 7, 2, 7, 5)] == [3, 7, 7, 7, 7]

    assert [event["seq"] for event in agent_socket.heard("messages_read")] == [3, 7]
    assert eventually(lambda: stored(session_id) == {"u1": 7})
    forget()  # The process is started again.
    assert mark(user_socket, session_id, 4) == 7
    assert [event["seq"] for event in agent_socket.heard("messages_read")] == [3, 7]


def test_a_mark_is_never_past_the_last_message(user_socket: Socket, agent_socket: Socket, session_id: str) -> None:
    assert mark(user_socket, session_id, 1_000_000) == 10
    assert [event["seq"] for event in agent_socket.heard("messages_read")] == [10]


def test_a_mark_is_stored_at_most_once_a_second(
    user_socket: Socket, session_id: str, stores: list[tuple[float, int]]
) -> None:
    started = time.monotonic()
    while time.monotonic() - started < 2.5:
        for seq in range(1, 11):
            mark(user_socket, session_id, seq)
            read_marks._known.clear()  # So that every event would be stored.
    assert eventually(lambda: read_marks._pending.is_idle)

    times = [at for at, _ in stores]
    assert len(times) >= 2
    assert all(later - earlier >= 0.99 for earlier, later in pairwise(times))
    assert stored(session_id) == {"u1": 10}


def test_marks_of_many_are_stored_together(operator: Api, session_id: str, stores: list[tuple[float, int]]) -> None:
    people = [Caller(f"reader-{number}", "user") for number in range(40)]
    started = time.monotonic()
    for person in people:
        read_marks.mark(ObjectId(session_id), person, 5)
    assert eventually(lambda: read_marks._pending.is_idle)

    assert len(stores) <= 2 + (time.monotonic() - started)
    assert stored(session_id) == {person.id: 5 for person in people}


def test_each_participant_has_its_own_mark(
    user_socket: Socket, agent_socket: Socket, operator: Api, session_id: str, agent: dict[str, Any]
) -> None:
    mark(user_socket, session_id, 4)
    mark(agent_socket, session_id, 9)
    assert eventually(lambda: len(stored(session_id)) == 2)

    marks = sorted(operator.session(session_id)["readSeq"], key=lambda mark: mark["seq"])
    assert marks == [
        {"userId": "u1", "userType": "user", "seq": 4},
        {"userId": agent["id"], "userType": "agent", "seq": 9},
    ]
    assert sorted(user_socket.join(session_id)["readSeq"], key=lambda mark: mark["seq"]) == marks


def test_names_that_look_like_operators_do_no_harm(sockets: Sockets, operator: Api) -> None:
    for name in ("$userId", "$$ROOT", "a.b", "{'$gt': 1}"):
        session_id = operator.start(name)["sessionId"]
        data_of(operator.send(session_id))
        socket = sockets.user(name)
        socket.join(session_id)
        mark(socket, session_id, 1)
        assert eventually(lambda session_id=session_id, name=name: stored(session_id) == {name: 1})


def test_two_processes_keep_the_higher_mark(app: Flask, session_id: str) -> None:
    key = ObjectId(session_id)

    def store(seq: int) -> Callable[[], Any]:
        # Written by a process that does not know the other's marks.
        return lambda: Session.collection().bulk_write([read_marks._update(key, USER, seq)])

    run_together(*[store(seq) for seq in (3, 9, 1, 7, 9, 2, 8, 4)])

    assert stored(session_id) == {"u1": 9}


def test_an_older_mark_is_not_announced_after_a_newer_one_of_another_process(
    app: Flask, user_socket: Socket, agent_socket: Socket, session_id: str
) -> None:
    mark(user_socket, session_id, 3)
    read_marks.heard({"sessionId": session_id, "userId": "u1", "seq": 8})

    assert mark(user_socket, session_id, 5) == 8
    assert [event["seq"] for event in agent_socket.heard("messages_read")] == [3]


def test_unread_messages_of_others_are_counted_in_lists(
    apis: Apis, operator: Api, user_socket: Socket, agent_socket: Socket, session_id: str, agent: dict[str, Any]
) -> None:
    mine = apis.agent(agent["id"])

    def unread(api: Api) -> int:
        (session,) = data_of(api.get("/api/chat/sessions"))["sessions"]
        count: int = session["unreadCount"]
        return count

    # The agent's own four messages are not unread. An operator sees the agent's count.
    assert (unread(mine), unread(operator)) == (6, 6)
    mark(agent_socket, session_id, 4)
    assert eventually(lambda: unread(mine) == 2)
    mark(agent_socket, session_id, 10)
    assert eventually(lambda: unread(mine) == 0)
    data_of(operator.send(session_id, senderType="user"))
    assert (unread(mine), unread(operator)) == (1, 1)


def test_unread_messages_of_all_sessions_are_counted_with_one_command(
    apis: Apis, operator: Api, session_id: str, agent: dict[str, Any]
) -> None:
    second, silent = (str(operator.start(user_id)["sessionId"]) for user_id in ("u2", "u3"))
    for _ in range(3):
        data_of(operator.send(second, senderType="user"))

    with COMMANDS.counted() as sent:
        listed = data_of(operator.get("/api/chat/sessions"))["sessions"]

    assert {each["id"]: each["unreadCount"] for each in listed} == {session_id: 6, second: 3, silent: 0}
    assert sent.count("aggregate messages") == 2, "the last seqs, and the unread messages"


def test_unread_messages_are_counted_among_the_last_ones(
    operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_marks, "MAX_UNREAD", 7)
    (listed,) = data_of(operator.get("/api/chat/sessions"))["sessions"]
    assert listed["unreadCount"] == 3, "the last four of the seven are the agent's own"


def test_to_mark_a_message_that_this_process_has_stored_reads_no_last_seq(user_socket: Socket, session_id: str) -> None:
    assert mark(user_socket, session_id, 3) == 3
    with COMMANDS.counted() as sent:
        assert mark(user_socket, session_id, 10) == 10
        assert mark(user_socket, session_id, 7) == 10
    assert "find messages" not in sent
    assert mark(user_socket, session_id, 99) == 10


def test_a_failed_write_is_repeated(
    user_socket: Socket, session_id: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as context:
        context.setattr(Collection, "bulk_write", lambda *_, **__: 1 / 0)
        mark(user_socket, session_id, 3)
        assert eventually(lambda: "Background work failed" in caplog.text)

    assert eventually(lambda: stored(session_id) == {"u1": 3})


def test_a_mark_that_a_killed_process_had_not_stored_comes_with_the_next(user_socket: Socket, session_id: str) -> None:
    mark(user_socket, session_id, 3)
    assert eventually(lambda: stored(session_id) == {"u1": 3})
    mark(user_socket, session_id, 5)
    forget()  # Killed within the second in which it collects marks.
    assert stored(session_id) == {"u1": 3}

    assert mark(user_socket, session_id, 6) == 6
    assert eventually(lambda: stored(session_id) == {"u1": 6})


def test_an_agents_own_sockets_get_its_read_marks(
    user_socket: Socket, sockets: Sockets, operator: Api, session_id: str
) -> None:
    agent_id = operator.session(session_id)["agentId"]
    desk, phone = sockets.agent(agent_id), sockets.agent(agent_id)
    desk.join(session_id)

    assert mark(desk, session_id, 3) == 3

    assert phone.wait_for("session_read") == [{"sessionId": session_id, "seq": 3}]
    assert user_socket.heard("session_read") == []
    assert phone.heard("messages_read") == []
