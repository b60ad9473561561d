"""Presence of agents: the lease that an agent's sockets renew, and the consequences when it expires."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from pymongo.collection import Collection

from chatsupport.database import connection
from chatsupport.database.clock import now
from chatsupport.documents import Agent
from chatsupport.services.assignment import agent_presence
from tests.api import Api, Apis, data_of
from tests.concurrency import eventually
from tests.interleaving import just_before
from tests.invariants import violations
from tests.sockets import Socket, Sockets

GRACE = 60.0


@pytest.fixture
def app(make_app: Any) -> Flask:
    app: Flask = make_app(agent_grace=GRACE)
    return app


@pytest.fixture(autouse=True)
def no_sockets_of_other_tests() -> Iterator[None]:
    agent_presence._connections.clear()
    yield
    agent_presence._connections.clear()


@pytest.fixture
def agent(operator: Api) -> str:
    return str(operator.create_agent("Ada", maxUsers=3)["id"])


def stored(agent_id: str) -> dict[str, Any]:
    agent: dict[str, Any] = Agent.collection().find_one({"_id": ObjectId(agent_id)})
    return agent


def seconds_left(agent_id: str) -> float:
    return float((stored(agent_id)["presentUntil"] - now()).total_seconds())


def time_passes(agent_id: str, seconds: float) -> None:
    """Make the agent's lease older by some seconds."""
    past = stored(agent_id)["presentUntil"] - timedelta(seconds=seconds)
    Agent.collection().update_one({"_id": ObjectId(agent_id)}, {"$set": {"presentUntil": past}})


def leave(socket: Socket, agent_id: str) -> None:
    socket.close()
    assert eventually(lambda: ObjectId(agent_id) not in agent_presence._connections)


def come_and_go(sockets: Sockets, agent_id: str, gone_for: float) -> None:
    leave(sockets.agent(agent_id), agent_id)
    time_passes(agent_id, gone_for)


def test_an_agent_that_never_connected_is_online_if_it_is_set_to_online(operator: Api, agent: str) -> None:
    assert "presentUntil" not in stored(agent)
    assert agent_presence.sweep() == 0

    assert operator.start("u1")["agentId"] == agent


def test_an_agent_gone_for_the_grace_period_gets_no_sessions_and_loses_its_own(
    sockets: Sockets, operator: Api, agent: str
) -> None:
    had = [operator.start(f"u{number}")["sessionId"] for number in range(3)]
    newcomer = operator.start("w1")["sessionId"]
    user = sockets.user("u0")
    user.join(had[0])
    come_and_go(sockets, agent, gone_for=GRACE + 1)

    assert agent_presence.sweep() == 1

    assert [operator.session(session_id)["queuePosition"] for session_id in [*had, newcomer]] == [1, 2, 3, 4]
    assert (stored(agent)["isAway"], stored(agent)["isOnline"], stored(agent)["load"]) == (True, True, 0)
    unassigned = {"sessionId": had[0], "agentId": agent, "reason": "agent_away"}
    assert user.wait_for("session_unassigned") == [unassigned]
    assert operator.start("w2")["status"] == "waiting"
    assert agent_presence.sweep() == 0, "who is away goes away once"


def test_sessions_of_an_absent_agent_go_to_present_ones(sockets: Sockets, operator: Api, agent: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    other = operator.create_agent("Ben")["id"]
    come_and_go(sockets, agent, gone_for=GRACE + 1)

    agent_presence.sweep()

    assert operator.session(session_id)["agentId"] == other
    assert violations(connection.database()) == []


def test_an_expired_lease_counts_before_the_sweep(sockets: Sockets, operator: Api, agent: str) -> None:
    come_and_go(sockets, agent, gone_for=GRACE + 1)

    assert stored(agent)["isAway"] is False
    assert operator.start("u1")["status"] == "waiting"


def test_an_agent_back_within_the_grace_period_keeps_everything(sockets: Sockets, operator: Api, agent: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    before = operator.session(session_id)["updatedAt"]
    come_and_go(sockets, agent, gone_for=GRACE - 20)
    assert 0 < seconds_left(agent) <= 20

    assert agent_presence.sweep() == 0
    sockets.agent(agent)
    assert agent_presence.sweep() == 0

    assert seconds_left(agent) > GRACE - 20
    assert (operator.session(session_id)["agentId"], operator.session(session_id)["updatedAt"]) == (agent, before)
    assert operator.start("u2")["agentId"] == agent


def test_an_agent_back_after_the_grace_period_gets_sessions_again(sockets: Sockets, operator: Api, agent: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    come_and_go(sockets, agent, gone_for=GRACE + 1)
    agent_presence.sweep()

    helper = sockets.agent(agent)

    assert operator.session(session_id)["agentId"] == agent
    assert helper.wait_for("session_assigned")[0]["id"] == session_id
    assert stored(agent)["isAway"] is False
    assert operator.start("u2")["agentId"] == agent


def test_an_agent_back_before_the_sweep_gets_waiting_sessions(sockets: Sockets, operator: Api, agent: str) -> None:
    come_and_go(sockets, agent, gone_for=GRACE + 1)
    session_id = operator.start("u1")["sessionId"]

    sockets.agent(agent)

    assert operator.session(session_id)["agentId"] == agent
    assert violations(connection.database()) == []


def test_a_late_heartbeat_serves_waiting_sessions(sockets: Sockets, operator: Api, agent: str) -> None:
    sockets.agent(agent)
    time_passes(agent, 2 * GRACE)
    session_id = operator.start("u1")["sessionId"]
    assert operator.session(session_id)["status"] == "waiting"

    agent_presence.renew()

    assert operator.session(session_id)["agentId"] == agent


def test_an_agent_set_to_offline_stays_offline(sockets: Sockets, operator: Api, agent: str) -> None:
    operator.patch(f"/api/agents/{agent}", {"isOnline": False})

    first = sockets.agent(agent)
    agent_presence.look()
    assert stored(agent)["isOnline"] is False
    leave(first, agent)
    time_passes(agent, GRACE + 1)
    agent_presence.sweep()
    sockets.agent(agent)

    assert (stored(agent)["isOnline"], stored(agent)["isAway"]) == (False, False)
    assert operator.start("u1")["status"] == "waiting"


def test_heartbeats_keep_the_lease_while_any_socket_is_open(sockets: Sockets, agent: str) -> None:
    first, second = sockets.agent(agent), sockets.agent(agent)

    first.close()
    assert eventually(lambda: len(agent_presence._connections[ObjectId(agent)]) == 1)
    time_passes(agent, GRACE)
    agent_presence.renew()
    agent_presence.look()
    assert seconds_left(agent) > GRACE
    assert stored(agent)["isAway"] is False

    leave(second, agent)
    time_passes(agent, GRACE + 1)
    agent_presence.renew()
    agent_presence.look()
    assert stored(agent)["isAway"] is True


def test_the_grace_period_is_complete_after_a_kill_and_exact_after_a_closed_socket(
    sockets: Sockets, agent: str
) -> None:
    socket = sockets.agent(agent)
    # Killed just before the next heartbeat: the whole grace period still follows.
    assert seconds_left(agent) == pytest.approx(GRACE + agent_presence.heartbeat_seconds(), abs=5)

    leave(socket, agent)

    assert seconds_left(agent) == pytest.approx(GRACE, abs=5)


def test_a_socket_in_another_process_keeps_the_agent_present(sockets: Sockets, operator: Api, agent: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    come_and_go(sockets, agent, gone_for=GRACE + 1)
    renewed = {"$set": {"presentUntil": now() + timedelta(seconds=GRACE)}}
    with pytest.MonkeyPatch.context() as monkeypatch:
        # The other process's heartbeat comes between the sweep's read and its write.
        just_before(monkeypatch, Collection, "update_one", lambda: Agent.collection().update_one({}, renewed))
        assert agent_presence.sweep() == 0

    assert operator.session(session_id)["agentId"] == agent


def test_a_departure_written_late_does_not_take_the_sessions_of_a_returned_agent(
    operator: Api, agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = operator.start("u1")["sessionId"]
    agent_presence.connected(ObjectId(agent), "a socket of this process")
    long_ago = now() - timedelta(seconds=GRACE + 1)
    # That process was stopped before its write. By now, the agent has a socket in another process.
    monkeypatch.setattr(agent_presence, "now", lambda: long_ago)
    agent_presence.disconnected(ObjectId(agent), "a socket of this process")
    monkeypatch.undo()

    assert seconds_left(agent) > 0
    assert agent_presence.sweep() == 0
    assert operator.session(session_id)["agentId"] == agent


def test_visitors_see_an_absent_agent_as_offline(apis: Apis, sockets: Sockets, operator: Api, agent: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    assert apis.user("u1").session(session_id)["agent"]["isOnline"] is True
    Agent.collection().update_one({}, {"$set": {"isAway": True}})

    assert apis.user("u1").session(session_id)["agent"]["isOnline"] is False
    assert sockets.user("u1").join(session_id)["agent"]["isOnline"] is False
    assert apis.user("u1").start("u1")["agent"]["isOnline"] is False
    shown = data_of(operator.get(f"/api/agents/{agent}"))
    assert (shown["isOnline"], shown["isAway"]) == (True, True), "what it chose is another thing"
    assert [row["isOnline"] for row in data_of(operator.get("/api/chat/stats"))["agents"]] == [False]


def test_the_heartbeat_closes_the_sockets_of_a_deleted_agent(sockets: Sockets, agent: str) -> None:
    socket = sockets.agent(agent)
    # As if it had connected in another process at the moment of its deletion.
    Agent.collection().delete_one({"_id": ObjectId(agent)})

    agent_presence.renew()

    assert eventually(lambda: not socket.is_connected)
