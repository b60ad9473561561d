"""Attacks by websockets and credentials on the real server, on this machine only."""

from __future__ import annotations

import json
import struct
import zlib

from tests.conftest import API_KEY
from tests.e2e.raw import Peers, frame, read_all, read_until, websocket
from tests.e2e.server import Server

CONNECT = b"40" + json.dumps({"apiKey": API_KEY}).encode()
MIB = 1024 * 1024


def test_fragments_are_counted_together(server: Server, peers: Peers) -> None:
    before = server.memory()
    attackers = [websocket(peers) for _ in range(20)]
    for attacker in attackers:
        attacker.send(frame(b"4" * 16_000, final=False))
    # It would be 20 × 16 MB if they were kept.
    for _ in range(1000):
        for attacker in attackers:
            if not attacker.is_closed:
                attacker.send(frame(b"4" * 16_000, opcode=0, final=False))
        read_all(attackers, 0.001)
        if all(attacker.is_closed for attacker in attackers):
            break
    assert all(attacker.is_closed for attacker in attackers)
    assert server.memory() - before < 40


def test_no_extension_is_negotiated_and_a_compressed_frame_ends_the_connection(server: Server, peers: Peers) -> None:
    bomb = zlib.compressobj(9, wbits=-15)
    data = bomb.compress(bytes(60 * MIB)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    before = server.memory()

    attacker = websocket(peers, headers=b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")

    assert b"sec-websocket-extensions" not in attacker.received.lower()
    attacker.send(frame(data[:60_000], reserved=0x40))
    assert attacker.read().is_closed
    # A compressed body of a request is not unpacked either.
    head = b"POST /api/auth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
    body = zlib.compress(json.dumps({"userId": "u" * 100}).encode())
    answered = peers.open(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert answered.answers(1) == [400]
    assert server.memory() - before < 20


def test_binary_parts_are_not_collected(server: Server, peers: Peers) -> None:
    before = server.memory()
    attacker = websocket(peers, frame(CONNECT))
    read_until(attacker, b'40{"sid"')
    attacker.send(frame(b'451000000000-7["send_message",{"_placeholder":true,"num":0}]'))
    for _ in range(500):
        attacker.send(frame(bytes(60_000), opcode=2))
    attacker.send(frame(b'4299["leave_session",{"sessionId":"none"}]'))
    # The client is told, and can continue.
    assert b"INVALID_JSON" in read_until(attacker, b"4399[").partition(b"4399[")[0]
    assert b"437[" in attacker.received
    assert server.memory() - before < 20


def test_a_frame_that_announces_too_much_is_refused_at_once(peers: Peers) -> None:
    for length in (65_537, 2**31, 2**63 - 1):
        attacker = websocket(peers, struct.pack("!BBQ", 0x81, 0x80 | 127, length) + bytes(4))
        assert attacker.read().is_closed


def test_sockets_that_do_not_finish_connecting_are_closed(server: Server, peers: Peers) -> None:
    silent = websocket(peers)
    refused = websocket(peers, frame(b'40{"token":"x"}'))
    unfinished = websocket(peers, frame(b"4", final=False))
    alive = websocket(peers, frame(CONNECT))
    left = websocket(peers, frame(CONNECT), frame(b"41"))
    polling = peers.open(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n")
    read_until(polling, b"}")
    sid = json.loads(polling.received[polling.received.index(b"{") : polling.received.rindex(b"}") + 1])["sid"]

    read_all([silent, refused, unfinished, left], 40)

    for peer in (silent, refused, unfinished, left):
        assert peer.closed_after is not None
        assert peer.closed_after > 9
    # It may be closed a second later than the others, and then a poll that waits just then is answered.
    for polls in (2, 3):
        polling.send(b"GET /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\n\r\n" % sid.encode())
        if polling.answers(polls)[-1] == 400:
            break
    assert polling.statuses[-1] == 400
    alive.send(frame(b'4299["leave_session",{"sessionId":"none"}]'))
    read_until(alive, b"4399[")
