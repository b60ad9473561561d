"""The real server with its embedded MongoDB: it starts, says so, and leaves nothing behind however it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

PROJECT = Path(__file__).parents[2]
GUNICORN = ("-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app")
START_SECONDS = 30.0
STOP_SECONDS = 10.0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def descendants(pid: int) -> dict[int, str]:
    """Return the command lines of a process's children and theirs, by process id."""
    found: dict[int, str] = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        command = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        found |= {int(child): command, **descendants(int(child))}
    return found


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One server process with an environment of its own."""

    def __init__(self, directory: Path, *arguments: str, **environ: str) -> None:
        self.port = int(environ.get("PORT", free_port()))
        self.url = f"http://127.0.0.1:{self.port}"
        kept = ("PATH", "HOME", "LANG", "TMPDIR", "MONGOD_BINARY")
        self.environ = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "APP_ENV": "testing",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "DATA_DIR": str(directory / "data"),
            "LOG_DIR": str(directory / "logs"),
            **environ,
        }
        self.process = subprocess.Popen(
            [sys.executable, *(arguments or GUNICORN)],
            cwd=PROJECT,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        # Read at once, so that a server that prints much does not wait for a reader.
        self._printed: dict[str, list[str]] = {"out": [], "err": []}
        self._readers = [
            threading.Thread(target=self._printed[name].extend, args=(stream,), daemon=True)
            for name, stream in (("out", self.process.stdout), ("err", self.process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def wait_until_ready(self) -> Server:
        line = f"Chat Support is serving on http://localhost:{self.port}\n"
        ended = self.process.poll
        wait_until(lambda: line in self._printed["out"] or ended() is not None, START_SECONDS, "the ready line")
        assert ended() is None, "".join(self._printed["err"])
        return self

    def family(self) -> dict[int, str]:
        """Return the command lines of the worker and of mongod."""
        return descendants(self.process.pid)

    def health(self) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/health", timeout=10) as response:
            return json.load(response)

    def interrupt(self) -> None:
        """Do what Ctrl-C in a terminal does: SIGINT to master and worker at once."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self, seconds: float = STOP_SECONDS) -> tuple[int, str, str]:
        """Wait for the end; return the exit status and what was printed to stdout and stderr."""
        status = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return status, "".join(self._printed["out"]), "".join(self._printed["err"])


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers, all on one DATA_DIR unless told otherwise; whatever is left at the end is killed."""
    servers: list[Server] = []

    def run(*arguments: str, **environ: str) -> Server:
        servers.append(Server(tmp_path, *arguments, **environ))
        return servers[-1]

    yield run
    for server in servers:
        if server.process.poll() is None:
            family = server.family()
            server.process.kill()
            for pid in family:
                if is_alive(pid):
                    os.kill(pid, signal.SIGKILL)
            server.end()


def assert_nothing_left(family: dict[int, str], seconds: float = 1.0) -> None:
    left = lambda: [command for pid, command in family.items() if is_alive(pid)]  # noqa: E731
    wait_until(lambda: not left(), seconds, f"the end of {left()}")


@pytest.fixture
def open_websockets() -> Iterator[Callable[[Server], None]]:
    """Open websockets as Socket.IO clients do, which then never say who they are; closed at the end."""
    sockets: list[websocket.WebSocket] = []

    def run(server: Server) -> None:
        address = f"ws://127.0.0.1:{server.port}/socket.io/?EIO=4&transport=websocket"
        for _ in range(5):
            sockets.append(websocket.create_connection(address, timeout=10))
            assert str(sockets[-1].recv()).startswith("0{")

    yield run
    for each in sockets:
        each.close()


def test_it_starts_says_so_and_serves(start: Any) -> None:
    server = start().wait_until_ready()

    assert server.health()["data"]["services"]["database"] == "connected"
    commands = sorted(server.family().values())
    assert len(commands) == 2
    assert "mongod" in commands[0] + commands[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_with_status_0(start: Any, open_websockets: Any, number: signal.Signals) -> None:
    server = start().wait_until_ready()
    open_websockets(server)
    family = server.family()

    server.process.send_signal(number)

    status, out, err = server.end()
    assert (status, err) == (0, "")
    assert "Traceback" not in out
    assert_nothing_left(family)


def test_ctrl_c_ends_everything_with_status_0(start: Any, open_websockets: Any) -> None:
    server = start().wait_until_ready()
    open_websockets(server)
    family = server.family()

    server.interrupt()

    assert server.end()[0] == 0
    assert_nothing_left(family)


@pytest.mark.parametrize("pause", [0.0, 0.1, 1.2])
def test_two_ctrl_c_leave_nothing_behind(start: Any, pause: float) -> None:
    server = start().wait_until_ready()
    family = server.family()

    server.interrupt()
    time.sleep(pause)
    if server.process.poll() is None:
        server.interrupt()

    status, out, err = server.end()
    assert status == 0
    assert "Traceback" not in out + err
    assert_nothing_left(family)


@pytest.mark.parametrize("pause", [0.4, 0.9, 1.4])
def test_ctrl_c_while_it_starts_leaves_nothing_behind(start: Any, tmp_path: Path, pause: float) -> None:
    server = start()
    time.sleep(pause)
    family = server.family()
    server.interrupt()

    # It first waits until mongod has started, so that there is nothing to lose track of.
    server.end(START_SECONDS)

    assert_nothing_left(family)
    assert start().wait_until_ready().health()["success"]


def test_killing_the_master_takes_worker_and_mongod_along(start: Any, open_websockets: Any) -> None:
    server = start().wait_until_ready()
    open_websockets(server)
    family = server.family()

    server.process.kill()

    assert_nothing_left(family, STOP_SECONDS)
    assert server.end()[0] == -signal.SIGKILL
    assert start().wait_until_ready().health()["success"]


def test_a_killed_worker_is_replaced(start: Any) -> None:
    server = start().wait_until_ready()
    (worker,) = [pid for pid, command in server.family().items() if "mongod" not in command]

    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not is_alive(worker), 5, "the worker's end")

    assert server.health()["success"]
    server.process.terminate()
    status, out, _ = server.end()
    assert (status, out.count("serving on")) == (0, 1)


def test_bad_variables_are_one_line_each(start: Any) -> None:
    status, out, err = start(PORT="99999", LOG_LEVEL="loud").end()

    assert (status, out) == (1, "")
    assert [line.split()[0] for line in err.splitlines()] == ["PORT", "LOG_LEVEL"]


def test_no_mongod_is_one_line(start: Any) -> None:
    status, _, err = start(MONGOD_BINARY="/nowhere/mongod").end()

    assert status == 1
    assert err == "MONGOD_BINARY takes the path of a mongod that can be run\n"


def test_a_port_in_use_is_one_line(start: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        status, _, err = start(PORT=str(port)).end()

    assert status == 1
    assert err == f"Cannot listen on HOST 127.0.0.1, PORT {port}: Address already in use\n"
    assert not (tmp_path / "data/mongodb").exists()


def test_a_second_server_on_the_same_data_is_one_line(start: Any, tmp_path: Path) -> None:
    first = start().wait_until_ready()

    status, _, err = start().end()

    assert status == 1
    assert err.startswith(f"DATA_DIR {tmp_path / 'data'} is in use by another server")
    assert err.count("\n") == 1
    assert first.health()["success"]


def test_with_a_mongodb_uri_there_is_no_embedded_one(start: Any, mongodb_uri: str, tmp_path: Path) -> None:
    server = start(MONGODB_URI=mongodb_uri, MONGODB_DB="chat-support-test-lifecycle").wait_until_ready()

    assert [command for command in server.family().values() if "mongod " in command] == []
    assert not (tmp_path / "data/mongodb").exists()
    assert server.health()["data"]["services"]["database"] == "connected"


def test_python_wsgi_py_serves_too(start: Any) -> None:
    server = start("wsgi.py").wait_until_ready()
    family = server.family()
    assert server.health()["success"]

    server.process.terminate()

    assert server.end()[0] == 0
    assert_nothing_left(family)


def test_commands_work_beside_a_server_and_without_one(start: Any) -> None:
    command = ("-m", "flask", "--app", "wsgi", "init-db")

    for server in (None, start().wait_until_ready()):
        status, _, err = start(*command).end(START_SECONDS)
        assert (status, err) == (0, ""), server

    assert start(*command, PORT="0").end(START_SECONDS)[0::2] == (1, "PORT takes a port number from 1 to 65535\n")


def test_the_log_says_what_happened_and_no_more(start: Any, tmp_path: Path) -> None:
    server = start().wait_until_ready()
    server.health()
    server.process.terminate()
    server.end()

    lines = [json.loads(line) for line in (tmp_path / "logs/app.log").read_text().splitlines()]
    assert [line for line in lines if line["level"] not in ("INFO", "DEBUG")] == []
    assert [line["path"] for line in lines if line.get("event") == "request"] == ["/api/health"]
    assert (tmp_path / "logs/error.log").read_text() == ""
