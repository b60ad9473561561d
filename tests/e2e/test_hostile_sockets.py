"""Peers that break the protocol harm only themselves."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest
import websocket

from tests.api import make_token
from tests.conftest import API_KEY
from tests.e2e.conftest import Connect
from tests.e2e.rest import Rest
from tests.e2e.server import Server

CONNECT = "40" + json.dumps({"apiKey": API_KEY})
# An event that changes nothing, whose acknowledgement shows that the peer is still served.
PROBE, PROBED = '4299["leave_session",{"sessionId":"none"}]', "4399["

GARBAGE: dict[str, str | bytes] = {
    "nothing": "",
    "no packet type": "hello",
    "an unknown Engine.IO packet": "9",
    "an Engine.IO OPEN": '0{"sid":"mine"}',
    "a stray upgrade": "5",
    "a message without a packet": "4",
    "an unknown Socket.IO packet": "48",
    "a NUL byte": "4\0",
    "half an event": '42["join_session",',
    "an event without a name": "42[]",
    "an event that is an object": '42{"join_session":{}}',
    "an event that is a string": '42"join_session"',
    "an event whose name is a number": "42[1,{}]",
    "an event whose name is a list": '42[["join_session"],{}]',
    "an event that is not ours": '42["drop_database",{}]',
    "an event of the server's": '42["new_message",{"message":"forged"}]',
    "a reserved event": '42["connect",{"apiKey":"x"}]',
    "another reserved event": '42["disconnect"]',
    "a name with half a surrogate pair": '42["\\ud800",{"\\udfff":1}]',
    "deep nesting": "42" + "[" * 5000,
    "deep nesting that is valid": '42["join_session",' + "[" * 900 + "]" * 900 + "]",
    "no payload": '421["send_message"]',
    "a payload that is a list": '421["send_message",["x"]]',
    "too many arguments": '421["send_message",{},{},{}]',
    "an operator for an id": '421["send_message",{"sessionId":{"$gt":""},"message":"x"}]',
    "infinity": '421["mark_read",{"seq":1e999}]',
    "a number with too many digits": '421["mark_read",{"seq":' + "9" * 400 + "}]",
    "an acknowledgement id that is too long": "42" + "9" * 500 + '["typing_start",{}]',
    "an acknowledgement of nothing": "431[]",
    "a refusal from the client": '44{"message":"no"}',
    "another CONNECT": CONNECT,
    "a namespace that does not exist": "40/admin," + CONNECT[2:],
    "an event for that namespace": '42/admin,["join_session",{}]',
    "binary": b"\x00\x01\x02",
    "no UTF-8": b"\xff\xfe" * 50,
    "an attachment that belongs to nothing": b"",
    "a binary event without attachments": '45["send_message",{}]',
    "a binary event with an attachment that never comes": '451-["send_message",{"_placeholder":true,"num":0}]',
    "a binary event with a million attachments": '451000000-["send_message"]',
    "a binary acknowledgement": "46",
    "more than a frame may hold": '42["join_session",{"sessionId":"' + "a" * 70_000 + '"}]',
}

Open = Callable[..., websocket.WebSocket]


@pytest.fixture
def open_raw(server: Server) -> Iterator[Open]:
    """Open websockets that send only the test's frames."""
    opened: list[websocket.WebSocket] = []

    def open_raw(connect: str | None = CONNECT) -> websocket.WebSocket:
        url = f"{server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket"
        raw = websocket.create_connection(url, timeout=60)
        opened.append(raw)
        assert raw.recv().startswith("0{")
        if connect is not None:
            raw.send(connect)
            assert raw.recv().startswith('40{"sid":')
        return raw

    yield open_raw
    for raw in opened:
        raw.shutdown()


def answers_to(raw: websocket.WebSocket, garbage: str | bytes, patience: float = 40.0) -> list[str]:
    """Send garbage, then a probe. Returns everything up to the probe's answer, the connection's end or silence."""
    answers: list[str] = []
    with suppress(OSError, websocket.WebSocketException):
        if isinstance(garbage, bytes):
            raw.send_binary(garbage)
        else:
            raw.send(garbage)
        raw.send(PROBE)
        raw.settimeout(patience)
        while not (answers and answers[-1].startswith(PROBED)):
            answers.append(raw.recv())
    return answers


def test_garbage_harms_no_other_client(server: Server, operator: Rest, connect: Connect, open_raw: Open) -> None:
    session_id = operator.start("witness")
    witness = connect("python", server.url, {"token": make_token("witness")})
    witness.join(session_id)
    for number, (case, garbage) in enumerate(GARBAGE.items(), start=1):
        raw = open_raw()
        answers = answers_to(raw, garbage, patience=0.3)
        assert not [text for text in answers if "INTERNAL_ERROR" in text or "Traceback" in text], case
        assert witness.send(session_id, case)["seq"] == number, case
        assert answers_to(open_raw(), "2")[-1].startswith(PROBED), case
    witness.wait_for("new_message", count=len(GARBAGE))
    assert [message["message"] for message in operator.history(session_id)] == list(GARBAGE)
    assert not witness.events("disconnect")
    assert server.anonymous().get("/api/health").status == 200


def test_a_client_that_sends_a_wrong_event_is_told_and_stays_connected(open_raw: Open) -> None:
    raw = open_raw()
    for garbage in ("42[]", "42[1,{}]", '42["drop_database",{}]', '42["\\ud800"]', '42["join_session","x"]'):
        error, probed = answers_to(raw, garbage)
        name, envelope = json.loads(error[2:])
        assert (name, envelope["success"]) == ("error", False)
        assert envelope["code"] in ("NOT_FOUND", "INVALID_JSON")
        assert probed.startswith(PROBED)


def test_nothing_is_done_before_the_connection_is_accepted(server: Server, operator: Rest, open_raw: Open) -> None:
    session_id = operator.start("early")
    raw = open_raw(connect=None)
    for event in ("join_session", "send_message", "typing_start", "end_session"):
        raw.send("421" + json.dumps([event, {"sessionId": session_id, "message": "early"}]))
        raw.send("42" + json.dumps([event, {"sessionId": session_id, "message": "early"}]))
    raw.send('40{"apiKey":"wrong"}')
    # The first answer is the refusal, without an acknowledgement or error event before or after it.
    assert json.loads(raw.recv().removeprefix("44"))["data"]["code"] == "INVALID_API_KEY"
    raw.send("421" + json.dumps(["end_session", {"sessionId": session_id}]))
    raw.send(CONNECT)
    assert raw.recv().startswith('40{"sid":')
    assert answers_to(raw, "2")[-1].startswith(PROBED)
    assert operator.history(session_id) == []
    assert operator.get(f"/api/chat/session/{session_id}").data["status"] != "ended"
    assert server.anonymous().get("/api/health").status == 200


@pytest.mark.parametrize(
    ("method", "query", "body"),
    [
        ("GET", "", None),
        ("GET", "?EIO=4&transport=carrier-pigeon", None),
        ("GET", "?EIO=3&transport=polling", None),
        ("GET", "?EIO=four&transport=polling", None),
        ("GET", "?EIO=4&transport=polling&sid=unknown", None),
        ("POST", "?EIO=4&transport=polling&sid=unknown", b"40"),
        ("POST", "?EIO=4&transport=polling", b"40"),
        ("PUT", "?EIO=4&transport=polling", b"\xff"),
    ],
)
def test_an_invalid_handshake_is_a_bad_request(server: Server, method: str, query: str, body: bytes | None) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request(method, f"/socket.io/{query}", body)
        response = connection.getresponse()
        assert response.status in (400, 405)
        assert b"Traceback" not in response.read()


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"hello", b"4\x1e\x1e\x1e", b"b!!!"])
def test_an_invalid_payload_ends_only_its_polling_client(server: Server, body: bytes) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request("GET", "/socket.io/?EIO=4&transport=polling")
        sid = json.loads(connection.getresponse().read()[1:])["sid"]
        connection.request("POST", f"/socket.io/?EIO=4&transport=polling&sid={sid}", body)
        response = connection.getresponse()
        assert response.status in (200, 400, 413)
        assert b"Traceback" not in response.read()
    assert server.anonymous().get("/api/health").status == 200


def test_the_others_are_told_of_a_broken_connection(
    server: Server, operator: Rest, connect: Connect, open_raw: Open
) -> None:
    session_id = operator.start("breaking")
    witness = connect("python", server.url, {"apiKey": API_KEY})
    witness.join(session_id)
    raw = open_raw("40" + json.dumps({"token": make_token("breaking")}))
    raw.send("42" + json.dumps(["join_session", {"sessionId": session_id}]))
    witness.wait_for("user_joined")
    raw.send("42" + json.dumps(["typing_start", {"sessionId": session_id}]))
    witness.wait_for("user_typing")
    # A reset without a closing frame, as from a phone whose provider gives up in a tunnel.
    assert raw.sock is not None
    raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.sock.close()
    assert witness.wait_for("user_left")["userId"] == "breaking"
    assert witness.wait_for("user_typing", lambda data: not data["isTyping"])["userId"] == "breaking"
