"""The Procfile as run by a platform like Heroku: with its variables, SIGTERM, scaling, and a sticky proxy."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest

from deploy.nginx import nginx_configuration
from deploy.programs import Program, wait_for_port
from tests import ROOT
from tests.api import make_token
from tests.conftest import API_KEY, JWT_SECRET
from tests.e2e.conftest import Connect
from tests.e2e.rest import Rest
from tests.e2e.server import ALLOWED_ORIGIN, free_port, wait_until
from tests.e2e.valkey import Valkey

BOOT_SECONDS, END_SECONDS = 120.0, 40.0


class Platform:
    """A platform that runs the Procfile, by honcho."""

    def __init__(self, directory: Path, **variables: str) -> None:
        self._output = directory / "output.txt"
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            # The variables of a platform: none from the shell that runs the tests, no HOST and no directories.
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(directory),
            "DYNO": "web.1",
            "PYTHONUNBUFFERED": "1",
            **variables,
        }

    def release(self) -> subprocess.CompletedProcess[str]:
        """Run the release command, once and to its end."""
        return subprocess.run(
            [*self._honcho("start", "release")],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=BOOT_SECONDS,
            check=False,
        )

    def start(self, port: int, count: int) -> None:
        """Start web processes on the ports from `port` on, and wait until they serve."""
        with open(self._output, "wb") as output:
            self._process = subprocess.Popen(
                self._honcho("start", "-p", str(port), "-c", f"web={count}", "web"),
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        serving = "Chat Support is serving on"
        wait_until(lambda: self.output().count(serving) == count, BOOT_SECONDS, self.output)

    def stop(self) -> None:
        """End them with SIGTERM, and wait for it."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(END_SECONDS)

    def clean_up(self) -> None:
        """End whatever still runs."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def output(self) -> str:
        """Return the output without honcho's colours."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self._output.read_text(errors="replace"))

    @staticmethod
    def _honcho(*arguments: str) -> list[str]:
        # A developer's .env must not be used.
        return [sys.executable, "-m", "honcho", "-e", os.devnull, *arguments]


@pytest.fixture
def platform(mongodb_uri: str, mongodb_db: str, tmp_path: Path) -> Iterator[Platform]:
    database = f"{mongodb_db}-platform"
    valkey = Valkey()
    valkey.start()
    platform = Platform(
        tmp_path,
        NODE_ENV="production",
        MONGODB_URI=mongodb_uri,
        MONGODB_DB=database,
        REDIS_URL=valkey.url,
        JWT_SECRET=JWT_SECRET,
        API_KEY=API_KEY,
        FRONTEND_URLS=ALLOWED_ORIGIN,
        TRUSTED_PROXIES="1",
    )
    yield platform
    platform.clean_up()
    valkey.kill()
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client:
        client.drop_database(database)


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Any]:
    """Start nginx with deploy/nginx.conf in front of some ports, and return its address."""
    started: list[Program] = []

    def start(ports: list[int]) -> str:
        directory, port = tmp_path / "nginx", free_port()
        directory.mkdir()
        configuration = nginx_configuration(directory, f"127.0.0.1:{port}", ports)
        command = ["nginx", "-e", "stderr", "-p", str(directory), "-c", str(configuration)]
        started.append(Program("nginx", command))
        assert wait_for_port(port, started[0])
        return f"http://127.0.0.1:{port}"

    yield start
    for program in started:
        program.ask_to_end()
        program.wait()


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.nginx
def test_a_release_runs_scaled_and_people_chat(platform: Platform, proxy: Any, connect: Connect) -> None:
    for _ in range(2):  # Each deployment runs the release command.
        released = platform.release()
        assert "The database is ready" in released.stdout, released.stdout + released.stderr
        assert released.returncode == 0

    port = free_port(2)
    platform.start(port, 2)
    ports = [port, port + 1]
    url = proxy(ports)

    operator = Rest(url, {"X-API-Key": API_KEY})
    agent_id, session_id = operator.create_agent("Ada"), operator.start("visitor")
    # The visitor comes by the proxy, polling first as browsers do; the agent is with each process in turn.
    visitor = connect("python", url, {"token": make_token("visitor")})
    visitor.join(session_id)
    for number, direct in enumerate(ports, start=1):
        address = f"http://127.0.0.1:{direct}"
        agent = connect("python", address, {"token": make_token(agent_id, "agent")}, transports=["websocket"])
        agent.join(session_id)
        agent.emit("send_message", {"sessionId": session_id, "message": f"from process {number}"})
        text = f"from process {number}"
        assert visitor.wait_for("new_message", lambda message, text=text: message["message"] == text)["seq"] == number

    platform.stop()
    assert not any(is_open(port) for port in ports)
    visitor.wait_for("disconnect")
    output = platform.output()
    # All processes ended by themselves; honcho would report a kill.
    assert "sending SIGKILL" not in output
    assert "Traceback" not in output
    # Without a disk for files, the log goes to stdout, as lines of JSON.
    lines = [line.partition(" | ")[2] for line in output.splitlines() if ' | {"' in line]
    assert any(json.loads(line)["message"] == "Connected" for line in lines)


def test_a_failed_release_command_stops_the_deployment(tmp_path: Path) -> None:
    away = f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=500"
    platform = Platform(tmp_path, NODE_ENV="production", MONGODB_URI=away, JWT_SECRET=JWT_SECRET, API_KEY=API_KEY)
    released = platform.release()
    assert released.returncode != 0
    assert "The database does not answer" in released.stdout + released.stderr
