"""The channels of Redis to which this process listens: one that all processes share, and one for each session that
somebody here has joined. So the events of a session reach only the processes that need them.

One greenlet reads. Another one subscribes and unsubscribes, so that a connection that takes nothing holds up nobody who
joins. A joining socket waits until Redis has confirmed the channel, for a moment at most, so that it misses no event
between its history and its first event. It also waits before the first connection to Redis. While Redis is away nobody
waits, and `session_sync` tells clients what they have missed.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from chatsupport.extensions import socketio

logger = logging.getLogger(__name__)

CONFIRM_SECONDS = 1.0
"""How long a joining socket waits for Redis."""
PAUSE_SECONDS = 5.0
"""How long joining sockets skip waiting after Redis did not confirm in time."""
MAX_CHANNELS = 500
"""How many channels go into one command."""


@dataclass
class _Link:
    """A connection, and the commands (name, channel) that are to be sent on it. Each connection has a link of its own,
    because a connection that hangs may hold the greenlet that writes to it for ever.
    """

    connection: Any
    orders: deque[tuple[str, str]] = field(default_factory=deque)
    is_sending: bool = False


class RoomChannels:
    """The channels of one process. `shared` is the one it always listens to."""

    def __init__(self, shared: str, connect: Callable[[], Any]) -> None:
        self._shared = shared
        self._connect = connect
        self._uses: dict[str, int] = {}
        self._unconfirmed: dict[str, int] = {}
        self._waiting: dict[str, list[threading.Lock]] = {}
        self._link: _Link | None = None
        self._is_away = False
        self._paused_until = 0.0

    def add(self, channel: str) -> None:
        """Listen to a channel, until it is removed as often as it was added."""
        uses = self._uses.get(channel, 0)
        self._uses[channel] = uses + 1
        if not uses:
            self._order("SUBSCRIBE", channel)

    def remove(self, channel: str) -> None:
        """Stop listening to a channel, unless it was added more often than removed."""
        uses = self._uses[channel] - 1
        if uses:
            self._uses[channel] = uses
        else:
            del self._uses[channel]
            self._order("UNSUBSCRIBE", channel)

    @contextlib.contextmanager
    def hold(self, channel: str) -> Iterator[None]:
        """Listen to a channel for the length of the block, which begins when Redis has confirmed that."""
        self.add(channel)
        try:
            self._wait_for(channel)
            yield
        finally:
            self.remove(channel)

    def listen(self) -> Iterator[bytes]:
        """Yield the published texts. Raises the error that ends the connection."""
        connection: Any = None
        try:
            connection = self._connect()
            self._is_away, self._link = False, _Link(connection)
            for channel in [self._shared, *self._uses]:
                self._order("SUBSCRIBE", channel)
            while True:
                kind, channel, data = connection.read_response()[:3]
                if kind == b"message":
                    yield data
                elif kind == b"subscribe":
                    self._confirm(channel.decode())
        finally:
            self._is_away, self._link = True, None
            self._unconfirmed.clear()
            for channel in list(self._waiting):
                self._wake(channel)
            if connection is not None:
                connection.disconnect()

    def _order(self, command: str, channel: str) -> None:
        link = self._link
        if link is None:
            return  # The next connection begins with all channels that are then in use.
        if command == "SUBSCRIBE":
            self._unconfirmed[channel] = self._unconfirmed.get(channel, 0) + 1
        link.orders.append((command, channel))
        if not link.is_sending:
            link.is_sending = True
            socketio.start_background_task(_send_all, link)

    def _wait_for(self, channel: str) -> None:
        deadline = time.monotonic() + CONFIRM_SECONDS
        if time.monotonic() < self._paused_until:
            return
        while channel in self._unconfirmed or (self._link is None and not self._is_away):
            confirmed = threading.Lock()
            confirmed.acquire()
            self._waiting.setdefault(channel, []).append(confirmed)
            if not confirmed.acquire(timeout=max(0.0, deadline - time.monotonic())):
                self._paused_until = time.monotonic() + PAUSE_SECONDS
                logger.warning("Redis does not confirm a channel; nobody waits for it for a while")
                return

    def _confirm(self, channel: str) -> None:
        """Count a confirmation. A channel that was ordered, cancelled and ordered again still expects another one."""
        missing = self._unconfirmed.get(channel, 0) - 1
        if missing > 0:
            self._unconfirmed[channel] = missing
        else:
            self._unconfirmed.pop(channel, None)
            self._wake(channel)

    def _wake(self, channel: str) -> None:
        for waiting in self._waiting.pop(channel, ()):
            waiting.release()


def _send_all(link: _Link) -> None:
    """Send orders, those of one kind that follow each other in one command, until there are none.

    The greenlet that reads the answers cleans up after a failure.
    """
    try:
        while link.orders:
            command, channel = link.orders.popleft()
            channels = [channel]
            while link.orders and link.orders[0][0] == command and len(channels) < MAX_CHANNELS:
                channels.append(link.orders.popleft()[1])
            for part in link.connection.pack_command(command, *channels):
                link.connection._sock.sendall(part)
    except (OSError, AttributeError):  # redis-py has no socket any more if the reader has just given it up.
        with contextlib.suppress(OSError, AttributeError):
            link.connection._sock.shutdown(socket.SHUT_RDWR)
    link.is_sending = False
