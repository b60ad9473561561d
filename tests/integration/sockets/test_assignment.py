"""Socket events about the queue and agents: places and assignments."""

from __future__ import annotations

import pytest

from chatsupport.services.assignment import queue
from tests.api import Api
from tests.concurrency import eventually
from tests.sockets import Sockets


@pytest.fixture(autouse=True)
def _announce_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "ANNOUNCE_INTERVAL_SECONDS", 0.01)


def test_a_waiting_visitor_is_told_which_agent_will_answer(sockets: Sockets, operator: Api) -> None:
    session_id = operator.start("u1")["sessionId"]
    user, other = sockets.user("u1"), sockets.user("u2")
    user.join(session_id)

    agent = operator.create_agent("Ada")

    assert user.wait_for("agent_assigned") == [
        {
            "sessionId": session_id,
            "agentId": agent["id"],
            "agent": {"id": agent["id"], "name": "Ada", "isOnline": True},
        }
    ]
    assert other.heard("agent_assigned") == []


def test_an_agent_is_told_of_a_session_on_all_its_sockets(sockets: Sockets, operator: Api) -> None:
    ada = operator.create_agent("Ada", maxUsers=1)
    ben = operator.create_agent("Ben", maxUsers=1, isOnline=False)
    first, second, other = sockets.agent(ada["id"]), sockets.agent(ada["id"]), sockets.agent(ben["id"])

    started = operator.start("u1")

    for tab in (first, second):
        (session,) = tab.wait_for("session_assigned")
        assert session.pop("duration") >= 0
        expected = operator.session(started["sessionId"])
        del expected["duration"]
        assert session == expected
        assert (session["userId"], session["status"], session["agentId"]) == ("u1", "active", ada["id"])
    assert other.heard("session_assigned") == []


def test_an_agent_is_told_of_a_session_that_had_waited(sockets: Sockets, operator: Api) -> None:
    agent = operator.create_agent(maxUsers=1)
    helper = sockets.agent(agent["id"])
    active, waiting = operator.start("u1"), operator.start("u2")
    operator.send(waiting["sessionId"])

    operator.end(active["sessionId"])

    assert eventually(lambda: len(helper.heard("session_assigned")) == 2)
    assert [session["id"] for session in helper.heard("session_assigned")] == [
        active["sessionId"],
        waiting["sessionId"],
    ]
    assert helper.heard("session_assigned")[1]["lastSeq"] == 1


def test_a_waiting_visitor_is_told_a_changed_place(sockets: Sockets, operator: Api) -> None:
    operator.create_agent(maxUsers=1)
    active = operator.start("u0")
    waiting = [operator.start(f"u{number}")["sessionId"] for number in (1, 2, 3)]
    users = [sockets.user(f"u{number}") for number in (1, 2, 3)]
    for user, session_id in zip(users, waiting, strict=True):
        user.join(session_id)

    operator.end(active["sessionId"])

    assert users[0].wait_for("agent_assigned")
    for user, session_id, place in ((users[1], waiting[1], 1), (users[2], waiting[2], 2)):
        assert user.wait_for("queue_update")[-1] == {"sessionId": session_id, "queuePosition": place}
    # Its first place may be told as it joins.
    assert {event["queuePosition"] for event in users[0].heard("queue_update")} <= {1}


def test_visitors_behind_one_who_gives_up_move_on(sockets: Sockets, operator: Api) -> None:
    first, second = (operator.start(user_id)["sessionId"] for user_id in ("u1", "u2"))
    user = sockets.user("u2")
    user.join(second)

    operator.end(first)

    assert user.wait_for("queue_update")[-1] == {"sessionId": second, "queuePosition": 1}


def test_an_agents_socket_may_join_an_assigned_session(sockets: Sockets, operator: Api) -> None:
    agent = operator.create_agent()
    helper = sockets.agent(agent["id"])
    operator.start("u1")

    joined = helper.join(helper.wait_for("session_assigned")[0]["id"])

    assert joined["agentId"] == agent["id"]
