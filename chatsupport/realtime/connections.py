"""Count the clients' connections of this process: gunicorn counts greenlets, and an idle websocket has none."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

import eventlet
from eventlet.semaphore import Semaphore

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
LOOK_SECONDS = 1.0


class Connections:
    """The open sockets."""

    def __init__(self) -> None:
        self._open: set[Any] = set()
        self._free: Any = None
        self._idle: dict[Any, float] = {}

    def serve(self, listener: Any, handle: Callable[[Any, Any], object], limit: int) -> None:
        """Accept connections up to a limit, until `StopServe`. Returns when the last one is closed.

        It is called in place of gunicorn's own function.
        """
        free = self._free = self._free or Semaphore(limit)
        try:
            while True:
                free.acquire()
                self._accept(listener, handle)
        except eventlet.StopServe:
            listener.close()
        while self._open:
            eventlet.sleep(0.05)

    def keep(self, client: Any) -> Any:
        """Return a connection's socket as one that counts as open until it is discarded."""
        kept = client.dup()
        if client in self._open:
            self._open.remove(client)
            self._open.add(kept)
        return kept

    def discard(self, client: Any) -> None:
        """Stop counting a closed socket."""
        if client in self._open:
            self._open.remove(client)
            self._free.release()

    def read_next(self, client: Any, size: int) -> bytes:
        """Wait for the first bytes of a connection's next request. It is idle as long as they do not come."""
        self._idle[client] = time.monotonic()
        try:
            data: bytes = client.recv(size)
        finally:
            del self._idle[client]
        return data

    def end_idle(self, seconds: float) -> None:
        """End connections that have been idle for so long; look for them for ever.

        Gunicorn sets a timer for each request, and nearly always has to take it back.
        """
        while True:
            eventlet.sleep(LOOK_SECONDS)
            began = time.monotonic() - seconds
            self._stop_reading([client for client, since in self._idle.items() if since <= began])

    def stop_reading(self) -> None:
        """End all connections as if the clients had ended them. Answers in progress can still be sent."""
        self._stop_reading(self._open)

    def _stop_reading(self, clients: Iterable[Any]) -> None:
        for client in list(clients):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RD)

    def _accept(self, listener: Any, handle: Callable[[Any, Any], object]) -> None:
        try:
            client, address = listener.accept()
        except OSError as error:
            # Probably no file descriptor is left. gunicorn's own function would accept no connection from now on.
            logger.error("A connection could not be accepted: %s", error.strerror or error)
            self._free.release()
            eventlet.sleep(RETRY_SECONDS)
            return
        self._open.add(client)
        eventlet.spawn(self._handle, listener, handle, client, address)

    def _handle(self, listener: Any, handle: Callable[[Any, Any], object], client: Any, address: Any) -> None:
        try:
            # If it was accepted just before the listener was closed, gunicorn would log a traceback.
            if listener.fileno() >= 0:
                handle(client, address)
        finally:
            client.close()
            self.discard(client)


connections = Connections()
