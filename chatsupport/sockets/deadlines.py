"""Close sockets whose token has expired, and those that do not finish connecting.

One greenlet checks all of them, once a second.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections import deque

from chatsupport.background import Throttled
from chatsupport.database import clock
from chatsupport.errors import TokenExpiredError
from chatsupport.realtime import server
from chatsupport.sockets import connections, strangers
from chatsupport.sockets.connections import Connection

logger = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0
"""How long an Engine.IO connection has to finish Socket.IO's CONNECT."""
LOOK_SECONDS = 1.0
_SPARE = 1024

_expiring: list[tuple[float, str]] = []
"""When each socket's token expires, in seconds since the epoch, the next one first. Closed sockets stay in the list."""
_handshakes: deque[tuple[float, str]] = deque()


def watch_token(connection: Connection) -> None:
    """Close the socket when its token expires."""
    expires_at = connection.caller.expires_at
    if expires_at is not None:
        heapq.heappush(_expiring, (expires_at, connection.sid))
        _look_later()


def watch_handshake(eio_sid: str) -> None:
    """Close the Engine.IO connection unless it has a Socket.IO connection in `HANDSHAKE_SECONDS`."""
    _handshakes.append((time.monotonic() + HANDSHAKE_SECONDS, eio_sid))
    _look_later()


def look() -> None:
    """Close the sockets whose time is over."""
    while _expiring and _expiring[0][0] <= clock.timestamp():
        connection = connections.find(heapq.heappop(_expiring)[1])
        if connection is not None:
            _close(connection)
    if len(_expiring) > 2 * connections.count() + _SPARE or not connections.count():
        _forget_the_gone()
    while _handshakes and _handshakes[0][0] <= time.monotonic():
        _end_unless_connected(_handshakes.popleft()[1])
    if _expiring or _handshakes:
        _look_later()


_look_later = Throttled(look, LOOK_SECONDS)


def _close(connection: Connection) -> None:
    error = TokenExpiredError("The token has expired. Get a new one and connect again.")
    try:
        connections.close(connection, error)
    except Exception:
        logger.exception("A socket whose token has expired could not be closed")


def _forget_the_gone() -> None:
    _expiring[:] = [entry for entry in _expiring if connections.find(entry[1]) is not None]
    heapq.heapify(_expiring)


def _end_unless_connected(eio_sid: str) -> None:
    if not server.is_open(eio_sid):
        return
    is_used = server.is_used(eio_sid)
    if is_used is None:
        watch_handshake(eio_sid)  # Its credentials are being checked.
    elif not is_used:
        strangers.note(eio_sid, "A socket did not finish connecting", event="handshake_timeout")
        try:
            server.cut(eio_sid)
        except Exception:
            logger.exception("A socket that did not finish connecting could not be closed")
