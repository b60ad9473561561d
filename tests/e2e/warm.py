"""Server processes that are forked from one that has imported everything: imports are most of the work of a start.

The process has imported what gunicorn's master and its worker import, patched for greenlets first as they are. A server
reads its configuration, forks its worker and makes its application itself. tests/e2e/lifecycle.py starts servers
without it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

from tests import ROOT

AT_IMPORT = ("PYTHONPATH", "CLOCK_SHIM", "EVENTLET_NO_GREENDNS")
"""The variables that have an effect when a module is imported. Servers that differ in them need different processes."""

# If pytest itself is killed, stdin ends here, and then the kernel ends the servers: PR_SET_PDEATHSIG (1).
FORKING = """
import atexit, ctypes, gc, json, os, queue, signal, sys, types, warnings

warnings.simplefilter("ignore")
import gunicorn.app.wsgiapp, gunicorn.arbiter

# A master makes its queue of signals before anything is patched. The patched queue cannot take a signal while it takes
# another, so the master would end where a test stops a server and lets it go on.
gunicorn.arbiter.queue = types.SimpleNamespace(SimpleQueue=queue.SimpleQueue, Empty=queue.Empty)
import gunicorn.workers.geventlet
from eventlet import hubs
import chatsupport.blueprints.headers, chatsupport.factory, chatsupport.shutdown, chatsupport.startup
import engineio.async_drivers.eventlet
import chatsupport.realtime.http_requests, chatsupport.realtime.master, chatsupport.realtime.worker
from chatsupport import feature, features
from tests import compiled_rules

feature.load(features.INSTALLED)
compiled_rules.compile_all()
gc.collect()
gc.freeze()


def start(environment, printed):
    child = os.fork()
    if child:
        return child
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    os.setsid()
    hubs.use_hub()
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number in (1, 2):
        os.dup2(os.open(printed, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), number)
    sys.argv[:] = ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
    try:
        gunicorn.app.wsgiapp.run(prog="gunicorn")
    except SystemExit as end:
        # Taking everything apart would take as long as the start.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(end.code or 0)


def poll(child):
    found, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


for line in sys.stdin:
    name, *arguments = json.loads(line)
    print(json.dumps({"start": start, "poll": poll}[name](*arguments)), flush=True)
"""


class Forked:
    """One server process: the part of `subprocess.Popen` that tests need."""

    def __init__(self, environment: dict[str, str], output: Path) -> None:
        inherited = tuple((name, environment[name]) for name in AT_IMPORT if name in environment)
        self._forking = _forking(inherited)
        self.pid: int = self._forking.ask("start", environment, str(output))
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        if self._status is None:
            self._status = self._forking.ask("poll", self.pid)
        return self._status

    def wait(self, timeout: float) -> int:
        """Return the exit status. Raises `TimeoutExpired`."""
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("gunicorn", timeout)
            time.sleep(0.01)
        return status

    def terminate(self) -> None:
        """Send SIGTERM."""
        os.kill(self.pid, signal.SIGTERM)


class Forking:
    """The process that forks servers. Any thread may ask it."""

    def __init__(self, inherited: tuple[tuple[str, str], ...]) -> None:
        environment = {name: text for name, text in os.environ.items() if name not in AT_IMPORT} | dict(inherited)
        command = [sys.executable, "-c", FORKING]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._mutex = threading.Lock()

    def ask(self, *request: Any) -> Any:
        """Make a request, and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._mutex:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())


_forking = cache(Forking)
