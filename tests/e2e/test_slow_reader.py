"""A client that stops reading is dropped when its queue is full, and costs the others nothing."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
import websocket

from tests.api import make_token
from tests.conftest import API_KEY
from tests.e2e.conftest import Connect
from tests.e2e.server import Server, Servers, wait_until

QUEUE_LIMIT = 16
MAX_GROWTH_BYTES = 40_000_000
LONG = "\N{FOUR LEAF CLOVER}" * 1000


@pytest.fixture(scope="module")
def server(servers: Servers) -> Server:
    return servers.start(SEND_QUEUE_LIMIT=str(QUEUE_LIMIT))


class SlowReader:
    """A websocket with a small receive buffer, which joins a session and then stops reading."""

    def __init__(self, server: Server, user_id: str, session_id: str) -> None:
        self._join = "42" + json.dumps(["join_session", {"sessionId": session_id}])
        url = f"{server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket"
        options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]
        self._socket = websocket.create_connection(url, timeout=60, sockopt=options)
        self._socket.send("40" + json.dumps({"token": make_token(user_id)}))
        self._socket.send(self._join)
        while not str(self._socket.recv()).startswith('42["session_joined"'):
            pass

    def ask_for_the_history(self) -> None:
        """Ask for data that it will not read. It does not matter if the server has dropped it."""
        with suppress(OSError, websocket.WebSocketException):
            self._socket.send(self._join)

    def close(self) -> None:
        self._socket.shutdown()


def memory_bytes(server: Server) -> int:
    """Return the memory of the server's processes."""
    master = server._running().pid
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    statuses = [Path(f"/proc/{pid}/status").read_text() for pid in (str(master), *children)]
    return sum(int(status.partition("VmRSS:")[2].split()[0]) * 1024 for status in statuses)


def metrics_of(server: Server) -> str:
    """Return a counter of the server."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=60) as response:
        text: str = response.read().decode()
    assert "chatsupport_send_queues_dropped_total" in text
    return text


# Fifty messages are 200 KB, of which five fit into the queue; five are 20 KB, of which sixteen do.
@pytest.mark.parametrize(("messages", "limit"), [(50, "bytes"), (5, "packets")])
def test_a_client_that_stops_reading_is_dropped_and_the_others_do_not_notice(
    server: Server, connect: Connect, messages: int, limit: str
) -> None:
    operator = server.operator()
    user_id = f"slow-{limit}"
    session_id = operator.start(user_id)
    for _ in range(messages):
        operator.send(session_id, LONG)
    witness = connect("python", server.url, {"apiKey": API_KEY}, transports=["websocket"])
    witness.join(session_id)
    slow = SlowReader(server, user_id, session_id)
    assert witness.wait_for("user_joined")["userId"] == user_id
    before = memory_bytes(server)

    deadline = time.monotonic() + 120
    while not witness.events("user_left"):
        assert time.monotonic() < deadline, "the slow reader was never dropped"
        for _ in range(5):
            slow.ask_for_the_history()
        # A message that waited for the slow reader would never come.
        seq = witness.call("send_message", {"sessionId": session_id, "message": "still here?"})["data"]["message"][
            "seq"
        ]
        witness.wait_for("new_message", lambda message, seq=seq: message["seq"] == seq)

    assert witness.wait_for("user_left")["userId"] == user_id
    assert "slow_reader" in server.output()
    assert "chatsupport_send_queues_dropped_total 0" not in metrics_of(server)
    assert memory_bytes(server) - before < MAX_GROWTH_BYTES
    slow.close()


def test_a_client_that_reads_slowly_gets_everything(server: Server, connect: Connect) -> None:
    operator = server.operator()
    session_id = operator.start("patient")
    slow = connect("python", server.url, {"token": make_token("patient")}, transports=["polling"])
    slow.join(session_id)
    for number in range(3 * QUEUE_LIMIT):
        operator.send(session_id, f"message {number}")
    slow.wait_for("new_message", count=3 * QUEUE_LIMIT)
    wait_until(lambda: len(slow.events("new_message")) == 3 * QUEUE_LIMIT)
    assert [message["seq"] for message in slow.events("new_message")] == list(range(1, 3 * QUEUE_LIMIT + 1))
    assert not slow.events("disconnect")


def test_a_polling_client_gets_more_answers_at_once_than_a_silent_one_may_have(
    server: Server, connect: Connect
) -> None:
    """An answer has 16 packets at most, so a client that sends a burst is behind although it reads all the time."""
    session_id = server.operator().start("hasty")
    hasty = connect("python", server.url, {"token": make_token("hasty")}, transports=["polling"])
    hasty.join(session_id)
    messages = [{"sessionId": session_id, "message": f"message {number}"} for number in range(2 * QUEUE_LIMIT)]

    keys = hasty.pipeline([("send_message", message) for message in messages])
    acknowledged = hasty.wait_for_acknowledgements(keys)

    assert all(envelope["success"] for envelope in acknowledged.values())
    assert not hasty.events("disconnect")
