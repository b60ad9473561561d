"""A server with its embedded MongoDB as a tree of processes, watched through /proc."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from tests import ROOT
from tests.concurrency import eventually
from tests.e2e.server import LIGHT, free_port, is_alive, wait_until

GUNICORN = ("-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app")
START_SECONDS = 90.0
STOP_SECONDS = 40.0


def descendants(pid: int) -> dict[int, str]:
    """Return the command lines of all descendants of a process, by process id."""
    found: dict[int, str] = {}
    # Any of them may end in the meantime.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                command = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                found |= {int(child): command, **descendants(int(child))}
    return found


def environment(directory: Path, **environ: str) -> dict[str, str]:
    """Return the complete environment of a server on a free port, with its data and logs in `directory`."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "MONGOD_BINARY")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "APP_ENV": "testing",
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "DATA_DIR": str(directory / "data"),
        "LOG_DIR": str(directory / "logs"),
        **LIGHT,
        **environ,
    }


class Server:
    """One server process with its own environment."""

    def __init__(self, directory: Path, *arguments: str, **environ: str) -> None:
        self.environ = environment(directory, **environ)
        self.port = int(self.environ["PORT"])
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, *(arguments or GUNICORN)],
            cwd=ROOT,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        # Read at once, so that a server that prints much never waits for a reader.
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
        wait_until(lambda: line in self._printed["out"] or ended() is not None, START_SECONDS, lambda: "the ready line")
        assert ended() is None, "".join(self._printed["err"])
        return self

    def family(self) -> dict[int, str]:
        """Return the command lines of the worker and of mongod."""
        return descendants(self.process.pid)

    def health(self) -> Any:
        """Return what it says of itself, once the database has answered within the seconds that it has for that."""

        def ask() -> Any:
            try:
                with urllib.request.urlopen(f"{self.url}/api/health", timeout=60) as response:
                    return json.load(response)
            except HTTPError as error:
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
                    raise
                return None

        answer = eventually(ask)
        assert answer is not None, "503 for 40 s"
        return answer

    def printed(self) -> str:
        """Return its output on stdout so far."""
        return "".join(list(self._printed["out"]))

    def interrupt(self) -> None:
        """Act like Ctrl-C in a terminal: send SIGINT to master and worker at once."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self, seconds: float = STOP_SECONDS) -> tuple[int, str, str]:
        """Wait for the end, and return the exit status with the output on stdout and stderr."""
        status = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(40)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return status, "".join(self._printed["out"]), "".join(self._printed["err"])


def assert_nothing_left(family: dict[int, str], seconds: float = STOP_SECONDS) -> None:
    left = lambda: [command for pid, command in family.items() if is_alive(pid)]  # noqa: E731
    wait_until(lambda: not left(), seconds, lambda: f"the end of {left()}")
