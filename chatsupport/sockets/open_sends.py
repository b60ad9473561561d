"""The messages of one socket that are being written.

A socket may send more before its last message is acknowledged. Its other events wait until its messages are
stored, so that to the client everything happens in the order it was sent.
"""

from __future__ import annotations

import threading

MAX_OPEN_SENDS = 50
"""How many messages of one socket may be in progress. If it sends more, it is not read until the first are stored.

Each brings it two packets, so that they all together are well below what its queue may hold.
"""


class OpenSends:
    """A count, and the greenlets that wait for it to fall."""

    __slots__ = ("_count", "_waiting")

    def __init__(self) -> None:
        self._count = 0
        self._waiting: list[threading.Lock] = []

    def begin(self) -> None:
        """Count a message."""
        self._count += 1

    def end(self) -> None:
        """Count one less, and wake the waiting greenlets."""
        self._count -= 1
        while self._waiting:
            self._waiting.pop().release()

    def wait_for_room(self) -> None:
        """Wait until one more may be sent."""
        self._wait(MAX_OPEN_SENDS - 1)

    def wait_for_all(self) -> None:
        """Wait until every message is stored, or has failed; the message log limits the time this takes."""
        self._wait(0)

    def _wait(self, at_most: int) -> None:
        while self._count > at_most:
            fallen = threading.Lock()
            fallen.acquire()
            self._waiting.append(fallen)
            if self._count > at_most:  # Threads, which only tests use, may have ended one since.
                fallen.acquire()
