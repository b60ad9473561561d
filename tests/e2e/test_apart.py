"""Two server processes without a Redis, as after a deployment that forgot it: slower events, the same promises."""

from __future__ import annotations

import time
import urllib.request
from threading import Thread

import pytest

from tests.api import make_token
from tests.e2e import commands
from tests.e2e.conftest import Connect
from tests.e2e.recording import Socket
from tests.e2e.server import Server, Servers, wait_until

SESSIONS = 8


@pytest.fixture(scope="module")
def apart(servers: Servers) -> tuple[Server, Server]:
    first = servers.start()
    return first, servers.start(MONGODB_DB=first.database)


class Writer(Thread):
    """A visitor who writes by socket, one message after the other, until the session ends."""

    def __init__(self, socket: Socket, session_id: str) -> None:
        super().__init__(daemon=True)
        self._socket, self._session_id = socket, session_id
        self.acknowledged: list[float] = []
        """When each acknowledged message was sent."""
        self.code = ""
        self.start()

    def run(self) -> None:
        while not self.code:
            sent_at = time.monotonic()
            answer = self._socket.call("send_message", {"sessionId": self._session_id, "message": "hello"})
            if answer["success"]:
                self.acknowledged.append(sent_at)
            else:
                self.code = answer["code"]


def test_nothing_is_acknowledged_after_an_end_in_another_process(
    apart: tuple[Server, Server], connect: Connect
) -> None:
    here, there = apart
    writers, ended_at = {}, {}
    for number in range(SESSIONS):
        session_id = here.operator().start(f"u{number}")
        socket = connect("python", here.url, {"token": make_token(f"u{number}")}, transports=["websocket"])
        writers[session_id] = Writer(socket, session_id)
    wait_until(lambda: all(len(writer.acknowledged) > 5 for writer in writers.values()))
    totals = {}
    for session_id in writers:
        end = there.operator().post(f"/api/chat/end-session/{session_id}").data
        ended_at[session_id] = time.monotonic()
        totals[session_id] = end["statistics"]["totalMessages"]

    for session_id, writer in writers.items():
        writer.join(40)
        assert writer.code == "SESSION_ENDED"
        assert [at for at in writer.acknowledged if at > ended_at[session_id]] == []
        assert len(writer.acknowledged) == totals[session_id] == len(there.operator().history(session_id))


def test_a_block_reaches_the_sockets_of_another_process(apart: tuple[Server, Server], connect: Connect) -> None:
    here, there = apart
    session_id = here.operator().start("pest")
    socket = connect("python", here.url, {"token": make_token("pest")}, transports=["websocket"])
    socket.send(session_id, "hello")

    assert there.operator().post("/api/blocks", {"userId": "pest"}).status == 201

    assert socket.wait_for("error")["code"] == "BLOCKED"
    socket.wait_for("disconnect")


def test_the_log_and_metrics_say_that_redis_is_missing(apart: tuple[Server, Server]) -> None:
    for server in apart:
        wait_until(lambda server=server: "the two share no Redis" in server.output())  # type: ignore[misc]
        assert server.output().count("the two share no Redis") == 1
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=60) as response:
            assert b'chatsupport_processes{link="apart"} 1.0' in response.read()


def test_a_process_that_was_frozen_does_not_trust_its_memory(servers: Servers, connect: Connect) -> None:
    old = servers.start()
    session_id = old.operator().start("u1")
    socket = connect("python", old.url, {"token": make_token("u1")}, transports=["websocket"])
    socket.send(session_id, "hello")
    with old.frozen():
        new = servers.start(MONGODB_DB=old.database)
        assert new.operator().post(f"/api/chat/end-session/{session_id}").status == 200

    answer = socket.call("send_message", {"sessionId": session_id, "message": "too late"})
    assert answer["code"] == "SESSION_ENDED"


def test_the_doctor_names_unconnected_processes(apart: tuple[Server, Server]) -> None:
    here, _ = apart
    found = commands.run(here, "doctor")
    assert found.returncode == 1
    assert found.stdout.count("(version ") == 2
    assert "share no Redis -> set the same REDIS_URL for all" in found.stdout
