"""The real server with its embedded MongoDB starts, says so, and leaves nothing behind however it ends."""

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from chatsupport.startup import APPLICATION_CANNOT_LOAD
from tests.e2e.lifecycle import (
    GUNICORN,
    ROOT,
    START_SECONDS,
    STOP_SECONDS,
    Server,
    assert_nothing_left,
    descendants,
    environment,
    is_alive,
)
from tests.e2e.server import wait_until

pytestmark = pytest.mark.linux


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers, all on one DATA_DIR by default. Processes left at the end are killed."""
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


@pytest.fixture
def open_websockets() -> Iterator[Callable[[Server], None]]:
    """Open websockets like Socket.IO clients that never authenticate. They are closed at the end."""
    sockets: list[websocket.WebSocket] = []

    def run(server: Server) -> None:
        address = f"ws://127.0.0.1:{server.port}/socket.io/?EIO=4&transport=websocket"
        for _ in range(5):
            sockets.append(websocket.create_connection(address, timeout=60))
            assert str(sockets[-1].recv()).startswith("0{")

    yield run
    for each in sockets:
        each.close()


def test_a_server_starts_announces_it_and_serves(start: Any) -> None:
    server = start(PYTHONPATH="", EVENTLET_NO_GREENDNS="").wait_until_ready()  # As users do.

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

    server.process.terminate()
    assert server.end()[0] == 0
    assert_nothing_left(family)


@pytest.mark.parametrize("pause", [0.0, 0.1])
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

    # It first waits until mongod has started, so that it cannot lose track of it.
    server.end(START_SECONDS)

    assert_nothing_left(family)
    assert start().wait_until_ready().health()["success"]


def test_killing_the_master_ends_worker_and_mongod(start: Any, open_websockets: Any) -> None:
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
    wait_until(lambda: not is_alive(worker), 40, lambda: "the worker's end")

    assert server.health()["success"]
    server.process.terminate()
    status, out, _ = server.end()
    assert (status, out.count("serving on")) == (0, 1)


def test_each_bad_variable_gives_one_line(start: Any) -> None:
    status, out, err = start(PORT="99999", LOG_LEVEL="loud").end()

    assert (status, out) == (os.EX_CONFIG, "")
    # After this status, systemd does not try again.
    unit = (ROOT / "deploy/chat-support@.service").read_text("utf-8")
    assert f"RestartPreventExitStatus={APPLICATION_CANNOT_LOAD} {status}\n" in unit
    assert [line.split()[0] for line in err.splitlines()] == ["PORT", "LOG_LEVEL"]


def test_a_missing_mongod_gives_one_line(start: Any) -> None:
    status, _, err = start(MONGOD_BINARY="/nowhere/mongod").end()

    assert status == 1
    assert err == "MONGOD_BINARY must be the path of a mongod that the server can run\n"


def test_a_port_in_use_gives_one_line(start: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        status, _, err = start(PORT=str(port)).end()

    assert status == 1
    assert err == f"Cannot listen on HOST 127.0.0.1, PORT {port}: Address already in use\n"
    assert not (tmp_path / "data/mongodb").exists()


def test_a_second_server_on_the_same_data_gives_one_line(start: Any, tmp_path: Path) -> None:
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

    server.process.terminate()
    assert server.end()[0] == 0
    assert_nothing_left(family)


def test_commands_work_beside_a_server_and_without_one(start: Any) -> None:
    command = ("-m", "flask", "--app", "wsgi", "init-db")

    for server in (None, start().wait_until_ready()):
        status, _, err = start(*command).end(START_SECONDS)
        assert (status, err) == (0, ""), server

    assert start(*command, PORT="0").end(START_SECONDS)[0::2] == (1, "PORT must be a port number from 1 to 65535\n")


@pytest.mark.features("audit")
def test_a_bad_variable_of_a_feature_ends_the_start(start: Any) -> None:
    status, _, err = start(AUDIT_DAYS="0").end(START_SECONDS)

    assert (status, err) == (4, "AUDIT_DAYS must be a whole number from 1 to 3650\n")


def test_the_log_has_only_the_expected_lines(start: Any, tmp_path: Path) -> None:
    server = start(SLOW_MS="0").wait_until_ready()
    server.health()
    server.process.terminate()
    server.end()

    lines = [json.loads(line) for line in (tmp_path / "logs/app.log").read_text().splitlines()]
    assert [line for line in lines if line["level"] not in ("INFO", "DEBUG")] == []
    assert [line["path"] for line in lines if line.get("event") == "request"] == ["/api/health"]
    assert (tmp_path / "logs/error.log").read_text() == ""


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("-w 2", "-w 2"),
        ("--threads 4 -k gthread -w 3", "-w 3 and -k gthread"),
        ("--preload --reload", "--preload and --reload"),
    ],
)
def test_harmful_gunicorn_options_give_one_line(start: Any, mongodb_uri: str, options: str, named: str) -> None:
    server = start(MONGODB_URI=mongodb_uri, MONGODB_DB="chat-support-test-lifecycle", GUNICORN_CMD_ARGS=options)

    status, out, err = server.end(START_SECONDS)

    assert status == os.EX_CONFIG
    # With --preload, gunicorn has loaded the application by then, which may have logged something.
    assert "Traceback" not in out if "--preload" in options else out == ""
    assert err == (
        f"Start gunicorn without {named}: a server is one process with one eventlet worker. "
        "For more of them see docs/scaling.md\n"
    )


def test_flask_run_gives_one_line(start: Any) -> None:
    status, out, err = start("-m", "flask", "--app", "wsgi", "run").end()

    assert (status, out) == (1, "")
    assert err == "`flask run` cannot serve this application. Start the server with `make run`, or as README.md says.\n"


def test_gunicorns_other_signals_change_nothing(start: Any, tmp_path: Path) -> None:
    server = start().wait_until_ready()
    family = server.family()

    # There is no terminal here to close.
    for number in (signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR2):
        server.process.send_signal(number)
        line = f"{number.name} changes nothing here"
        wait_until(lambda line=line: line in (tmp_path / "logs/app.log").read_text(), 40, lambda line=line: line)

    assert server.family() == family
    assert server.health()["success"]


def test_the_master_takes_signals_that_come_one_upon_another(start: Any, mongodb_uri: str, tmp_path: Path) -> None:
    server = start(MONGODB_URI=mongodb_uri).wait_until_ready()
    family = server.family()

    for _ in range(100_000):
        os.kill(server.process.pid, signal.SIGCHLD)

    assert server.family() == family
    server.process.terminate()
    assert server.end()[0] == 0
    assert "exception" not in (tmp_path / "logs/app.log").read_text()


class Terminal:
    """A terminal with a shell."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._ours, theirs = os.openpty()
        # The shell inherits ignored signals from the process that runs the tests, such as SIGHUP under nohup.
        self._shell = subprocess.Popen(
            ["env", "--default-signal=HUP", "setsid", "--ctty", "bash", "--norc", "-i"], cwd=ROOT, env=environ,
            stdin=theirs, stdout=theirs, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        self._seen = ""

    def run(self, line: str) -> dict[int, str]:
        """Type a command that starts a server, and return its processes once it serves."""
        os.write(self._ours, f"{line}\n".encode())
        wait_until(self._serves, START_SECONDS, lambda: "the ready line")
        return {self._shell.pid: "bash", **descendants(self._shell.pid)}

    def close(self) -> None:
        """Close the window."""
        os.close(self._ours)
        self._shell.wait(STOP_SECONDS)

    def _serves(self) -> bool:
        while select.select([self._ours], [], [], 0)[0]:
            self._seen += os.read(self._ours, 65536).decode(errors="replace")
        return "Chat Support is serving on" in self._seen


SERVER = shlex.join([sys.executable, *GUNICORN])


@pytest.mark.parametrize("line", [f"sh -c '{SERVER}; true'", f"{SERVER} &"], ids=["front", "back"])
def test_closing_the_terminal_ends_everything(tmp_path: Path, line: str) -> None:
    terminal = Terminal(environment(tmp_path))
    family = terminal.run(line)
    assert sum("mongod " in command for command in family.values()) == 1

    terminal.close()

    assert_nothing_left(family, STOP_SECONDS)


def test_under_nohup_the_server_keeps_running(tmp_path: Path) -> None:
    environ = environment(tmp_path)
    terminal = Terminal(environ)
    family = terminal.run(f"nohup {SERVER} | cat")
    (master,) = [pid for pid, command in family.items() if "gunicorn" in command and pid in family and is_master(pid)]

    terminal.close()

    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{environ['PORT']}/api/health", timeout=60) as response:
            assert response.status == 200
    finally:
        os.kill(master, signal.SIGTERM)
    assert_nothing_left(family, STOP_SECONDS)


def is_master(pid: int) -> bool:
    """Tell whether this gunicorn has workers."""
    return any("gunicorn" in command for command in descendants(pid).values())
