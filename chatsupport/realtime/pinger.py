"""Everybody's pings, sent by one greenlet."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import Any, Protocol

from engineio.exceptions import SocketIsClosedError

logger = logging.getLogger(__name__)


class Pinged(Protocol):
    """A connection that can be pinged."""

    def ping(self) -> None:
        """Send a ping now. Raises `SocketIsClosedError`."""


class Pinger:
    """Sends everybody's pings. All wait equally long, so who was scheduled first is due first."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._due: deque[tuple[float, Pinged]] = deque()
        self._runs = False

    def schedule(self, socket: Pinged) -> None:
        """Ping the connection after the ping interval."""
        self._due.append((time.monotonic() + self._server.ping_interval, socket))
        if not self._runs:
            self._runs = True
            self._server.start_background_task(self._run)

    def _run(self) -> None:
        while self._due:
            due, socket = self._due[0]
            wait = due - time.monotonic()
            if wait > 0:
                # At least a moment, so that those due together are pinged together.
                self._server.sleep(max(wait, 0.05))
                continue
            self._due.popleft()
            try:
                socket.ping()
            except SocketIsClosedError:
                pass
            except Exception:
                logger.exception("A ping could not be sent")
        self._runs = False


def pinger_of(server: Any) -> Pinger:
    """Return the one that sends this server's pings."""
    pinger: Pinger | None = getattr(server, "pinger", None)
    if pinger is None:
        pinger = server.pinger = Pinger(server)
    return pinger
