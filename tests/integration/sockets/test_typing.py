"""Who is typing: the others hear it, and a start that is not renewed ends by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from chatsupport.services.presence import typing
from tests.api import Api
from tests.concurrency import eventually
from tests.sockets import Socket, Sockets, succeeded


class Clock:
    """A clock that stands until it is moved; it counts how often it was asked."""

    def __init__(self) -> None:
        self.time, self.asked = time.monotonic(), 0

    def monotonic(self) -> float:
        self.asked += 1
        return self.time

    def move(self, seconds: float) -> None:
        """Go on, and wait until the ticking has seen it."""
        self.time += seconds
        asked = self.asked
        assert eventually(lambda: self.asked >= asked + 4 or not typing._ticking)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(typing, "time", clock)
    monkeypatch.setattr(typing, "_TICK_SECONDS", 0.01)
    yield clock
    clock.time += 3600
    assert eventually(lambda: not typing._ticking)


@pytest.fixture
def agent(operator: Api) -> dict[str, Any]:
    return operator.create_agent()


@pytest.fixture
def session_id(agent: dict[str, Any], operator: Api) -> str:
    return str(operator.start("u1")["sessionId"])


@pytest.fixture
def user(clock: Clock, sockets: Sockets, session_id: str) -> Socket:
    socket = sockets.user("u1")
    socket.join(session_id)
    return socket


@pytest.fixture
def helper(sockets: Sockets, agent: dict[str, Any], session_id: str) -> Socket:
    """The agent's socket, in the session."""
    socket = sockets.agent(agent["id"])
    socket.join(session_id)
    return socket


def types(socket: Socket, session_id: str) -> None:
    succeeded(socket.call("typing_start", {"sessionId": session_id}))


def states(socket: Socket) -> list[bool]:
    """Return what this socket heard of others' typing."""
    return [event["isTyping"] for event in socket.heard("user_typing")]


def test_the_others_hear_who_types_and_ones_own_tabs_do_not(
    clock: Clock, sockets: Sockets, user: Socket, helper: Socket, session_id: str
) -> None:
    tab = sockets.user("u1")
    tab.join(session_id)

    types(user, session_id)
    clock.move(1)
    succeeded(user.call("typing_stop", {"sessionId": session_id}))

    person = {"sessionId": session_id, "userId": "u1", "userType": "user"}
    assert helper.heard("user_typing") == [{**person, "isTyping": True}, {**person, "isTyping": False}]
    assert user.heard("user_typing") == tab.heard("user_typing") == []


def test_the_others_hear_of_one_person_at_most_once_a_second(
    clock: Clock, user: Socket, helper: Socket, session_id: str
) -> None:
    for _ in range(5):
        types(user, session_id)
        succeeded(user.call("typing_stop", {"sessionId": session_id}))

    assert states(helper) == [True]
    clock.move(1)
    assert eventually(lambda: states(helper) == [True, False])


def test_a_start_ends_by_itself_after_5_seconds(clock: Clock, user: Socket, helper: Socket, session_id: str) -> None:
    types(user, session_id)

    clock.move(4.9)
    assert states(helper) == [True]
    clock.move(0.2)
    assert eventually(lambda: states(helper) == [True, False])


def test_a_renewed_start_goes_on(clock: Clock, user: Socket, helper: Socket, session_id: str) -> None:
    types(user, session_id)
    for _ in range(3):
        clock.move(4)
        types(user, session_id)

    assert False not in states(helper)
    clock.move(5.1)
    assert eventually(lambda: states(helper)[-1] is False)


def test_people_type_each_for_themselves(clock: Clock, user: Socket, helper: Socket, session_id: str) -> None:
    types(user, session_id)
    clock.move(3)
    types(helper, session_id)

    clock.move(3)
    assert eventually(lambda: states(helper) == [True, False])
    assert states(user) == [True]
    clock.move(3)
    assert eventually(lambda: states(user) == [True, False])


def test_who_leaves_types_no_more(user: Socket, helper: Socket, session_id: str) -> None:
    types(user, session_id)
    user.call("leave_session", {"sessionId": session_id})

    assert states(helper) == [True, False]


def test_whose_connection_breaks_types_no_more(user: Socket, helper: Socket, session_id: str) -> None:
    types(user, session_id)
    user.close()

    assert states(helper) == [True, False]


def test_a_closed_tab_beside_another_does_not_end_the_typing(
    sockets: Sockets, user: Socket, helper: Socket, session_id: str
) -> None:
    tab = sockets.user("u1")
    tab.join(session_id)
    types(user, session_id)

    tab.close()

    assert states(helper) == [True]


def test_a_message_ends_the_typing(clock: Clock, user: Socket, helper: Socket, session_id: str) -> None:
    types(user, session_id)
    clock.move(1)
    succeeded(user.say(session_id))

    assert states(helper) == [True, False]


def test_a_stop_of_who_does_not_type_is_told_nobody(user: Socket, helper: Socket, session_id: str) -> None:
    succeeded(user.call("typing_stop", {"sessionId": session_id}))

    assert states(helper) == []


def test_typing_in_one_session_is_not_heard_in_another(
    sockets: Sockets, operator: Api, user: Socket, helper: Socket, session_id: str
) -> None:
    other_id = operator.start("u2")["sessionId"]
    other = sockets.user("u2")
    other.join(other_id)
    helper.join(other_id)

    types(helper, other_id)

    assert (states(user), states(other)) == ([], [True])
