"""Connections that send exactly a test's bytes, whether or not they follow the protocol, and websockets by frame."""

from __future__ import annotations

import base64
import contextlib
import re
import select
import socket
import struct
import time
from dataclasses import dataclass, field

PATIENCE_SECONDS = 40.0
_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")


@dataclass
class Peer:
    """One TCP connection: the received bytes, and when it was closed (seconds since it was opened)."""

    socket: socket.socket
    opened: float = field(default_factory=time.monotonic)
    received: bytes = b""
    closed_after: float | None = None

    @classmethod
    def connect(cls, port: int, data: bytes = b"") -> Peer:
        """Connect and send."""
        peer = cls(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS))
        peer.send(data)
        return peer

    @property
    def statuses(self) -> list[int]:
        """The statuses of the received answers."""
        return [int(status) for status in _STATUS.findall(self.received)]

    @property
    def is_closed(self) -> bool:
        return self.closed_after is not None

    def send(self, data: bytes) -> None:
        """Send. It does not matter if the peer has closed."""
        with contextlib.suppress(OSError):
            self.socket.sendall(data)

    def read(self, seconds: float = PATIENCE_SECONDS) -> Peer:
        """Read until the other side closes, for at most this many seconds."""
        read_all([self], seconds)
        return self

    def answers(self, count: int) -> list[int]:
        """Read until so many answers have begun, or the other side closes. Returns all statuses."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.statuses) < count and not self.is_closed and time.monotonic() < deadline:
            read_all([self], 0.02)
        read_all([self], 0.02)
        return self.statuses

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
    """Read from all of them until each is closed, for at most this many seconds."""
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


UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(b"0123456789abcdef") + b"\r\n"
)


def frame(data: bytes, opcode: int = 1, *, final: bool = True, reserved: int = 0) -> bytes:
    """Make a client's websocket frame. The mask is four zeros."""
    head = struct.pack("!B", (0x80 if final else 0) | reserved | opcode)
    if len(data) < 126:
        return head + struct.pack("!B", 0x80 | len(data)) + bytes(4) + data
    if len(data) < 65536:
        return head + struct.pack("!BH", 0x80 | 126, len(data)) + bytes(4) + data
    return head + struct.pack("!BQ", 0x80 | 127, len(data)) + bytes(4) + data


def websocket(peers: Peers, *frames: bytes, headers: bytes = b"") -> Peer:
    """Open a websocket and send frames."""
    peer = peers.open(UPGRADE + headers + b"\r\n")
    read_until(peer, b'0{"sid"')
    peer.send(b"".join(frames))
    return peer


def read_until(peer: Peer, text: bytes, seconds: float = PATIENCE_SECONDS) -> bytes:
    """Read until this text has arrived."""
    deadline = time.monotonic() + seconds
    while text not in peer.received and not peer.is_closed:
        assert time.monotonic() < deadline, (text, peer.received[-500:])
        read_all([peer], 0.02)
    assert text in peer.received, (text, peer.received[-500:])
    return peer.received
