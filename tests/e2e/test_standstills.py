"""After a standstill of the database or the server, agents who could not be noticed do not count as gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api import make_token
from tests.e2e.conftest import Connect
from tests.e2e.mongo import Mongo
from tests.e2e.server import Server, Servers, wait_until

GRACE_SECONDS = 2
STANDSTILL_SECONDS = 5.0


@pytest.fixture(scope="module")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongo]:
    mongo = Mongo(tmp_path_factory.mktemp("mongo"))
    yield mongo
    mongo.stop()


@pytest.fixture(scope="module")
def server(mongo: Mongo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory: Path = tmp_path_factory.mktemp("server")
    servers = Servers(directory, mongo.uri, "standstills")
    yield servers.start(AGENT_GRACE=str(GRACE_SECONDS))
    servers.clean_up()


@pytest.mark.parametrize("fault", ["mongod is killed", "mongod is frozen", "the server is frozen"])
def test_no_agent_counts_as_gone_after_a_standstill(server: Server, mongo: Mongo, connect: Connect, fault: str) -> None:
    operator = server.operator()
    agents = {name: operator.create_agent(name, maxUsers=1) for name in ("stays", "goes")}
    sockets = {
        name: connect("python", server.url, {"token": make_token(agent_id, "agent")}, transports=["websocket"])
        for name, agent_id in agents.items()
    }
    sessions = {operator.start(f"{fault} {number}") for number in range(2)}
    assert len(sessions) == 2
    sockets["goes"].close()
    if fault == "mongod is killed":
        mongo.kill()
        time.sleep(STANDSTILL_SECONDS)
        mongo.start()
    elif fault == "mongod is frozen":
        mongo.freeze()
        time.sleep(STANDSTILL_SECONDS)
        mongo.thaw()
    else:
        with server.frozen():
            time.sleep(STANDSTILL_SECONDS)

    def is_away(name: str) -> bool:
        return bool(operator.get(f"/api/agents/{agents[name]}").body.get("data", {}).get("isAway"))

    # By then, the sweep has run.
    wait_until(lambda: is_away("goes"), 60)
    assert not is_away("stays")
    assert sockets["stays"].events("session_unassigned") == []
    mine = operator.get("/api/chat/sessions", agentId=agents["stays"], status="active").data["sessions"]
    assert {session["id"] for session in mine} < sessions
    assert len(mine) == 1
    for agent_id in agents.values():
        operator.request("DELETE", f"/api/agents/{agent_id}")
    for session_id in sessions:
        operator.post(f"/api/chat/end-session/{session_id}")
