"""A Valkey that is killed or freezes between two processes: nobody is delayed, and clients learn what they missed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api import make_token
from tests.conftest import API_KEY
from tests.e2e.conftest import Connect
from tests.e2e.pairs import two_processes
from tests.e2e.server import Server, Servers, wait_until
from tests.e2e.valkey import Valkey

SYNC_SECONDS = 60.0
"""`session_sync` comes every 15 s."""


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    valkey = Valkey()
    valkey.start()
    yield valkey
    valkey.kill()


@pytest.fixture
def two_servers(servers: Servers, valkey: Valkey) -> Iterator[tuple[Server, Server]]:
    """Two processes that share a database and a Valkey, with rate limits."""
    with two_processes(servers, valkey, RATE_LIMITS="on") as both:
        yield both


def test_clients_learn_what_they_missed_while_valkey_was_away(
    two_servers: tuple[Server, Server], valkey: Valkey, connect: Connect
) -> None:
    here, there = two_servers
    operator = here.operator()
    session_id = operator.start("between")
    listener = connect("python", there.url, {"apiKey": API_KEY}, transports=["websocket"])
    listener.join(session_id)
    operator.send(session_id, "one")
    listener.wait_for("new_message")

    valkey.kill()
    for text in ("two", "three"):
        assert operator.send(session_id, text).status == 201
    sync = wait_for_sync(listener, 3)
    assert sync == {"sessionId": session_id, "lastSeq": 3}
    missed = listener.join(session_id, after=1)["messages"]
    assert [message["message"] for message in missed] == ["two", "three"]

    valkey.start()
    # Events from the outbox arrive late. They are not new to clients that have joined since.
    wait_until(lambda: operator.send(session_id, "later") and len(listener.events("new_message")) > 1)
    first, *others = [message["seq"] for message in listener.events("new_message")]
    assert first == 1
    assert min(others) > 3


def wait_for_sync(listener: Any, last_seq: int) -> Any:
    """Wait for the `session_sync` with this seq."""
    wait_until(
        lambda: [sync for sync in listener.events("session_sync") if sync["lastSeq"] == last_seq],
        SYNC_SECONDS,
        lambda: f"{listener.events('session_sync')}",
    )
    return next(sync for sync in listener.events("session_sync") if sync["lastSeq"] == last_seq)


def agent_socket(server: Server, connect: Connect, agent_id: str) -> Any:
    token = server.operator().token(agent_id, "agent")
    return connect("python", server.url, {"token": token}, transports=["websocket"])


def test_a_late_order_removes_no_agent_from_a_session_that_it_has_again(
    two_servers: tuple[Server, Server], valkey: Valkey, connect: Connect
) -> None:
    here, there = (server.operator() for server in two_servers)
    ada = here.create_agent("Ada", maxUsers=1)
    session_id = here.start("to and fro")
    ben = here.create_agent("Ben", maxUsers=1)
    agent = agent_socket(two_servers[1], connect, ada)
    agent.join(session_id)
    valkey.freeze()

    # From Ada to Ben here, and back to Ada there. The order from here reaches the other process last.
    assert here.post(f"/api/chat/transfer/{session_id}", {"agentId": ben}).status == 200
    assert there.post(f"/api/chat/transfer/{session_id}", {"agentId": ada}).status == 200
    valkey.thaw()

    agent.wait_for("session_unassigned")
    assert there.send(session_id, "still here?").status == 201
    assert agent.wait_for("new_message")["message"] == "still here?"


def test_sockets_learn_the_current_state_without_valkey(
    two_servers: tuple[Server, Server], valkey: Valkey, connect: Connect
) -> None:
    here, there = two_servers
    operator = here.operator()
    ada = operator.create_agent("Ada", maxUsers=1)
    users = ("ends", "gets Ada", "waits")
    sessions = [operator.start(user_id) for user_id in users]
    people = [
        connect("python", there.url, {"token": make_token(user_id)}, transports=["websocket"]) for user_id in users
    ]
    for person, session_id in zip(people, sessions, strict=True):
        person.join(session_id)
    agent = agent_socket(there, connect, ada)
    agent.join(sessions[0])

    valkey.kill()
    assert operator.post(f"/api/chat/end-session/{sessions[0]}").status == 200

    wanted = [
        (people[0], "session_ended"),
        (agent, "session_ended"),
        (agent, "session_assigned"),
        (people[1], "agent_assigned"),
        (people[2], "queue_update"),
    ]
    wait_until(
        lambda: all(socket.events(name) for socket, name in wanted),
        SYNC_SECONDS,
        lambda: str([(name, socket.events(name)) for socket, name in wanted]),
    )
    assert (
        agent.events("session_assigned")[0]["id"] == people[1].events("agent_assigned")[0]["sessionId"] == sessions[1]
    )
    assert people[2].events("queue_update") == [{"sessionId": sessions[2], "queuePosition": 1}]


def test_a_frozen_valkey_delays_nobody(two_servers: tuple[Server, Server], valkey: Valkey, connect: Connect) -> None:
    here, there = two_servers
    token = make_token("frozen")
    user = here.bearer(token)
    session_id = user.start("frozen")
    listener = connect("python", there.url, {"token": token}, transports=["websocket"])
    listener.join(session_id)
    socket = connect("python", here.url, {"token": token}, transports=["websocket"])
    socket.join(session_id)
    valkey.freeze()
    for number in range(6):
        # The first caller finds out in half a second, and for a while nobody asks again.
        assert user.send(session_id, f"rest {number}").status == 201
        socket.send(session_id, f"socket {number}")
    connect("python", here.url, {"token": make_token("newcomer")}, transports=["websocket"]).wait_for("connect")
    assert two_servers[0].output().count("The rate limits cannot be counted") <= 2
    socket.wait_for("new_message", count=12)

    valkey.thaw()
    wait_until(lambda: len({message["seq"] for message in listener.events("new_message")}) == 12)
    assert "Traceback" not in there.output().replace("The rate limits cannot be counted", "")
