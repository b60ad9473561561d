"""`flask --app wsgi …` as operators run it: a process of its own, beside a server."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import cache
from typing import Any

from tests import ROOT
from tests.e2e.server import Server

# Imports everything once, and forks for each command: most of a command's time goes into its imports.
FORKING = """
import atexit, json, os, sys
os.environ["EVENTLET_NO_GREENDNS"] = "yes"
import chatsupport.factory, engineio.async_drivers.threading, flask.cli
from chatsupport import feature, features
from tests import compiled_rules

feature.load(features.INSTALLED)
compiled_rules.compile_all()
for line in sys.stdin:
    arguments, environment, typed, printed = json.loads(line)
    child = os.fork()
    if not child:
        os.environ.clear()
        os.environ.update(environment)
        os.dup2(os.open(typed, os.O_RDONLY), 0)
        for number in (1, 2):
            os.dup2(os.open(printed, os.O_WRONLY | os.O_APPEND), number)
        sys.stdin = open(0)
        sys.stdout.reconfigure(write_through=True)
        sys.argv[:] = ["flask", "--app", "wsgi", *arguments]
        try:
            flask.cli.main()
        except SystemExit as end:
            # Taking everything apart would take as long as the command.
            atexit._run_exitfuncs()
            sys.stdout.flush()
            os._exit(end.code or 0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def run(server: Server, *arguments: str, typed: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the server's configuration, and return its output."""
    forking = _forking()
    with tempfile.NamedTemporaryFile("w") as given, tempfile.NamedTemporaryFile("r") as printed:
        given.write(typed)
        given.flush()
        forking.stdin.write(json.dumps([arguments, {**server.environment, **env}, given.name, printed.name]) + "\n")
        forking.stdin.flush()
        status = int(forking.stdout.readline())
        return subprocess.CompletedProcess(arguments, status, printed.read())


def options(server: Server, **env: str) -> dict[str, Any]:
    """Return the options of a process that imports everything itself: the server's environment, and output as text."""
    environment = {**server.environment, **env}
    return {"cwd": ROOT, "env": environment, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}


@cache
def _forking() -> Any:
    command = [sys.executable, "-W", "ignore", "-c", FORKING]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
