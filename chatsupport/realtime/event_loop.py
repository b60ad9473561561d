"""How busy the event loop is: a greenlet sleeps, and looks how late it is woken."""

from __future__ import annotations

import threading
import time

from chatsupport.extensions import socketio
from chatsupport.observability import metrics

INTERVAL_SECONDS = 0.25

_mutex = threading.Lock()
_runs = False


def watch() -> None:
    """Begin to measure, once in a process."""
    global _runs
    with _mutex:
        if _runs:
            return
        _runs = True
    socketio.start_background_task(_run)


def _run() -> None:
    while True:
        due = time.monotonic() + INTERVAL_SECONDS
        socketio.sleep(INTERVAL_SECONDS)
        metrics.LAG.observe(max(0.0, time.monotonic() - due))
