"""A Valkey that is killed or freezes between two processes: nobody is held up, and clients learn what they missed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api import make_token
from tests.conftest import API_KEY
from tests.e2e.conftest import Connect
from tests.e2e.pairs import two_processes
from tests.e2e.server import Server, Servers, elapsed_at_most, wait_until
from tests.e2e.valkey import Valkey

SYNC_SECONDS = 20.0
"""`session_sync` comes every 15 s."""


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    valkey = Valkey()
    valkey.start()
    yield valkey
    valkey.kill()


@pytest.fixture
def two_servers(servers: Servers, valkey: Valkey) -> Iterator[tuple[Server, Server]]:
    """Two processes that share a database and a Valkey, limits included."""
    with two_processes(servers, valkey, RATE_LIMITS="on") as both:
        yield both


def test_clients_find_out_what_they_missed_while_valkey_was_away(
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
    with elapsed_at_most(2):
        for text in ("two", "three"):
            assert operator.send(session_id, text).status == 201
    sync = wait_for_sync(listener, 3)
    assert sync == {"sessionId": session_id, "lastSeq": 3}
    missed = listener.join(session_id, after=1)["messages"]
    assert [message["message"] for message in missed] == ["two", "three"]

    valkey.start()
    # What waited in the outbox comes too, late; it is nothing new to who has joined since.
    wait_until(lambda: operator.send(session_id, "later") and len(listener.events("new_message")) > 1, 10)
    assert [message["seq"] for message in listener.events("new_message")][:2] == [1, 4]


def wait_for_sync(listener: Any, last_seq: int) -> Any:
    """Wait for the `session_sync` that tells this seq."""
    wait_until(
        lambda: [sync for sync in listener.events("session_sync") if sync["lastSeq"] == last_seq],
        SYNC_SECONDS,
        lambda: f"{listener.events('session_sync')}",
    )
    return next(sync for sync in listener.events("session_sync") if sync["lastSeq"] == last_seq)


def test_a_frozen_valkey_holds_nobody_up(two_servers: tuple[Server, Server], valkey: Valkey, connect: Connect) -> None:
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
        # The first finds out, in half a second; for a while nobody asks again.
        with elapsed_at_most(2):
            assert user.send(session_id, f"rest {number}").status == 201
        with elapsed_at_most(2):
            socket.send(session_id, f"socket {number}")
    with elapsed_at_most(2):
        connect("python", here.url, {"token": make_token("newcomer")}, transports=["websocket"]).wait_for("connect")
    assert len(socket.events("new_message")) == 12

    valkey.thaw()
    wait_until(lambda: len({message["seq"] for message in listener.events("new_message")}) == 12, 15)
    assert "Traceback" not in there.output().replace("The rate limits cannot be counted", "")
