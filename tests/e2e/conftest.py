"""Fixtures of the end-to-end tests."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.followers import Followers
from tests.e2e.pairs import two_processes
from tests.e2e.raw import Peers
from tests.e2e.recording import Socket
from tests.e2e.rest import Curl, Rest
from tests.e2e.server import Server, Servers
from tests.e2e.sockets import JS_DIRECTORY, Node, NodeSocket, PythonSocket
from tests.e2e.valkey import Valkey

Connect = Callable[..., Socket]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show the output of the servers of a failed test."""
    report = yield
    if report.failed:  # type: ignore[attr-defined]
        for value in getattr(item, "funcargs", {}).values():
            servers = value.running if isinstance(value, Servers) else [value] if isinstance(value, Server) else []
            for server in servers:
                title = f"server on port {server.port}"
                report.sections.append((title, server.output(5_000)))  # type: ignore[attr-defined]
    return report


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """The process of the JavaScript clients."""
    install_node_modules(JS_DIRECTORY)
    node = Node()
    yield node
    node.stop()


@pytest.fixture(scope="module")
def followers(node: Node) -> Iterator[Followers]:
    """The Node process of the clients that use the recipe. `node` has installed their requirements."""
    followers = Followers()
    yield followers
    followers.stop()


def install_node_modules(directory: Path) -> None:
    """Run `npm ci` if the installed packages are older than the lock file."""
    installed = directory / "node_modules" / ".package-lock.json"
    wanted = directory / "package-lock.json"
    with open(wanted, encoding="utf-8") as lock:
        # The processes of pytest-xdist share the directory.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed.exists() and installed.stat().st_mtime >= wanted.stat().st_mtime:
            return
        command = ["npm", "ci", "--silent", "--no-audit", "--no-fund"]
        try:
            subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True, timeout=200)
        except (OSError, subprocess.SubprocessError) as error:
            output = getattr(error, "stderr", None) or ""
            pytest.fail(f"`npm ci` in {directory} failed: {error}\n{output}", pytrace=False)


@pytest.fixture(scope="module")
def servers(mongodb_uri: str, mongodb_db: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers with the settings that a test needs."""
    directory: Path = tmp_path_factory.mktemp("e2e")
    servers = Servers(directory, mongodb_uri, mongodb_db)
    yield servers
    servers.forget()


@pytest.fixture(scope="module")
def server(servers: Servers) -> Server:
    """A server for all tests of a module."""
    return servers.start()


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    """A Valkey for all tests of a module, which leave it running."""
    valkey = Valkey()
    valkey.start()
    yield valkey
    valkey.kill()


@pytest.fixture(scope="module")
def two_servers(servers: Servers, valkey: Valkey) -> Iterator[tuple[Server, Server]]:
    """Two processes that share a database and a Valkey, for all tests of a module."""
    with two_processes(servers, valkey) as both:
        yield both


@pytest.fixture
def operator(server: Server) -> Rest:
    """A REST client with the API key."""
    return server.operator()


@pytest.fixture
def curl() -> type[Rest]:
    """The most realistic REST client: the curl command, if it is installed."""
    return Curl if shutil.which("curl") else Rest


@pytest.fixture(params=[pytest.param("node", marks=pytest.mark.node), "python"])
def kind(request: pytest.FixtureRequest) -> str:
    """The name of a client library; the test runs with each."""
    name: str = request.param
    return name


@pytest.fixture
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Connect sockets of the kind "node" or "python". All are closed in the end."""
    sockets: list[Socket] = []

    def connect(kind: str, *args: Any, **kwargs: Any) -> Socket:
        if kind == "node":
            sockets.append(NodeSocket(request.getfixturevalue("node"), *args, **kwargs))
        else:
            sockets.append(PythonSocket(*args, **kwargs))
        return sockets[-1]

    yield connect
    for socket in sockets:
        socket.close()


@pytest.fixture
def peers(server: Server) -> Iterator[Peers]:
    """Open connections that send raw bytes. All are closed in the end."""
    peers = Peers(server.port)
    yield peers
    peers.close()
