"""A server can start from a backup that was made while people wrote."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest

from chatsupport.database.embedded import EmbeddedMongo
from tests import ROOT
from tests.e2e.server import Server, Servers, free_port, wait_until


@pytest.fixture
def mongo(tmp_path: Path) -> Iterator[tuple[EmbeddedMongo, str]]:
    """This test's own MongoDB, which it may lock."""
    server = EmbeddedMongo(tmp_path / "data")
    yield server, server.start()
    server.stop()


def back_up(server: Server, target: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "deploy" / "backup.py"), str(target)]
    environment = {**server.environment, **env}
    return subprocess.run(command, cwd=target.parent, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.timeout(180)
def test_a_backup_contains_every_message_acknowledged_before(
    mongo: tuple[EmbeddedMongo, str], mongodb_db: str, tmp_path: Path
) -> None:
    embedded, uri = mongo
    servers = Servers(tmp_path / "servers", uri, mongodb_db)
    try:
        server = servers.start()
        operator = server.operator()
        session_id = operator.start("visitor")
        before = [operator.send(session_id, f"message {number}").data["message"] for number in range(20)]
        over, failures = threading.Event(), []

        def write() -> None:
            while not over.is_set():
                reply = operator.send(session_id, "meanwhile")
                if reply.status not in (201, 503):
                    failures.append(reply)

        writer = threading.Thread(target=write)
        writer.start()
        result = back_up(server, tmp_path / "backups")
        after = operator.send(session_id, "after")
        over.set()
        writer.join()

        assert result.returncode == 0, result.stderr
        assert "writes waited for" in result.stdout
        assert after.status == 201
        assert not failures

        # The machine is lost, and only the backup is left.
        servers.clean_up()
        embedded.stop()
        (backup,) = (tmp_path / "backups").iterdir()
        shutil.rmtree(tmp_path / "data")
        shutil.copytree(backup, tmp_path / "data" / "mongodb" / "files")
        restored = EmbeddedMongo(tmp_path / "data")
        try:
            restored.start()
            server.start()
            history = server.operator().history(session_id)
            assert history[:20] == before
            assert [message["seq"] for message in history] == list(range(1, len(history) + 1))
            assert all(message["message"] == "meanwhile" for message in history[20:])
            assert server.operator().send(session_id, "and on").status == 201
        finally:
            servers.clean_up()
            restored.stop()
    finally:
        servers.clean_up()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_stopped_backup_leaves_the_database_unlocked(
    mongo: tuple[EmbeddedMongo, str], tmp_path: Path, number: signal.Signals
) -> None:
    _, uri = mongo
    # A file that is never read to its end: the terminal sends nothing.
    ours, theirs = os.openpty()
    (tmp_path / "data/mongodb/files/endless").symlink_to(os.ttyname(theirs))
    command = [sys.executable, str(ROOT / "deploy" / "backup.py"), str(tmp_path / "backups")]
    environment = {**os.environ, "MONGODB_URI": uri, "APP_ENV": "testing", "DATA_DIR": str(tmp_path / "data")}
    backup = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        wait_until(lambda: client.admin.command("currentOp").get("fsyncLock"))
        wait_until(lambda: list((tmp_path / "backups").glob("*/endless")))

        backup.send_signal(number)

        _, err = backup.communicate(timeout=40)
        assert (backup.returncode, err) == (1, "Stopped. There is no backup, and MongoDB accepts writes again.\n")
        assert not client.admin.command("currentOp").get("fsyncLock")
    os.close(ours)
    os.close(theirs)


def test_a_failed_backup_says_why_in_one_line(server: Server, tmp_path: Path) -> None:
    away = back_up(server, tmp_path / "backups", MONGODB_URI=f"mongodb://127.0.0.1:{free_port()}")
    unwritable = back_up(server, Path("/proc/backups"))

    for result in (away, unwritable):
        assert result.returncode == 1
        assert result.stderr.count("\n") == 1
    # And the database still accepts writes.
    assert server.operator().send(server.operator().start("visitor"), "hello").status == 201
