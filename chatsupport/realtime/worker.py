"""Changes to gunicorn's eventlet worker: it is tied to its master, and ends gently."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import eventlet

from chatsupport.realtime import websocket
from chatsupport.realtime.client_socket import ClientSocket
from chatsupport.realtime.connections import connections
from chatsupport.realtime.master import ENDING, ignore_the_terminal

_NO_TIMEOUT = contextlib.nullcontext()


def begin(worker: Any) -> None:
    """Tie the worker to its master, and let signals end it at once until it serves. For gunicorn's `post_fork`."""
    for number in worker.SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    # Ctrl-C and the end of the terminal reach the worker too, but the master decides when it ends.
    ignore_the_terminal()
    worker.init_signals = lambda: None
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    if sys.platform == "linux":
        # PR_SET_PDEATHSIG: unlike the others, gunicorn's eventlet worker does not notice that its master was killed.
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
        if os.getppid() != worker.ppid:
            sys.exit(0)


def serve(worker: Any, drain: Callable[[], object], graceful_seconds: int) -> None:
    """Call `drain` on SIGTERM, before connections are closed. For gunicorn's `post_worker_init`."""
    from gunicorn.workers import geventlet  # This module is imported only after patching for greenlets.

    geventlet._eventlet_serve = connections.serve
    kind = type(worker)
    kind.is_already_handled = websocket.is_upgraded
    if not worker.cfg.is_ssl:
        geventlet.GreenSocket = ClientSocket
        kind.timeout_ctx = lambda _: _NO_TIMEOUT
        eventlet.spawn(connections.end_idle, worker.cfg.keepalive)
    kind.init_signals(worker)
    ignore_the_terminal()

    def leave(number: int, frame: object) -> None:
        # A signal handler must not wait, so a greenlet does the rest.
        if worker.alive:
            worker.alive = False
            # The master kills a worker that takes too long, but the master itself may have been killed.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(graceful_seconds)
            eventlet.spawn(_leave, drain)

    signal.signal(signal.SIGTERM, leave)
    # This is the order to hurry. Gunicorn's own handler raises SystemExit in a greenlet, which prints a traceback.
    signal.signal(signal.SIGQUIT, lambda number, frame: os._exit(0))


def _leave(drain: Callable[[], object]) -> None:
    drain()
    while True:
        # What is still open now is an idle keep-alive connection, a request that is being answered, or a client that
        # does not care. Not reading on ends the first and the last.
        eventlet.sleep(0.5)
        connections.stop_reading()
