"""Faults besides those of test_durability.py, which kills and freezes mongod: a primary, a network, Valkey, a disk."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pymongo
import pytest

from tests.api import make_token
from tests.concurrency import run_together
from tests.e2e.mongo import Mongo
from tests.e2e.people import RestSender
from tests.e2e.proxy import Proxy
from tests.e2e.replica_set import ReplicaSet
from tests.e2e.rest import Reply, Rest
from tests.e2e.server import Server, Servers, wait_until


def assert_nothing_is_lost(operator: Rest, session_id: str, senders: list[RestSender]) -> int:
    """Check that acknowledged messages are stored as announced, once and without a gap. Returns their number."""
    history = operator.history(session_id)
    assert [message["seq"] for message in history] == list(range(1, len(history) + 1))
    told = [message for sender in senders for message in sender.acknowledged.values()]
    assert sorted(told, key=lambda message: message["seq"]) == history
    return len(history)


@contextlib.contextmanager
def sending(operator: Rest, session_id: str, count: int = 4) -> Iterator[list[RestSender]]:
    """Let several people send during the block, each message until it is acknowledged."""
    senders = [RestSender([operator], session_id, f"sender-{number}", number) for number in range(count)]
    for sender in senders:
        sender.start()
    try:
        yield senders
    finally:
        for sender in senders:
            sender.stop()
    for sender in senders:
        sender.wait(90)


def acknowledged(senders: list[RestSender]) -> int:
    return sum(len(sender.acknowledged) for sender in senders)


def is_healthy(server: Server) -> bool:
    """Read `/` and health, which are answered whatever the database does."""
    assert server.anonymous().get("/").status == 200
    return server.anonymous().get("/api/health").status == 200


def test_no_acknowledged_message_is_lost_with_a_primary(servers: Servers, tmp_path: Path) -> None:
    replica_set = ReplicaSet(tmp_path)
    try:
        server = servers.start(MONGODB_URI=replica_set.uri)
        operator = server.operator()
        session_id = operator.start("failover")
        with sending(operator, session_id) as senders:
            for _ in range(2):
                known = acknowledged(senders)
                wait_until(lambda known=known: acknowledged(senders) > known + 30, 90)
                primary = replica_set.wait_for_primary()
                replica_set.kill(primary)
                is_healthy(server)
                known = acknowledged(senders)
                wait_until(lambda known=known: acknowledged(senders) > known + 30, 90)
                replica_set.start(primary)
        assert assert_nothing_is_lost(operator, session_id, senders) > 120
        server.clean_up()
    finally:
        replica_set.stop()


def test_a_network_outage_of_10_seconds_loses_nothing(servers: Servers, tmp_path: Path) -> None:
    mongo = Mongo(tmp_path)
    proxy = Proxy(unquote(mongo.uri.removeprefix("mongodb://").rstrip("/")))
    try:
        server = servers.start(MONGODB_URI=f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true")
        operator = server.operator()
        session_id = operator.start("cut")
        with sending(operator, session_id) as senders:
            wait_until(lambda: acknowledged(senders) > 30)
            proxy.block()
            cut = time.monotonic()
            wait_until(lambda: not is_healthy(server))  # Health reuses its finding for a second.
            while time.monotonic() - cut < 10:
                assert not is_healthy(server)
                time.sleep(0.2)
            known = acknowledged(senders)
            proxy.unblock()
            wait_until(lambda: acknowledged(senders) > known + 30, 90)
            wait_until(lambda: is_healthy(server), 60)
        assert_nothing_is_lost(operator, session_id, senders)
        server.clean_up()
    finally:
        proxy.close()
        mongo.stop()


def test_senders_that_need_a_look_up_are_answered_too(servers: Servers, tmp_path: Path) -> None:
    mongo = Mongo(tmp_path)
    try:
        server = servers.start(MONGODB_URI=mongo.uri)
        operator = server.operator()
        agent_id = operator.create_agent()
        session_id = operator.start("slow")
        agent = server.bearer(make_token(agent_id, "agent"))
        mongo.freeze()

        # One needs its agent and the other the session before the message goes to the log.
        for reply in run_together(
            lambda: agent.send(session_id, "Hello"),
            lambda: operator.send(session_id, "Hello", senderType="user"),
        ):
            assert reply.body["code"] == "DATABASE_UNAVAILABLE"
        mongo.thaw()
        # A send on an old connection may take its whole time.
        wait_until(lambda: agent.send(session_id, "Hello").status == 201, 60)
        server.clean_up()
    finally:
        mongo.stop()


MEBIBYTE = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(disk)]
    subprocess.run(command, check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.mount
def test_a_full_disk_loses_no_acknowledged_message(servers: Servers, small_disk: Path) -> None:
    mongo = Mongo(small_disk)
    try:
        server = servers.start(MONGODB_URI=mongo.uri)
        operator = server.operator()
        session_id = operator.start("full")
        text = "x" * 1000
        stored = [operator.send(session_id, text).data["message"] for _ in range(20)]
        with open(small_disk / "filler", "wb") as filler, contextlib.suppress(OSError):
            while True:
                filler.write(b"\0" * MEBIBYTE)

        failures: list[Reply] = []

        def send(number: int) -> None:
            if failures:
                return  # This is the expected state; each one takes as long as a sender waits.
            reply = operator.send(session_id, text, clientMessageId=f"{number}")
            (stored.append(reply.data["message"]) if reply.status == 201 else failures.append(reply))

        def write_it_down() -> None:
            """Let mongod write a checkpoint now, which it does every minute."""
            with contextlib.suppress(pymongo.errors.PyMongoError):
                client.admin.command("fsync")

        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(mongo.uri, timeoutMS=5000)
        with ThreadPoolExecutor(11) as threads, client:
            for start in range(0, 10_000, 200):
                writing = threads.submit(write_it_down)
                list(threads.map(send, range(start, start + 200)))
                writing.result()
                if failures:
                    break
        assert {(reply.status, reply.body["code"]) for reply in failures} == {(503, "DATABASE_UNAVAILABLE")}
        assert not is_healthy(server)

        (small_disk / "filler").unlink()
        # mongod ends when it cannot write any more, and its keeper starts it again.
        mongo.kill()
        mongo.start()
        wait_until(lambda: is_healthy(server))
        stored.append(operator.send(session_id, "There is room again").data["message"])
        history = {message["seq"]: message for message in operator.history(session_id)}
        assert list(history) == list(range(1, len(history) + 1))
        for message in stored:
            assert history[message["seq"]] == message
        server.clean_up()
    finally:
        mongo.stop()
