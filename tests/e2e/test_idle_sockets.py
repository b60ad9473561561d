"""Websockets that say nothing: they have no greenlet, and count, end and are ended all the same."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator

import pytest

from tests.conftest import API_KEY
from tests.e2e.raw import Peer, Peers, frame, read_all, read_until, websocket
from tests.e2e.server import Server, Servers, wait_until

LIMIT = 10
CONNECT = b"40" + json.dumps({"apiKey": API_KEY}).encode()
HEALTH = b"GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def small(servers: Servers) -> Server:
    """A server that takes few connections."""
    return servers.start(WORKER_CONNECTIONS=str(LIMIT))


@pytest.fixture
def peers(small: Server) -> Iterator[Peers]:
    peers = Peers(small.port)
    yield peers
    peers.close()


def idle(peers: Peers) -> Peer:
    """Connect, and say nothing more."""
    peer = websocket(peers, frame(CONNECT))
    read_until(peer, b'40{"sid"')
    return peer


def vanish(peer: Peer) -> None:
    """Reset the connection, as a machine does that comes back and knows of none."""
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def test_idle_sockets_count_until_they_are_gone(small: Server, peers: Peers) -> None:
    for _ in range(2):
        opened = [idle(peers) for _ in range(LIMIT)]
        late = peers.open(HEALTH).read(0.5)
        assert (late.received, late.is_closed) == (b"", False)
        gone = small.output().count('"Disconnected"')

        vanish(opened.pop())
        assert late.read().statuses == [200]

        for peer in opened:
            vanish(peer)
        wait_until(lambda before=gone: small.output().count('"Disconnected"') == before + LIMIT)
    assert "Traceback" not in small.output()


def test_one_byte_at_a_time_is_an_event_at_last_and_holds_nobody_up(peers: Peers) -> None:
    slow, other = idle(peers), idle(peers)
    event = frame(b'421["leave_session",{"sessionId":"none"}]')
    for number, byte in enumerate(event):
        slow.send(bytes([byte]))
        if number % 10 == 0:
            other.received = b""
            other.send(event)
            read_until(other, b"431[")
    read_until(slow, b"431[")


def test_each_is_told_when_the_server_ends(small: Server, peers: Peers) -> None:
    opened = [idle(peers) for _ in range(LIMIT)]
    opened[0].send(frame(b'42["leave_session"')[:9])

    assert small.terminate() == 0

    read_all(opened, 40)
    assert {peer.is_closed for peer in opened} == {True}
    assert {b"\x01\x31" in peer.received[-10:] and peer.received.endswith(b"\x88\x00") for peer in opened} == {True}
    assert small.output().count('"Disconnected"') == small.output().count('"Connected"')
    assert "Traceback" not in small.output()
