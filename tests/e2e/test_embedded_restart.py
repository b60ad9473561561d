"""If the embedded mongod ends while the server serves, it is started again, nothing is lost, and the log says so."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatsupport.database.embedded import find_mongod
from tests.conftest import API_KEY
from tests.e2e.lifecycle import Server, assert_nothing_left
from tests.e2e.rest import Rest
from tests.e2e.server import wait_until

pytestmark = pytest.mark.linux

BACK_SECONDS = 60.0
"""It takes a second or two; a busy machine gets more."""


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    """A mongod that can be taken away."""
    link, mongod = tmp_path / "mongod", find_mongod()
    assert mongod is not None
    link.symlink_to(mongod)
    return link


@pytest.fixture
def server(tmp_path: Path, binary: Path) -> Iterator[Server]:
    """A server with an embedded MongoDB."""
    server = Server(tmp_path, MONGOD_BINARY=str(binary), API_KEY=API_KEY, DEFAULT_AGENTS="Ada", RATE_LIMITS="off")
    yield server.wait_until_ready()
    if server.process.poll() is None:
        server.process.terminate()
        server.end()


def mongod_of(server: Server, tmp_path: Path) -> int:
    """Return the process id of its mongod, whose arguments name DATA_DIR, or 0 if there is none."""
    found = [pid for pid, command in server.family().items() if f"--dbpath={tmp_path}/data/" in command]
    return found[0] if found else 0


def test_a_killed_mongod_is_started_again_and_nothing_is_lost(server: Server, tmp_path: Path) -> None:
    rest = Rest(server.url, {"X-API-Key": API_KEY})
    session_id = rest.start("visitor")
    told = "The embedded MongoDB ended unexpectedly (signal 9). It was started again."

    def is_told(times: int) -> bool:
        return server.printed().count(told) == times

    for number in (1, 2, 3):
        assert rest.send(session_id, f"before {number}").status == 201
        killed = mongod_of(server, tmp_path)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda number=number: is_told(number), BACK_SECONDS, lambda: "the line in the log")
        assert mongod_of(server, tmp_path) not in (0, killed)
        wait_until(lambda: rest.get("/api/health").status == 200, BACK_SECONDS, lambda: "health")
    assert rest.send(session_id, "after").status == 201
    texts = [message["message"] for message in rest.history(session_id)]
    assert texts == ["before 1", "before 2", "before 3", "after"]

    family = server.family()
    server.process.terminate()
    status, out, err = server.end()
    assert (status, err) == (0, "")
    assert "out of memory" not in out
    assert_nothing_left(family)


def test_a_server_without_its_mongod_ends(server: Server, tmp_path: Path, binary: Path) -> None:
    binary.unlink()
    binary.symlink_to("/bin/false")
    os.kill(mongod_of(server, tmp_path), signal.SIGKILL)
    wait_until(
        lambda: "The embedded MongoDB ended again (status 1)." in server.printed(), BACK_SECONDS, lambda: "an attempt"
    )
    family = server.family()

    server.process.terminate()

    status, _, err = server.end()
    assert (status, err) == (0, "")
    assert_nothing_left(family)


def test_a_mongod_that_keeps_ending_ends_the_server_with_one_sentence(
    server: Server, tmp_path: Path, binary: Path
) -> None:
    binary.unlink()
    binary.symlink_to("/bin/false")
    family = server.family()
    os.kill(mongod_of(server, tmp_path), signal.SIGKILL)

    status, out, _ = server.end(120)

    assert status == 1
    assert "The embedded MongoDB ended 5 times in a row (status 1) and is not started again" in out
    assert "Traceback" not in out
    assert_nothing_left(family)
