"""`make cluster`: several processes look like one server, and end together."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
import websocket

from tests import ROOT
from tests.api import make_token
from tests.conftest import API_KEY, JWT_SECRET
from tests.e2e.conftest import Connect
from tests.e2e.rest import Reply, Rest
from tests.e2e.server import STOP_SECONDS, free_port, wait_until

START_SECONDS = 120.0
CALLERS = 6


class Cluster:
    """A cluster of two server processes."""

    def __init__(self, directory: Path, mongodb_uri: str, database: str) -> None:
        self.port = free_port(3)
        self.ports = [self.port + 1, self.port + 2]
        self.database = database
        self._output = directory / "output.txt"
        environment = {
            "PATH": os.environ["PATH"],
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
            "APP_ENV": "testing",
            "WEB_PROCESSES": "2",
            "API_KEY": API_KEY,
            "JWT_SECRET": JWT_SECRET,
            "MONGODB_URI": mongodb_uri,
            "MONGODB_DB": database,
            "DATA_DIR": str(directory / "data"),
            "LOG_DIR": str(directory / "logs"),
            "RATE_LIMITS": "off",
        }
        with open(self._output, "wb") as output:
            command = [sys.executable, str(ROOT / "deploy" / "cluster.py")]
            self.process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        wait_until(self._serves, START_SECONDS, lambda: f"the cluster did not start:\n{self.output()}")

    def output(self) -> str:
        """Return its output."""
        return self._output.read_text(errors="replace")

    def url(self, port: int) -> str:
        """Return the address of one of its ports."""
        return f"http://127.0.0.1:{port}"

    def clean_up(self) -> None:
        """End it, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        self.process.wait(2 * STOP_SECONDS)

    def _serves(self) -> bool:
        assert self.process.poll() is None, f"the cluster ended:\n{self.output()}"
        return "Ctrl-C ends it." in self.output()


@pytest.fixture(scope="module")
def cluster(mongodb_uri: str, mongodb_db: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster for all tests of the module."""
    database = f"{mongodb_db}-cluster"
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), mongodb_uri, database)
    yield cluster
    cluster.clean_up()
    with pymongo.MongoClient(mongodb_uri) as client:
        client.drop_database(database)


def call(port: int, source: str, method: str, query: str, body: str | None = None) -> tuple[int, str]:
    """Make a long-polling request from one of this machine's addresses."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(source, 0))
    with contextlib.closing(connection):
        connection.request(method, f"/socket.io/?EIO=4&transport=polling{query}", body)
        response = connection.getresponse()
        return response.status, response.read().decode()


def test_people_on_different_processes_talk_to_each_other(cluster: Cluster, connect: Connect) -> None:
    first, second = (cluster.url(port) for port in cluster.ports)
    operator = Rest(first, {"X-API-Key": API_KEY})
    agent_id = operator.create_agent("Ada")
    session_id = operator.start("visitor")
    user = connect("python", first, {"token": make_token("visitor")}, transports=["websocket"])
    agent = connect("python", second, {"token": make_token(agent_id, "agent")}, transports=["websocket"])
    user.join(session_id)
    agent.join(session_id)
    assert user.wait_for("user_joined")["userId"] == agent_id
    user.emit("send_message", {"sessionId": session_id, "message": "Hello"})
    assert agent.wait_for("new_message")["message"] == "Hello"
    agent.emit("send_message", {"sessionId": session_id, "message": "Good morning"})
    answer = user.wait_for("new_message", lambda message: message["senderType"] == "agent")
    assert (answer["message"], answer["seq"]) == ("Good morning", 2)


@pytest.mark.nginx
def test_a_polling_client_stays_with_its_process(cluster: Cluster) -> None:
    owners = set()
    for number in range(1, 33):
        source = f"127.0.0.{number}"
        status, opened = call(cluster.port, source, "GET", "")
        assert status == 200, opened
        sid = json.loads(opened[1:])["sid"]
        connect = "40" + json.dumps({"token": make_token(f"poller-{number}")})
        assert call(cluster.port, source, "POST", f"&sid={sid}", connect) == (200, "OK")
        status, answer = call(cluster.port, source, "GET", f"&sid={sid}")
        assert (status, answer[:2]) == (200, "40"), answer
        # Only the process that has the connection accepts its CLOSE.
        owners |= {port for port in cluster.ports if call(port, source, "POST", f"&sid={sid}", "1")[0] == 200}
    assert owners == set(cluster.ports)


@pytest.mark.nginx
def test_websockets_and_rest_go_through_the_proxy(cluster: Cluster, connect: Connect) -> None:
    url = cluster.url(cluster.port)
    operator = Rest(url, {"X-API-Key": API_KEY})
    session_id = operator.start("proxied")
    user = connect("python", url, {"token": make_token("proxied")}, transports=["websocket"])
    user.join(session_id)
    operator.send(session_id, "by REST")
    assert user.wait_for("new_message")["message"] == "by REST"
    # The handshake's own headers arrive as they were sent.
    address = f"ws://127.0.0.1:{cluster.port}/socket.io/?EIO=4&transport=websocket"
    with contextlib.closing(websocket.create_connection(address, timeout=60)) as raw:
        assert str(raw.recv()).startswith("0{")


@pytest.mark.nginx
def test_the_proxy_does_not_expose_the_metrics(cluster: Cluster) -> None:
    statuses = []
    for port in (cluster.port, *cluster.ports):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            statuses.append(connection.getresponse().status)
    assert statuses == [403, 200, 200]


class Caller:
    """Somebody who makes each call once, from a separate address, and records the answers."""

    def __init__(self, url: str, number: int) -> None:
        self._rest = Rest(url, {"X-API-Key": API_KEY}, source=f"127.0.0.{number + 1}")
        self._name = f"caller-{number}"
        self._session_id = self._rest.start(self._name)
        self.failed: list[str] = []
        self.sent: list[str] = []
        self.ended: list[str] = []
        self.calls = 0

    def run(self, over: threading.Event) -> None:
        """Send, with and without a `clientMessageId`, read, start and end until told to stop."""
        for number in itertools.count():
            if over.is_set():
                return
            text = f"{self._name}-{number}"
            key = {"clientMessageId": text} if number % 2 else {}
            if self._call(lambda text=text, key=key: self._rest.send(self._session_id, text, **key)):
                self.sent.append(text)
            self._call(lambda: self._rest.get(f"/api/chat/messages/{self._session_id}", limit=1))
            started = self._call(lambda text=text: self._rest.post("/api/chat/start-session", {"userId": text}))
            if started is not None:
                session_id = started.data["sessionId"]
                if self._call(lambda session_id=session_id: self._rest.post(f"/api/chat/end-session/{session_id}")):
                    self.ended.append(session_id)

    def _call(self, call: Callable[[], Reply]) -> Reply | None:
        self.calls += 1
        try:
            reply = call()
        except (OSError, ValueError) as error:
            # No server answered, or nginx answered with its own page.
            self.failed.append(str(error))
            return None
        if reply.status in (200, 201):
            return reply
        self.failed.append(f"{reply.status} {reply.body}")
        return None


@pytest.mark.nginx
def test_a_rolling_restart_fails_no_call_and_stores_nothing_twice(cluster: Cluster, mongodb_uri: str) -> None:
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client:
        database = client[cluster.database]
        before = {message["_id"] for message in database.messages.find()}
        callers = [Caller(cluster.url(cluster.port), number) for number in range(CALLERS)]
        over = threading.Event()
        threads = [threading.Thread(target=caller.run, args=(over,)) for caller in callers]
        for thread in threads:
            thread.start()

        def wait_for_calls() -> None:
            known = sum(caller.calls for caller in callers)
            wait_until(lambda: sum(caller.calls for caller in callers) > known + 50, 60)

        try:
            wait_for_calls()
            cluster.process.send_signal(signal.SIGUSR1)
            wait_until(lambda: "The processes were restarted." in cluster.output(), 120, cluster.output)
            wait_for_calls()
        finally:
            over.set()
            for thread in threads:
                thread.join(60)

        assert [failure for caller in callers for failure in caller.failed] == []
        texts = Counter(
            message["message"] for message in database.messages.find({"_id": {"$nin": list(before)}, "fence": None})
        )
        assert texts == Counter(text for caller in callers for text in caller.sent)
        ended = {str(session["_id"]) for session in database.sessions.find({"status": "ended"})}
        assert ended >= {session_id for caller in callers for session_id in caller.ended}


def test_ctrl_c_ends_the_whole_cluster(cluster: Cluster) -> None:
    ports = [*cluster.ports, cluster.port]
    cluster.process.send_signal(signal.SIGINT)
    assert cluster.process.wait(2 * STOP_SECONDS) == 0, cluster.output()
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"somebody still listens on port {port}"
