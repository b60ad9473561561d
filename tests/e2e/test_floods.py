"""Strangers and visitors who send as much as they can to a server with limits, on this machine only.

Each test uses its own addresses, which the server gets as from a proxy.
"""

from __future__ import annotations

import itertools
import json
import urllib.request
from typing import Any

import pytest

from tests.api import make_token
from tests.conftest import API_KEY
from tests.e2e.conftest import Connect
from tests.e2e.raw import UPGRADE, Peer, Peers, frame, read_until, websocket
from tests.e2e.server import Server, Servers, wait_until
from tests.scraping import Scrape

_addresses = (f"198.51.{number // 250}.{number % 250 + 1}" for number in itertools.count())
OPEN = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\n"


@pytest.fixture(scope="module")
def server(servers: Servers) -> Server:
    return servers.start(
        TRUSTED_PROXIES="1",
        RATE_LIMITS="on",
        RATE_LIMIT_CONNECTIONS="1000/minute",
        RATE_LIMIT_EVENTS="30/minute",
        RATE_LIMIT_ANSWERS="300000/minute",
        RATE_LIMIT_STRAY_PACKETS="300/minute",
        RATE_LIMIT_LOG_LINES="50/minute",
        MAX_UNFINISHED_SOCKETS_PER_ADDRESS="20",
        SEND_TIMEOUT="2",
        LOG_TO_FILES="1",
    )


def stranger(peers: Peers, *frames: bytes, address: str | None = None) -> Peer:
    """Open a websocket from its own address."""
    header = f"X-Forwarded-For: {address or next(_addresses)}\r\n"
    return websocket(peers, *frames, headers=header.encode())


def visitor(peers: Peers, user_id: str) -> Peer:
    peer = stranger(peers, frame(b"40" + json.dumps({"token": make_token(user_id)}).encode()))
    read_until(peer, b'40{"sid"')
    return peer


def event(name: str, payload: dict[str, Any], acknowledgement: int | None = 1) -> bytes:
    number = "" if acknowledgement is None else str(acknowledgement)
    return frame(f"42{number}{json.dumps([name, payload])}".encode())


def lines(server: Server, name: str = "app.log") -> list[dict[str, Any]]:
    path = server.log_dir / name
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


STRAYS: list[bytes] = [
    *(frame(bytes([first])) for first in b"0123456789bx"),
    *(
        frame(b"4" + rest)
        for rest in [b"", b"1", b"2", b'2["join_session",{}]', b"3", b"31[]", b"4", b'4{"a":1}', b"5"]
    ),
    *(frame(b"4" + rest) for rest in [b'51-["x",{"_placeholder":true,"num":0}]', b"6", b"61-7[]", b"7", b"8", b"9"]),
    *(frame(b"40" + rest) for rest in [b"[", b"{", b'"x"', b"[1]", b"/", b"/admin,", b"/admin,{", b"12", b"999999-{}"]),
    *(frame(b"42" + rest) for rest in [b"{}", b'"x"', b"/x,[]", b"/,[]", b"9" * 200 + b"[]", b"[" * 3000, b"1-[]"]),
    *(frame(b"41" + rest) for rest in [b"/x", b",", b"[]"]),
    frame(b"3" + b"[" * 60_000),
    frame("4\u0663\u0660".encode()),
    frame(b"\x00\xff", opcode=2),
    frame(b"", opcode=9),
    frame(b"", opcode=10),
]
STATES = {
    "before CONNECT": [],
    "after a refusal": [frame(b'40{"token":"x"}')],
    "connected": [frame(b"40" + json.dumps({"apiKey": API_KEY}).encode())],
    "after leaving": [frame(b"40" + json.dumps({"apiKey": API_KEY}).encode()), frame(b"41")],
    "after closing": [frame(b"1")],
}


@pytest.mark.parametrize("state", STATES)
def test_no_packet_out_of_order_is_logged_as_an_error(server: Server, peers: Peers, state: str) -> None:
    errors = len(lines(server, "error.log"))
    for stray in STRAYS:
        peer = stranger(peers, *STATES[state], stray, frame(b"2probe"), frame(b"3"))
        peer.read(0.02)
        assert b"INTERNAL_ERROR" not in peer.received, stray
    assert server.anonymous().get("/api/health").status == 200
    assert len(lines(server, "error.log")) == errors
    assert "Traceback" not in server.output()


def test_no_payload_out_of_order_is_logged_as_an_error(server: Server, peers: Peers) -> None:
    errors = len(lines(server, "error.log"))
    bodies = [
        b"",
        b"x",
        b"\xff",
        b"d=",
        b"d",
        b"4\x1e\x1e",
        b"b!!!",
        b"4" + b"[" * 60_000,
        b'4{"a":1}',
        b"4[1]",
        b"4null",
    ]
    bodies += [b"49", b"40[", b"2probe", b"5", b"6", b"1", b"1\x1e42[]", b"\x1e".join([b"40{}"] * 9), "\u0664".encode()]
    for body in bodies:
        address = next(_addresses).encode()
        peer = peers.open(OPEN % address + b"\r\n")
        opened = read_until(peer, b"}").decode()
        sid = json.loads(opened[opened.index("{") : opened.rindex("}") + 1])["sid"].encode()
        where = b" /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\n" % (
            sid,
            address,
        )
        for length in (len(body), len(body) + 9):
            peer.send(b"POST" + where + b"Content-Length: %d\r\n\r\n" % length + body)
            peer.read(0.05)
        peer.socket.shutdown(1)
        peer.read(0.5)
        assert b" 500 " not in peer.received, body
        again = peers.open(b"GET" + where + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n").read(0.05)
        assert b" 500 " not in again.received, body
    assert len(lines(server, "error.log")) == errors
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("packet", [b"49", b"x", b'42["x"]', b"40{"], ids=["49", "x", "event", "half a CONNECT"])
def test_a_flooding_stranger_is_disconnected_and_leaves_no_trace(server: Server, peers: Peers, packet: bytes) -> None:
    address = next(_addresses)
    peer = stranger(peers, address=address)

    for _ in range(20):
        peer.send(frame(packet) * 50)

    assert peer.read().is_closed
    assert len([line for line in lines(server) if line.get("address") == address]) <= 2
    assert not lines(server, "error.log")


def test_a_refused_client_may_try_a_few_times_and_causes_one_log_line(server: Server, peers: Peers) -> None:
    address = next(_addresses)
    peer = stranger(peers, *[frame(b'40{"token":"x"}')] * 50, address=address)

    assert peer.read().is_closed

    assert peer.received.count(b"INVALID_TOKEN") <= 6
    mine = lambda: [line["message"] for line in lines(server) if line.get("address") == address]  # noqa: E731
    wait_until(mine)
    assert mine() == ["Connection refused"]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("mark_read", {"seq": 1}),
        ("leave_session", {}),
        ("join_session", {"after": 0, "lean": True}),
        ("typing_start", {}),
        ("no_such_event", {}),
        ("send_message", {"message": ""}),
    ],
)
@pytest.mark.parametrize("acknowledgement", [1, None])
def test_a_caller_that_emits_without_end_is_refused_and_then_disconnected(
    server: Server, peers: Peers, name: str, fields: dict[str, Any], acknowledgement: int | None
) -> None:
    user_id = f"{name} {acknowledgement}"
    session_id = server.operator().start(user_id)
    flooding, other = visitor(peers, user_id), visitor(peers, f"not {user_id}")

    flooding.send(event(name, {"sessionId": session_id, **fields}, acknowledgement) * 2000)

    assert flooding.read().is_closed
    # If the server closes with unread bytes, its last bytes may be lost.
    assert flooding.received.count(b'"RATE_LIMITED"') <= 60
    other.send(event("leave_session", {"sessionId": "none"}, 99))
    read_until(other, b"4399[")
    # The same caller is refused by REST too, and accepted again later.
    again = visitor(peers, user_id)
    assert server.bearer(make_token(user_id)).get("/api/chat/stats").status in (200, 429)
    again.send(event("leave_session", {"sessionId": session_id}, 98))
    read_until(again, b"4398[")


def test_a_disconnected_caller_is_told_why(server: Server, peers: Peers) -> None:
    flooding = visitor(peers, "cut")
    for _ in range(200):
        flooding.send(event("no_such_event", {}, None))
        flooding.read(0.005)
        if flooding.is_closed:
            break

    assert flooding.is_closed
    assert 50 <= flooding.received.count(b'"RATE_LIMITED"') <= 60
    assert b'"code":"RATE_LIMITED"' in flooding.received.rpartition(b"42[")[2]
    assert b'"event":null' in flooding.received.rpartition(b"42[")[2]


def test_the_bytes_of_answers_to_a_visitor_are_limited(server: Server, peers: Peers) -> None:
    session_id = server.operator().start("reader")
    for number in range(30):
        server.operator().send(session_id, f"{number} " + "x" * 990)
    flooding = visitor(peers, "reader")
    # Too few to be refused because of their number.
    for _ in range(25):
        flooding.send(event("join_session", {"sessionId": session_id, "after": 0}))
        flooding.read(0.02)
    read_until(flooding, b"bytes of answers")
    refused = server.bearer(make_token("reader")).get(f"/api/chat/messages/{session_id}")

    assert len(flooding.received) < 500_000
    assert (refused.status, refused.body["code"]) == (429, "RATE_LIMITED")


def test_a_lean_join_is_acknowledged_without_the_history(server: Server, peers: Peers, connect: Connect) -> None:
    session_id = server.operator().start("lean")
    server.operator().send(session_id, "hello")
    socket = connect("python", server.url, {"token": make_token("lean")})

    answer = socket.call("join_session", {"sessionId": session_id, "lean": True})

    assert answer["success"] is True
    joined = socket.wait_for("session_joined")
    assert [message["message"] for message in joined.pop("messages")] == ["hello"]
    assert answer["data"] == joined
    assert socket.call("join_session", {"sessionId": session_id, "lean": 1})["code"] == "INVALID_JSON"
    assert socket.join(session_id)["messages"]


def test_a_reconnecting_console_does_not_exceed_its_own_limit(servers: Servers, connect: Connect) -> None:
    server = servers.start(RATE_LIMITS="on")
    agent_id = server.operator().create_agent("Ada", maxUsers=50)
    sessions = [server.operator().start(f"u{number}") for number in range(50)]
    for session_id in sessions:
        server.operator().send(session_id, "x" * 900)
    token = make_token(agent_id, "agent")
    for _ in range(3):
        socket = connect("python", server.url, {"token": token})
        for session_id in sessions:
            assert socket.call("join_session", {"sessionId": session_id, "lean": True})["success"]
            assert socket.call("mark_read", {"sessionId": session_id, "seq": 1})["success"]
        socket.close()


def test_unauthenticated_connections_are_limited(server: Server, peers: Peers) -> None:
    mine, other = (next(_addresses).encode() for _ in range(2))
    peer = peers.open()
    for _ in range(200):
        peer.send(OPEN % mine + b"\r\n")

    assert sorted(peer.answers(200)) == [200] * 20 + [429] * 180
    head, _, body = peer.received[peer.received.index(b"HTTP/1.1 429") :].partition(b"\r\n\r\n")
    assert b"Retry-After: 10" in head
    envelope = json.loads(body[body.index(b"{") : body.index(b"}") + 1])
    assert (envelope["success"], envelope["code"]) == (False, "RATE_LIMITED")
    # A websocket counts like any other, others have room, and so do clients that finish connecting.
    assert peers.open(websocket_request(mine)).answers(1) == [429]
    assert peers.open(OPEN % other + b"\r\n").answers(1) == [200]
    sid = json.loads(peer.received[peer.received.index(b"{") : peer.received.index(b"}") + 1])["sid"].encode()
    close = b"POST /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1" % sid
    peer.send(close)
    peer.answers(201)
    assert peers.open(OPEN % mine + b"\r\n").answers(1) == [200]


def websocket_request(address: bytes) -> bytes:
    return UPGRADE + b"X-Forwarded-For: " + address + b"\r\n\r\n"


def test_a_connection_keeps_only_the_parts_of_its_handshake_that_are_used_again(server: Server, peers: Peers) -> None:
    junk = b"".join(b"X-Junk-%d: " % number + b"x" * 380 + b"\r\n" for number in range(80))
    peer = peers.open(OPEN % next(_addresses).encode() + junk + b"\r\n")
    peer.answers(1)
    before = server.memory()
    for _ in range(600):
        peer.send(OPEN % next(_addresses).encode() + junk + b"\r\n")

    assert peer.answers(601) == [200] * 601
    # 600 × 31 KB would be 19 MB.
    assert server.memory() - before < 10


def test_a_client_that_does_not_read_an_answer_is_disconnected(server: Server, peers: Peers) -> None:
    session_id = server.operator().start("slow")
    for _ in range(10):
        server.operator().send(session_id, "\U0001f511" * 1000)
    request = (
        f"GET /api/chat/messages/{session_id}?limit=100 HTTP/1.1\r\nHost: x\r\nX-API-Key: {API_KEY}\r\n\r\n".encode()
    )
    before = dropped(server)
    slow, quick = peers.open(request * 500), peers.open(request)

    assert quick.answers(1) == [200]
    wait_until(lambda: dropped(server) == before + 1)
    # The data in the kernels' buffers arrived; then the connection was reset.
    assert slow.read().is_closed
    assert len(slow.statuses) < 500


def dropped(server: Server) -> float:
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:
        return Scrape(answer.read().decode()).value("chatsupport_send_queues_dropped_total")


def test_one_address_cannot_fill_the_log(server: Server) -> None:
    address = next(_addresses)
    strangers = server.anonymous(**{"X-Forwarded-For": address})
    for number in range(120):
        strangers.get(f"/nowhere/{number}")

    last = server.anonymous(**{"X-Forwarded-For": next(_addresses)})
    last.get("/last")
    wait_until(lambda: any(line.get("path") == "/last" for line in lines(server)))
    mine = [line for line in lines(server) if line.get("address") == address]
    assert len(mine) == 50
    # A site's server is not counted.
    operator = server.operator()
    before = len(lines(server))
    for _ in range(60):
        operator.get("/api/agents")
    wait_until(lambda: len(lines(server)) >= before + 60)
