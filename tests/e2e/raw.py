"""Connections that say exactly what a test has them say, protocol or not."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import time
from dataclasses import dataclass, field

_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")


@dataclass
class Peer:
    """One TCP connection: what came back, and when it was closed (seconds since it was opened)."""

    socket: socket.socket
    opened: float = field(default_factory=time.monotonic)
    received: bytes = b""
    closed_after: float | None = None

    @classmethod
    def connect(cls, port: int, data: bytes = b"") -> Peer:
        """Connect and send."""
        peer = cls(socket.create_connection(("127.0.0.1", port), timeout=5))
        peer.send(data)
        return peer

    @property
    def statuses(self) -> list[int]:
        """The statuses of the answers that came."""
        return [int(status) for status in _STATUS.findall(self.received)]

    @property
    def is_closed(self) -> bool:
        return self.closed_after is not None

    def send(self, data: bytes) -> None:
        """Send; a peer that has closed does not matter."""
        with contextlib.suppress(OSError):
            self.socket.sendall(data)

    def read(self, seconds: float) -> Peer:
        """Read until the other side closes, for so many seconds at most."""
        read_all([self], seconds)
        return self

    def close(self) -> None:
        self.socket.close()

    def _take(self) -> None:
        try:
            data = self.socket.recv(65536)
        except OSError:
            data = b""
        self.received += data
        if not data:
            self.closed_after = time.monotonic() - self.opened


class Peers:
    """Connections to one server, closed together."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._opened: list[Peer] = []

    def open(self, data: bytes = b"") -> Peer:
        """Connect and send."""
        self._opened.append(Peer.connect(self.port, data))
        return self._opened[-1]

    def close(self) -> None:
        """Close them all."""
        for peer in self._opened:
            peer.close()


def read_all(peers: list[Peer], seconds: float) -> None:
    """Read from all of them until each is closed, for so many seconds at most."""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    by_number = {peer.socket.fileno(): peer for peer in peers if not peer.is_closed}
    for number in by_number:
        poll.register(number, select.POLLIN)
    while by_number and (left := deadline - time.monotonic()) > 0:
        for number, _ in poll.poll(left * 1000):
            by_number[number]._take()
            if by_number[number].is_closed:
                poll.unregister(number)
                del by_number[number]
