"""`flask --app wsgi …` as operators run it: a process of its own, beside a server."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from tests import ROOT
from tests.e2e.server import Server


def run(
    server: Server, *arguments: str, timeout: float = 60.0, typed: str | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a command with the server's configuration, and return its output."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
    return subprocess.run(command, timeout=timeout, check=False, input=typed, **options(server, **env))


def options(server: Server, **env: str) -> dict[str, Any]:
    """Return the options of a command's process: the server's environment, and output as text."""
    environment = {**server.environment, **env}
    return {"cwd": ROOT, "env": environment, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
