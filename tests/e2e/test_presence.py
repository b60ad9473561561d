"""Two processes, one database, one Valkey: events of one reach the sockets of the other, and a dead one is noticed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pymongo
import pytest
from bson import ObjectId

from tests.api import make_token
from tests.e2e.conftest import Connect
from tests.e2e.pairs import two_processes
from tests.e2e.recording import Socket
from tests.e2e.rest import Rest
from tests.e2e.server import Server, Servers, wait_until

GRACE_SECONDS = 4


@pytest.fixture(scope="module")
def here_and_there(servers: Servers) -> Iterator[tuple[Server, Server]]:
    with two_processes(servers, AGENT_GRACE=str(GRACE_SECONDS)) as both:
        yield both


@pytest.fixture
def here(here_and_there: tuple[Server, Server]) -> Rest:
    """An operator at the first process, which has no sockets yet."""
    operator = here_and_there[0].operator()
    for agent in operator.get("/api/agents").data["agents"]:
        operator.request("DELETE", f"/api/agents/{agent['id']}")
    for session in operator.get("/api/chat/sessions", status="waiting").data["sessions"]:
        operator.post(f"/api/chat/end-session/{session['id']}")
    return operator


@pytest.fixture
def there(here_and_there: tuple[Server, Server]) -> Server:
    """The second process, whose sockets get the events of the first one."""
    return here_and_there[1]


@pytest.fixture
def connect_there(connect: Connect, there: Server) -> Connect:
    def connect_as(person: str, person_type: str = "user") -> Socket:
        socket = connect("python", there.url, {"token": make_token(person, person_type)}, transports=["websocket"])
        assert socket.events("connect")
        return socket

    return connect_as


def state(operator: Rest, session_id: str) -> tuple[str, str | None]:
    session = operator.get(f"/api/chat/session/{session_id}").data
    return session["status"], session["agentId"]


def test_an_agent_is_told_of_a_session_started_in_another_process(here: Rest, connect_there: Connect) -> None:
    ada = here.create_agent("Ada")
    tabs = [connect_there(ada, "agent") for _ in range(2)]

    session_id = here.start("u1")

    for tab in tabs:
        assert tab.wait_for("session_assigned")["id"] == session_id


def test_a_visitor_waiting_in_another_process_is_told_places_and_the_agent(
    here: Rest, there: Server, connect_there: Connect
) -> None:
    sessions = [here.start(f"u{number}") for number in range(3)]
    second, third = connect_there("u1"), connect_there("u2")
    assert second.join(sessions[1])["queuePosition"] == 2
    assert third.join(sessions[2])["queuePosition"] == 3

    ada = here.create_agent("Ada")

    assert second.wait_for("agent_assigned")["agentId"] == ada
    assert third.wait_for("queue_update", lambda event: event["queuePosition"] == 1)["sessionId"] == sessions[2]
    there.operator().request("DELETE", f"/api/agents/{ada}")
    assert third.wait_for("queue_update", lambda event: event["queuePosition"] == 3)["sessionId"] == sessions[2]
    assert second.wait_for("session_unassigned")["reason"] == "agent_deleted"
    # The process that announced this place before announces it again, because the other has announced another since.
    here.create_agent("Ben")
    assert third.wait_for("queue_update", lambda event: event["queuePosition"] == 1, count=2)


def test_a_deleted_agents_sockets_are_closed_everywhere(here: Rest, connect_there: Connect) -> None:
    ada, ben = here.create_agent("Ada"), here.create_agent("Ben")
    doomed, other = [connect_there(ada, "agent") for _ in range(2)], connect_there(ben, "agent")

    here.request("DELETE", f"/api/agents/{ada}")
    for socket in doomed:
        socket.wait_for("disconnect")

    assert other.events("disconnect") == []
    assert here.create_agent("Carl")
    assert other.call("join_session", {"sessionId": "0" * 24})["code"] == "SESSION_NOT_FOUND"


def test_after_a_transfer_the_former_agents_sockets_elsewhere_leave_the_room(
    here: Rest, connect_there: Connect
) -> None:
    ada = here.create_agent("Ada")
    session_id = here.start("u1")
    former, user = connect_there(ada, "agent"), connect_there("u1")
    former.join(session_id)
    user.join(session_id)
    ben = here.create_agent("Ben")
    new = connect_there(ben, "agent")

    here.post(f"/api/chat/transfer/{session_id}", {"agentId": ben})

    assert former.wait_for("session_unassigned")["reason"] == "transferred"
    assert new.wait_for("session_assigned")["id"] == session_id
    assert user.wait_for("user_left", lambda event: event["userId"] == ada)["reason"] == "unassigned"
    new.join(session_id)
    user.send(session_id, "for the new agent only")
    new.wait_for("new_message")
    assert former.call("join_session", {"sessionId": session_id})["code"] == "FORBIDDEN"
    assert former.events("new_message") == []
    assert former.events("disconnect") == []


def test_after_a_kill_the_agents_sessions_go_to_others_after_the_grace_period(
    here: Rest, here_and_there: tuple[Server, Server], connect_there: Connect, connect: Connect
) -> None:
    first, second = here_and_there
    ada = here.create_agent("Ada")
    connect_there(ada, "agent").wait_for("connect")
    sessions = [here.start(f"u{number}") for number in range(2)]
    assert [state(here, session_id) for session_id in sessions] == [("active", ada)] * 2
    user = connect("python", first.url, {"token": make_token("u0")}, transports=["websocket"])
    user.join(sessions[0])
    time.sleep(GRACE_SECONDS * 1.5)
    assert state(here, sessions[0]) == ("active", ada), "heartbeats keep the lease"

    second.kill()
    killed = time.monotonic()

    try:
        user.wait_for("session_unassigned")
        assert time.monotonic() - killed >= GRACE_SECONDS
        wait_until(lambda: [state(here, each) for each in sessions] == [("waiting", None)] * 2)
        assert here.get(f"/api/agents/{ada}").data["isOnline"] is True
        ben = here.create_agent("Ben", maxUsers=2)
        wait_until(lambda: [state(here, each) for each in sessions] == [("active", ben)] * 2)
        assert user.wait_for("agent_assigned")["agentId"] == ben
    finally:
        second.restart()


def test_a_process_that_repairs_as_it_starts_renews_its_agents_leases_meanwhile(
    here: Rest, there: Server, connect_there: Connect, mongodb_uri: str
) -> None:
    ada = here.create_agent("Ada", isOnline=False)
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(mongodb_uri)
    agents = client[there.database].agents
    there.terminate()
    lost = {"activeSessions": [ObjectId()], "activeUsers": ["nobody"], "load": 1}
    agents.update_one({"_id": ObjectId(ada)}, {"$set": lost})
    there.start()

    connect_there(ada, "agent")

    def was_away() -> bool:
        return bool(agents.find_one({"_id": ObjectId(ada)})["isAway"])  # type: ignore[index]

    # Suspicious states are checked again after a while, which is several times the grace period.
    while here.get(f"/api/agents/{ada}").data["activeUsers"] == ["nobody"]:
        assert not was_away()
        time.sleep(0.2)
    assert here.get(f"/api/agents/{ada}").data["activeUsers"] == []
    client.close()
