"""A database that is killed or freezes: acknowledged messages stay, the others fail in time, and all recovers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.api import make_token
from tests.conftest import API_KEY
from tests.e2e.conftest import Connect
from tests.e2e.mongo import Mongo
from tests.e2e.recording import Socket
from tests.e2e.rest import Rest
from tests.e2e.server import Server, Servers, wait_until


@pytest.fixture(scope="module")
def shared_mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongo]:
    """A MongoDB that only these tests use."""
    mongo = Mongo(tmp_path_factory.mktemp("mongo"))
    yield mongo
    mongo.stop()


@pytest.fixture
def mongo(shared_mongo: Mongo) -> Iterator[Mongo]:
    """The same MongoDB, which runs after a test even if the test fails."""
    yield shared_mongo
    shared_mongo.recover()


@pytest.fixture(scope="module")
def server(servers: Servers, shared_mongo: Mongo) -> Server:
    """A server on that MongoDB."""
    return servers.start(MONGODB_URI=shared_mongo.uri)


@dataclass
class Sender:
    """Sends one message after the other until one fails."""

    name: str
    client: Rest | Socket
    session_id: str
    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    failure: dict[str, Any] = field(default_factory=dict)

    def run(self) -> None:
        while not self.failure:
            envelope = self.send(len(self.acknowledged))
            if envelope["success"]:
                self.acknowledged.append(envelope["data"]["message"])
            else:
                self.failure = envelope

    def send(self, number: int) -> dict[str, Any]:
        """Send the message of this number, the first time or again, and return the envelope."""
        text = f"{self.name} {number}"
        if isinstance(self.client, Rest):
            return self.client.send(self.session_id, text, clientMessageId=text).body
        payload = {"sessionId": self.session_id, "message": text, "clientMessageId": text}
        return self.client.call("send_message", payload)


def healthy(server: Server) -> bool:
    """Read the server's health, which is answered whatever the database does."""
    reply = server.anonymous().get("/api/health")
    database = reply.body["data"]["services"]["database"]
    assert (reply.status, database) in [(200, "connected"), (503, "disconnected")], reply
    return reply.status == 200


def test_acknowledged_messages_survive_a_killed_database(server: Server, mongo: Mongo, connect: Connect) -> None:
    operator = server.operator()
    session_id = operator.start("durable")
    listener = connect("python", server.url, {"apiKey": API_KEY}, transports=["polling"])
    listener.join(session_id)
    user = connect("python", server.url, {"token": make_token("durable")}, transports=["websocket"])
    senders = [Sender("socket", user, session_id), *(Sender(f"rest-{n}", operator, session_id) for n in range(5))]

    with ThreadPoolExecutor(len(senders)) as threads:
        running = [threads.submit(sender.run) for sender in senders]
        wait_until(lambda: sum(len(sender.acknowledged) for sender in senders) >= 60)
        mongo.kill()
        wait_until(lambda: not healthy(server))
        assert server.anonymous().get("/").status == 200
        for run in running:
            run.result()
    for sender in senders:
        assert sender.failure["code"] == "DATABASE_UNAVAILABLE"

    # Nobody restarts the server, nobody connects again.
    mongo.start()
    wait_until(lambda: healthy(server))
    history = operator.history(session_id)
    assert [message["seq"] for message in history] == list(range(1, len(history) + 1))
    for sender in senders:
        for message in sender.acknowledged:
            assert history[message["seq"] - 1] == message

    for sender in senders:
        # It is unknown whether the failed message was stored. Sent again, it is there once.
        again = sender.send(len(sender.acknowledged))
        assert again["success"], again
        sender.acknowledged.append(again["data"]["message"])
    history = operator.history(session_id)
    expected = sorted((message for sender in senders for message in sender.acknowledged), key=lambda m: m["seq"])
    assert history == expected
    assert [message["seq"] for message in history] == list(range(1, len(history) + 1))
    assert not user.events("disconnect")
    listener.wait_for("new_message", lambda message: message == history[-1])


def test_a_frozen_database_delays_nobody_for_long(server: Server, mongo: Mongo, connect: Connect) -> None:
    operator = server.operator()
    session_id = operator.start("frozen")
    user = connect("python", server.url, {"token": make_token("frozen")}, transports=["websocket"])
    user.join(session_id)
    first = user.send(session_id, "before", clientMessageId="before")
    sender = Sender("meanwhile", user, session_id)
    mongo.freeze()
    wait_until(lambda: not healthy(server))  # Health reuses its finding for a second.
    with ThreadPoolExecutor(10) as threads:
        running = threads.submit(sender.run)
        over_rest = threads.submit(operator.get, f"/api/chat/messages/{session_id}")
        while not running.done():
            # Many at once, because callers that wait for the database must not block the others.
            checks = [threads.submit(healthy, server) for _ in range(5)]
            assert server.anonymous().get("/").status == 200
            assert not any(check.result() for check in checks)
        assert over_rest.result().body["code"] == "DATABASE_UNAVAILABLE"
    assert sender.failure["code"] == "DATABASE_UNAVAILABLE"
    # A client that connects now is accepted, or told why not.
    newcomer = connect("python", server.url, {"token": make_token("newcomer")}, transports=["websocket"])
    for refusal in newcomer.events("connect_error"):
        assert refusal["data"]["code"] == "DATABASE_UNAVAILABLE"
    assert not user.events("disconnect")
    mongo.thaw()
    # PyMongo may use the slow round trips that it measured meanwhile until its next heartbeats, 10 s apart.
    wait_until(lambda: healthy(server), 60)
    again = sender.send(0)
    assert again["success"], again
    assert operator.history(session_id) == [first, again["data"]["message"]]


def test_a_server_started_before_its_database_begins_its_work_later(servers: Servers, mongo: Mongo) -> None:
    mongo.kill()
    server = servers.start(MONGODB_URI=mongo.uri, DEFAULT_AGENTS="Ada,Ben")
    assert not healthy(server)
    mongo.start()
    wait_until(lambda: healthy(server))
    operator = server.operator()
    wait_until(lambda: len(operator.get("/api/agents").data["agents"]) == 2)
    assert operator.start("early")
    server.clean_up()
