"""The real server, started as users start it: gunicorn in its own process, on its own port."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pymongo

from tests.conftest import API_KEY, JWT_SECRET
from tests.e2e.rest import Rest
from tests.e2e.warm import Forked
from tests.freezing import freeze, thaw

ALLOWED_ORIGIN = "https://shop.example.com"
START_SECONDS = 90.0
STOP_SECONDS = 40.0

LIGHT = {"EVENTLET_NO_GREENDNS": "yes", "PYTHONPATH": str(Path(__file__).with_name("absent"))}
"""Lets servers start sooner: everything is on this machine, and `requests` is there for tests only.
Those of `make cluster` and the Procfile start without it.
"""

_numbers = itertools.count(1)
_ports: list[contextlib.ExitStack] = []
# These variables would change the server if they came from the shell that runs the tests.
_OURS = (
    "API_KEY APP_ENV ASYNC_MODE BASE_PATH DATA_DIR DEFAULT_AGENTS FRONTEND_URL FRONTEND_URLS GUNICORN_CMD_ARGS HOST "
    "IDENTITY_SECRET JWT_SECRET LOG_DIR LOG_LEVEL LOG_TO_FILES MAIL_AFTER MAIL_FROM MAX_BODY_BYTES METRICS_TOKEN "
    "MONGODB_DB MONGODB_URI NODE_ENV PORT PUBLIC_URL RATE_LIMITS REDIS_URL SLOW_MS SMTP_URL SOCKETIO_CLIENT_URL "
    "TRUSTED_PROXIES WORKER_CONNECTIONS"
).split()


class Server:
    """One server. `directory` has its output, logs and data, and `env` overrides its environment; {url} is its URL."""

    def __init__(self, directory: Path, mongodb_uri: str, mongodb_db: str, **env: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = env.get("MONGODB_DB", mongodb_db)
        self.log_dir = directory / "logs"
        self._output_file = directory / "output.txt"
        self._process: Forked | None = None
        inherited = {name: text for name, text in os.environ.items() if name not in _OURS}
        self.environment = {
            **inherited,
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
            "APP_ENV": "testing",
            "API_KEY": API_KEY,
            "JWT_SECRET": JWT_SECRET,
            "FRONTEND_URLS": ALLOWED_ORIGIN,
            "MONGODB_URI": mongodb_uri,
            "MONGODB_DB": mongodb_db,
            "DATA_DIR": str(directory / "data"),
            "LOG_DIR": str(self.log_dir),
            "RATE_LIMITS": "off",
            "SLOW_MS": "0",
            "PYTHONUNBUFFERED": "1",
            **LIGHT,
            **{name: text.replace("{url}", self.url) for name, text in env.items()},
        }

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = Forked(self.environment, self._output_file)
        wait_until(self._answers, START_SECONDS, lambda: f"the server did not start:\n{self.output()}")

    def kill(self) -> None:
        """End master and worker with SIGKILL, as when a machine loses power."""
        process, family = self._running(), self._process_ids()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_SECONDS)
        self._process = None
        # The worker may end after the master, and has the port until then.
        wait_until(lambda: not any(map(is_alive, family)))

    def freeze(self) -> None:
        """Stop master and worker without closing their connections."""
        for process_id in self._process_ids():
            freeze(process_id)

    def thaw(self) -> None:
        """Let them go on."""
        for process_id in self._process_ids():
            thaw(process_id)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop it for the block."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def terminate(self) -> int:
        """End it with SIGTERM, as a deployment does, and return its exit status."""
        process = self._running()
        process.terminate()
        status = process.wait(STOP_SECONDS)
        self._process = None
        return status

    def restart(self) -> None:
        """Start it again on the same port. End it first, if it runs."""
        if self._process is not None:
            self.terminate()
        self.start()

    @property
    def is_running(self) -> bool:
        """Whether it was started and has been neither killed nor terminated since."""
        return self._process is not None

    def clean_up(self) -> None:
        """End everything that is left of it. Safe to call at any time."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_SECONDS)
            self._process = None

    def output(self, characters: int = 1_000_000) -> str:
        """Return the end of its output."""
        if not self._output_file.exists():
            return ""
        return self._output_file.read_text(encoding="utf-8", errors="replace")[-characters:]

    def memory(self) -> float:
        """Return its memory, in MiB."""
        used: float = self.operator().get("/api/chat/stats").data["systemHealth"]["memory"]["used"]
        return used

    def anonymous(self, **headers: str) -> Rest:
        """Return a REST client with these headers."""
        return Rest(self.url, headers)

    def operator(self) -> Rest:
        """Return a REST client that holds the API key."""
        return self.anonymous(**{"X-API-Key": API_KEY})

    def bearer(self, token: str) -> Rest:
        """Return a REST client that holds this token."""
        return self.anonymous(Authorization=f"Bearer {token}")

    def _process_ids(self) -> list[int]:
        master = self._running().pid
        return [master, *map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split())]

    def _running(self) -> Forked:
        assert self._process is not None, "the server does not run"
        return self._process

    def _answers(self) -> bool:
        assert self._running().poll() is None, f"the server ended:\n{self.output()}"
        try:
            # 503 while the database is away counts as an answer.
            return self.anonymous().get("/api/health").status in (200, 503)
        except OSError:
            return False


class Servers:
    """Starts servers, and ends all of them."""

    def __init__(self, directory: Path, mongodb_uri: str, mongodb_db: str) -> None:
        self._directory = directory
        self._mongodb_uri = mongodb_uri
        self._mongodb_db = mongodb_db
        self._databases: list[str] = []
        self.running: list[Server] = []

    def start(self, **env: str) -> Server:
        """Start a server with its own database. `env` overrides its environment."""
        number = next(_numbers)
        database = f"{self._mongodb_db}-e2e-{number}"
        self._databases.append(database)
        server = Server(self._directory / f"server-{number}", self._mongodb_uri, database, **env)
        self.running.append(server)
        server.start()
        return server

    def clean_up(self) -> None:
        """End them all."""
        for server in self.running:
            server.clean_up()

    def forget(self) -> None:
        """End them all, and drop their databases."""
        self.clean_up()
        client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(self._mongodb_uri)
        for database in self._databases:
            client.drop_database(database)
        client.close()


def is_alive(pid: int) -> bool:
    """Tell whether this process has not ended yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def free_port(count: int = 1) -> int:
    """Return the first of `count` ports in a row that nobody listens on, and that no other process of tests gets as
    long as this one lives: its test would take whatever answers there for its own server. They lie below those that
    outgoing connections get.
    """
    directory = Path(tempfile.gettempdir()) / "chat-support-test-ports"
    directory.mkdir(exist_ok=True)
    for _ in range(100):
        first = 20_000 + int.from_bytes(os.urandom(2), "big") % 10_000
        with contextlib.ExitStack() as locks:
            try:
                for port in range(first, first + count):
                    lock = os.open(directory / str(port), os.O_WRONLY | os.O_CREAT)
                    locks.callback(os.close, lock)
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    with socket.socket() as probe:
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                        probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            _ports.append(locks.pop_all())
            return first
    raise RuntimeError("no free port between 20000 and 30000")


def wait_until(
    condition: Callable[[], object], seconds: float = 40.0, otherwise: Callable[[], str] = lambda: "it did not happen"
) -> None:
    """Wait for a condition that no event announces. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    pause = 0.01
    while not condition():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(pause)
        pause = min(0.2, pause * 1.3)  # Looking takes time too, of the machine on which it is to happen.
