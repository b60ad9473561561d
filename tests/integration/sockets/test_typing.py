"""Typing: the others are told, and typing that is not renewed ends by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from chatsupport.services.presence import typing
from tests.api import Api
from tests.concurrency import eventually
from tests.sockets import Socket, Sockets, succeeded


class Clock:
    """A clock that stands still until it is moved. It counts how often it was read."""

    def __init__(self) -> None:
        self.time, self.asked = time.monotonic(), 0

    def monotonic(self) -> float:
        self.asked += 1
        return self.time

    def move(self, seconds: float) -> None:
        """Move the clock, and wait until the timed work has read it."""
        self.time += seconds
        asked = self.asked
        assert eventually(lambda: self.asked >= asked + 4 or typing._look_later.is_idle)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(typing, "time", clock)
    monkeypatch.setattr(typing._look_later, "seconds", 0.01)
    yield clock
    clock.time += 3600
    assert eventually(lambda: typing._look_later.is_idle)


def types(socket: Socket, session_id: str) -> None:
    succeeded(socket.call("typing_start", {"sessionId": session_id}))


def states(socket: Socket) -> list[bool]:
    """Return the typing events of others that this socket got."""
    return [event["isTyping"] for event in socket.heard("user_typing")]


def test_the_others_are_told_who_types_and_the_persons_own_tabs_are_not(
    clock: Clock, sockets: Sockets, user_socket: Socket, agent_socket: Socket, session_id: str
) -> None:
    tab = sockets.user("u1")
    tab.join(session_id)

    types(user_socket, session_id)
    clock.move(1)
    succeeded(user_socket.call("typing_stop", {"sessionId": session_id}))

    person = {"sessionId": session_id, "userId": "u1", "userType": "user"}
    assert agent_socket.heard("user_typing") == [{**person, "isTyping": True}, {**person, "isTyping": False}]
    assert user_socket.heard("user_typing") == tab.heard("user_typing") == []


def test_typing_is_announced_at_most_once_a_second(
    clock: Clock, user_socket: Socket, agent_socket: Socket, session_id: str
) -> None:
    for _ in range(5):
        types(user_socket, session_id)
        succeeded(user_socket.call("typing_stop", {"sessionId": session_id}))

    assert states(agent_socket) == [True]
    clock.move(1)
    assert eventually(lambda: states(agent_socket) == [True, False])


def test_typing_ends_by_itself_after_5_seconds(
    clock: Clock, user_socket: Socket, agent_socket: Socket, session_id: str
) -> None:
    types(user_socket, session_id)

    clock.move(4.9)
    assert states(agent_socket) == [True]
    clock.move(0.2)
    assert eventually(lambda: states(agent_socket) == [True, False])


def test_renewed_typing_goes_on(clock: Clock, user_socket: Socket, agent_socket: Socket, session_id: str) -> None:
    types(user_socket, session_id)
    for _ in range(3):
        clock.move(4)
        types(user_socket, session_id)

    assert False not in states(agent_socket)
    clock.move(5.1)
    assert eventually(lambda: states(agent_socket)[-1] is False)


def test_each_persons_typing_is_separate(
    clock: Clock, user_socket: Socket, agent_socket: Socket, session_id: str
) -> None:
    types(user_socket, session_id)
    clock.move(3)
    types(agent_socket, session_id)

    clock.move(3)
    assert eventually(lambda: states(agent_socket) == [True, False])
    assert states(user_socket) == [True]
    clock.move(3)
    assert eventually(lambda: states(user_socket) == [True, False])


def test_leaving_ends_the_typing(user_socket: Socket, agent_socket: Socket, session_id: str) -> None:
    types(user_socket, session_id)
    user_socket.call("leave_session", {"sessionId": session_id})

    assert states(agent_socket) == [True, False]


def test_a_broken_connection_ends_the_typing(user_socket: Socket, agent_socket: Socket, session_id: str) -> None:
    types(user_socket, session_id)
    user_socket.close()

    assert states(agent_socket) == [True, False]


def test_a_closed_tab_beside_another_does_not_end_the_typing(
    sockets: Sockets, user_socket: Socket, agent_socket: Socket, session_id: str
) -> None:
    tab = sockets.user("u1")
    tab.join(session_id)
    types(user_socket, session_id)

    tab.close()

    assert states(agent_socket) == [True]


def test_a_message_ends_the_typing(clock: Clock, user_socket: Socket, agent_socket: Socket, session_id: str) -> None:
    types(user_socket, session_id)
    clock.move(1)
    succeeded(user_socket.say(session_id))

    assert states(agent_socket) == [True, False]


def test_a_stop_without_typing_is_not_announced(user_socket: Socket, agent_socket: Socket, session_id: str) -> None:
    succeeded(user_socket.call("typing_stop", {"sessionId": session_id}))

    assert states(agent_socket) == []


def test_typing_is_announced_only_in_its_session(
    sockets: Sockets, operator: Api, user_socket: Socket, agent_socket: Socket, ada: str
) -> None:
    operator.patch(f"/api/agents/{ada}", {"maxUsers": 2})
    other_id = operator.start("u2")["sessionId"]
    other = sockets.user("u2")
    other.join(other_id)
    agent_socket.join(other_id)

    types(agent_socket, other_id)

    assert (states(user_socket), states(other)) == ([], [True])
