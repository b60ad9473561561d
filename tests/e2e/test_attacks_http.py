"""Invalid and incomplete requests to the real server, on this machine only."""

from __future__ import annotations

import json
import time

import pytest

from tests.e2e.raw import UPGRADE, Peers, read_all
from tests.e2e.server import Server

HEAD = b"POST /api/auth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
# An attacker wants this answered as a separate request.
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"

SMUGGLING = {
    "CL.TE": HEAD + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" + HIDDEN,
    "TE.CL": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n24\r\n" + HIDDEN + b"\r\n0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 0\r\nContent-Length: 36\r\n\r\n" + HIDDEN,
    "two equal lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + HIDDEN,
    "a list of lengths": HEAD + b"Content-Length: 2, 2\r\n\r\n{}" + HIDDEN,
    "a signed length": HEAD + b"Content-Length: +2\r\n\r\n{}" + HIDDEN,
    "a negative length": HEAD + b"Content-Length: -2\r\n\r\n{}" + HIDDEN,
    "a hexadecimal length": HEAD + b"Content-Length: 0x2\r\n\r\n{}" + HIDDEN,
    "a length with an underscore": HEAD + b"Content-Length: 0_2\r\n\r\n{}" + HIDDEN,
    "a space before the colon": HEAD + b"Content-Length : 2\r\n\r\n{}" + HIDDEN,
    "a folded line": HEAD + b"X-A: b\r\n Content-Length: 2\r\n\r\n{}" + HIDDEN,
    "a folded encoding": HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two encodings": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "an unknown encoding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "an encoding behind a vertical tab": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked is not the last encoding": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks in HTTP/1.0": HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a chunk size that is none": CHUNKED + b"zz\r\n\r\n" + HIDDEN,
    "a negative chunk size": CHUNKED + b"-1\r\n\r\n" + HIDDEN,
    "a chunk size with 0x": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a chunk size behind a space": CHUNKED + b" 2\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a chunk that is longer than it says": CHUNKED + b"2\r\n{}0\r\n\r\n" + HIDDEN,
    "chunks that end with LF only": CHUNKED + b"2\n{}\n0\n\n" + HIDDEN,
    "a CR in a chunk's extension": CHUNKED + b"2;a=\rb\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a LF in a chunk's extension": CHUNKED + b"2;a\n{}\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a LF in the last chunk's extension": CHUNKED + b"2\r\n{}\r\n0;\n\r\n\r\n" + HIDDEN,
    "a LF in a trailer": CHUNKED + b"2\r\n{}\r\n0\r\nA: b\nC: d\r\n\r\n" + HIDDEN,
    "a long chunk extension": CHUNKED + b"2;" + b"a" * 9000 + b"\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + HIDDEN,
    "the same host twice": b"GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n" + HIDDEN,
    "no host": b"GET / HTTP/1.1\r\nX-A: b\r\n\r\n" + HIDDEN,
    "a host with a path": b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n" + HIDDEN,
    "a host with somebody in it": b"GET / HTTP/1.1\r\nHost: a@x\r\n\r\n" + HIDDEN,
    "another host in the target": b"GET http://y/metrics HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN,
    "a path without a slash": b"GET metrics HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN,
    "a tunnel": b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN,
    "lines that end with LF only": HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 2\n\n{}" + HIDDEN,
    "a NUL in a header": HEAD + b"X-A: a\0b\r\nContent-Length: 2\r\n\r\n{}" + HIDDEN,
    "a CR in a header": HEAD + b"X-A: a\rb\r\nContent-Length: 2\r\n\r\n{}" + HIDDEN,
    "a space in a header's name": HEAD + b"X A: b\r\nContent-Length: 2\r\n\r\n{}" + HIDDEN,
    "no version": b"GET /\r\n\r\n" + HIDDEN,
    "HTTP/2 without a word before": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,
    "a long first line": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN,
    "a long header": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n" + HIDDEN,
    "long headers together": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: %b\r\n" % (b"a" * 7000) * 5 + b"\r\n" + HIDDEN,
    "many headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 500 + b"\r\n" + HIDDEN,
}

# The first part is sent at once, then these bytes one by one, a second apart.
SLOW: dict[str, tuple[bytes, bytes]] = {
    "nothing at all": (b"", b""),
    "half a first line": (b"GET /api/he", b""),
    "a header that never ends": (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ", b"a" * 60),
    "headers that never end": (b"GET / HTTP/1.1\r\nHost: x\r\n", b"A:b\r\n" * 60),
    "a body that never comes": (HEAD + b"Content-Length: 20\r\n\r\n", b""),
    "a body that comes slowly": (HEAD + b"Content-Length: 60000\r\n\r\n{", b" " * 60),
    "a chunk that never comes": (CHUNKED, b""),
    "chunks that come slowly": (CHUNKED + b"ff\r\n", b" " * 60),
    "a chunk size that never ends": (CHUNKED, b"0" * 60),
    "a huge chunk": (CHUNKED + b"FFFFFFFFFFFFFFFFF\r\n", b"{" * 60),
    "trailers that never end": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"A:b\r\n" * 60),
    "a body that nobody reads": (b"POST /api/nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n", b" " * 60),
    "a body for a polling client that is none": (
        b"POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n",
        b" " * 60,
    ),
    "half a websocket handshake": (
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nUpgrade: websocket\r\n",
        b"",
    ),
}


@pytest.mark.parametrize("case", SMUGGLING)
def test_no_request_can_be_smuggled(peers: Peers, case: str) -> None:
    peer = peers.open(SMUGGLING[case]).read()

    assert peer.is_closed, (case, peer.received)
    (status,) = peer.statuses
    assert status in (400, 413, 431, 501), (case, peer.received)
    assert b"/hidden" not in peer.received
    head, _, body = peer.received.partition(b"\r\n\r\n")
    envelope = json.loads(body)
    assert envelope["success"] is False
    assert f"X-Request-ID: {envelope['requestId']}".encode() in head
    for header in (b"X-Content-Type-Options: nosniff", b"Content-Security-Policy: "):
        assert header in head
    assert b"\nServer:" not in head
    assert b"gunicorn" not in peer.received.lower()


def test_pipelined_requests_are_answered_in_order(peers: Peers) -> None:
    first = HEAD + b'Content-Length: 15\r\n\r\n{"userId":"u1"}'
    chunked = CHUNKED + b'8\r\n{"userId\r\n7\r\n":"u2"}\r\n0\r\n\r\n'

    last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    peer = peers.open(first + chunked + HIDDEN + last)

    assert peer.read().statuses == [201, 201, 404, 200]
    assert b"\nServer:" not in peer.received


def test_a_websocket_without_connection_upgrade_is_refused(server: Server, peers: Peers) -> None:
    """Some proxies drop this header and not the other."""
    requests = [UPGRADE.replace(b"Connection: Upgrade\r\n", other) for other in (b"", b"Connection: keep-alive\r\n")]
    peer = peers.open(b"\r\n".join([*requests, b""]))

    assert peer.answers(2) == [400, 400]
    assert b"Invalid websocket upgrade" in peer.received
    assert "Traceback" not in server.output()


def test_a_target_may_name_the_host_and_a_path_has_one_spelling(peers: Peers) -> None:
    targets = [b"http://X/api/health", b"/metrics", b"//metrics", b"/%2fmetrics", b"//x/metrics", b"///metrics", b"*"]
    peer = peers.open(b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target for target in targets))

    assert peer.answers(7) == [200, 200, *[404] * 5]
    old = peers.open(b"GET /api/health HTTP/1.0\r\n\r\n")
    assert old.read().received.startswith(b"HTTP/1.0 200 ")


def test_an_encoded_slash_is_part_of_a_name(peers: Peers) -> None:
    expected = {
        b"/api%2fhealth": 404,
        b"/%2Fapi/health": 404,
        b"http://x/api%2Fhealth": 404,
        b"/socket.io%2F?EIO=4&transport=polling": 404,
        b"/api%2fusers/u1/export": 404,
        b"/api/users%2Fu1/export": 404,
        b"/api/users/u1%2Fexport": 405,
        b"/api/users/%2flead%2f/export": 401,
        b"http://x/api/users/a%2Fb/export?x=%2F": 401,
        b"/api/%75sers/\xc3\xbc%2F/export": 401,
        b"/api/he%61lth": 200,
        b"/api/health?x=%2F": 200,
    }
    peer = peers.open(b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target for target in expected))

    assert dict(zip(expected, peer.answers(len(expected)), strict=True)) == expected


def test_a_chunk_may_say_more_than_its_size(peers: Peers) -> None:
    whole = CHUNKED + b'f;a="b"\r\n{"userId":"u1"}\r\n0;c\r\nX-Trailer: d\r\n\r\n'
    peer = peers.open(whole)
    assert peer.answers(1) == [201]
    # However its bytes arrive.
    for byte in whole:
        peer.send(bytes([byte]))
        time.sleep(0.001)
    assert peer.answers(2) == [201, 201]


def test_a_body_that_is_too_large_is_refused(peers: Peers) -> None:
    said = peers.open(HEAD + b"Content-Length: 99999999\r\n\r\n")
    sent = peers.open(CHUNKED + b"".join(b"1000\r\n" + b" " * 4096 + b"\r\n" for _ in range(20)))
    sent.send(b"0\r\n\r\n")

    assert said.answers(1) == [413]
    assert sent.answers(1) == [413]


def test_a_truncated_body_is_not_accepted(peers: Peers) -> None:
    peer = peers.open(HEAD + b'Content-Length: 90\r\n\r\n{"userId":"u1"}')
    peer.socket.shutdown(1)

    assert peer.answers(1) == [400]


def test_the_server_does_not_wait_for_half_a_request(server: Server, peers: Peers) -> None:
    # A client that is idle between two requests is not one of these, and neither is one that waits for its long poll.
    idle = peers.open(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert idle.answers(1) == [200]
    slow = {case: peers.open(first) for case, (first, _) in SLOW.items()}
    rest = {case: trickle for case, (_, trickle) in SLOW.items()}

    # Each could go on for a minute, or for ever. The server gives all of them up long before.
    for _ in range(50):
        read_all(list(slow.values()), 1)
        for case, peer in slow.items():
            if not peer.is_closed:
                peer.send(rest[case][:5] if rest[case].startswith(b"A:b") else rest[case][:1])
                rest[case] = rest[case][5:] if rest[case].startswith(b"A:b") else rest[case][1:]
        assert server.anonymous().get("/api/health").status == 200
        if all(peer.is_closed for peer in slow.values()):
            break

    for case, peer in slow.items():
        assert peer.is_closed, (case, peer.received)
        assert not [status for status in peer.statuses if status not in (400, 404)], (case, peer.received)
    idle.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert idle.answers(2) == [200, 200]


def test_a_slow_request_that_ends_in_time_is_answered(peers: Peers) -> None:
    peer = peers.open(HEAD + b"Content-Length: 15\r\n\r\n")
    for byte in b'{"userId"':
        peer.send(bytes([byte]))
        time.sleep(0.6)
    peer.send(b':"u1"}')

    assert peer.answers(1) == [201]
    # And the next request has its own time.
    peer.send(HEAD + b"Content-Length: 15\r\n\r\n")
    time.sleep(5.4)
    peer.send(b'{"userId":"u1"}')
    assert peer.answers(2) == [201, 201]
