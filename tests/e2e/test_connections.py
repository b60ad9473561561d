"""Real connections: which clients are accepted, by which transport, and how a client reconnects after a kill."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api import make_token
from tests.conftest import API_KEY
from tests.e2e.conftest import Connect
from tests.e2e.raw import UPGRADE, Peers, frame, read_until
from tests.e2e.recording import Socket
from tests.e2e.rest import Rest
from tests.e2e.server import ALLOWED_ORIGIN, Server, Servers, wait_until

REFUSED: dict[str, tuple[Any, str]] = {
    "no auth": (None, "AUTH_REQUIRED"),
    "an empty auth": ({}, "AUTH_REQUIRED"),
    "another key": ({"password": API_KEY}, "AUTH_REQUIRED"),
    "a list": (["token", API_KEY], "AUTH_REQUIRED"),
    "a number": (5, "AUTH_REQUIRED"),
    "a string": (API_KEY, "AUTH_REQUIRED"),
    "true": (True, "AUTH_REQUIRED"),
    "no token at all": ({"token": "hello"}, "INVALID_TOKEN"),
    "an empty token": ({"token": ""}, "INVALID_TOKEN"),
    "a token of NUL bytes": ({"token": "\0.\0.\0"}, "INVALID_TOKEN"),
    "a token signed by another": ({"token": make_token("eve", secret="x" * 40)}, "INVALID_TOKEN"),
    "an unsigned token": (
        {"token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJldmUiLCJ1c2VyVHlwZSI6InN5c3RlbSIsInR5cGUiOiJhY2Nlc3MifQ."},
        "INVALID_TOKEN",
    ),
    "a refresh token": ({"token": make_token("eve", type="refresh")}, "INVALID_TOKEN"),
    "a token of an unknown type": ({"token": make_token("eve", "admin")}, "INVALID_TOKEN"),
    "a token of an agent that does not exist": ({"token": make_token("f" * 24, "agent")}, "INVALID_TOKEN"),
    "an expired token": ({"token": make_token("eve", exp=1)}, "TOKEN_EXPIRED"),
    "a number for a token": ({"token": 5}, "INVALID_TOKEN"),
    "a list for a token": ({"token": ["x"]}, "INVALID_TOKEN"),
    "an operator for a token": ({"token": {"$gt": ""}}, "INVALID_TOKEN"),
    "a wrong API key": ({"apiKey": "wrong"}, "INVALID_API_KEY"),
    "an empty API key": ({"apiKey": ""}, "INVALID_API_KEY"),
    "a wrong API key beside a right token": ({"apiKey": "wrong", "token": make_token("eve")}, "INVALID_API_KEY"),
    "a list for an API key": ({"apiKey": [API_KEY]}, "INVALID_API_KEY"),
}


def assert_refused(socket: Socket, code: str) -> None:
    """The client was told why, in the failure envelope, and is not connected."""
    error = socket.wait_for("connect_error")
    envelope = error["data"]
    assert (envelope["success"], envelope["code"]) == (False, code)
    assert envelope["message"] == error["message"]
    assert envelope["requestId"]
    assert not socket.events("connect")


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_credentials_are_refused(server: Server, connect: Connect, kind: str, case: str) -> None:
    auth, code = REFUSED[case]
    assert_refused(connect(kind, server.url, auth, transports=["websocket" if kind == "node" else "polling"]), code)
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_credentials_may_come_in_headers(server: Server, connect: Connect, kind: str, transport: str) -> None:
    for headers, code in (
        ({"Authorization": "Bearer nonsense"}, "INVALID_TOKEN"),
        ({"Authorization": "Basic dXNlcjpwYXNz"}, "INVALID_TOKEN"),
        ({"X-API-Key": "wrong"}, "INVALID_API_KEY"),
    ):
        assert_refused(connect(kind, server.url, headers=headers, transports=[transport]), code)
    for headers in ({"Authorization": f"Bearer {make_token('zoe')}"}, {"X-API-Key": API_KEY}):
        socket = connect(kind, server.url, headers=headers, transports=[transport])
        socket.wait_for("connect")
        assert socket.transport == transport


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_only_pages_of_allowed_origins_can_connect(server: Server, connect: Connect, kind: str, transport: str) -> None:
    auth = {"apiKey": API_KEY}
    # Browsers send these from other sites' pages; a page without an origin sends null.
    for origin in ("https://evil.example.com", ALLOWED_ORIGIN + ".evil.com", "null"):
        refused = connect(kind, server.url, auth, headers={"Origin": origin}, transports=[transport])
        refused.wait_for("connect_error")
        assert not refused.events("connect")
    allowed = connect(kind, server.url, auth, headers={"Origin": ALLOWED_ORIGIN}, transports=[transport])
    assert allowed.call("leave_session", {"sessionId": "none"})["code"] == "SESSION_NOT_FOUND"


def test_a_client_is_upgraded_from_polling_to_websocket(
    server: Server, operator: Rest, connect: Connect, kind: str
) -> None:
    session_id = operator.start(f"upgrading-{kind}")
    # Node's client emits during the upgrade: no event may get lost or out of order.
    options = {"wait": False} if kind == "node" else {}
    socket = connect(kind, server.url, {"apiKey": API_KEY}, **options)
    keys = socket.pipeline([("join_session", {"sessionId": session_id})])
    texts = [f"{number}" for number in range(1, 31)]
    keys += socket.pipeline([("send_message", {"sessionId": session_id, "message": text}) for text in texts])
    assert all(envelope["success"] for envelope in socket.wait_for_acknowledgements(keys).values())
    socket.wait_for("new_message", count=30)
    assert [message["message"] for message in socket.events("new_message")] == texts
    if kind == "node":
        assert socket.wait_for("open") == "polling"
        assert socket.wait_for("upgrade") == "websocket"
    assert socket.transport == "websocket"
    assert socket.send(session_id, "after the upgrade")["seq"] == 31


def test_a_client_reconnects_after_the_server_was_killed(servers: Servers, connect: Connect, kind: str) -> None:
    server = servers.start()
    operator = server.operator()
    session_id = operator.start("returning")
    user = connect(
        kind,
        server.url,
        {"token": make_token("returning")},
        transports=["websocket"] if kind == "node" else ["polling"],
        reconnect=True,
    )
    user.join(session_id)
    operator.send(session_id, "one")
    user.send(session_id, "two")
    user.wait_for("new_message", count=2)

    server.kill()
    user.wait_for("disconnect")
    server.restart()
    # The client is connected again but not yet in the room, so it does not get these.
    missed = [operator.send(session_id, text).data["message"] for text in ("three", "four")]
    user.wait_for("connect", count=2)
    missed.append(operator.send(session_id, "five").data["message"])

    joined = user.join(session_id, after=2)
    assert (joined["messages"], joined["hasMore"], joined["lastSeq"]) == (missed, False, 5)
    assert len(user.events("new_message")) == 2
    assert user.send(session_id, "six")["seq"] == 6
    user.wait_for("new_message", count=3)
    assert [message["seq"] for message in operator.history(session_id)] == [1, 2, 3, 4, 5, 6]
    server.clean_up()


def test_several_tabs_are_one_person(server: Server, operator: Rest, connect: Connect, kind: str) -> None:
    agent_id = operator.create_agent(f"Agent of tabs, {kind}", maxUsers=50)
    session_id = operator.start(f"tabs-{kind}")
    agent = connect("python", server.url, {"token": make_token(agent_id, "agent")}, transports=["polling"])
    agent.join(session_id)
    tabs = [connect(kind, server.url, {"token": make_token(f"tabs-{kind}")}, transports=["polling"]) for _ in "ab"]
    for tab in tabs:
        tab.join(session_id)
    for tab in tabs:
        tab.send(session_id, "from either tab")
    for socket in (agent, *tabs):
        socket.wait_for("new_message", count=2)
    tabs[0].call("typing_start", {"sessionId": session_id})
    agent.wait_for("user_typing")

    gone = server.output().count('"Disconnected"')
    tabs[0].close()
    wait_until(lambda: server.output().count('"Disconnected"') > gone)
    agent.send(session_id, "Are you still there?")
    tabs[1].wait_for("new_message", count=3)
    # A person with another open tab came once, did not leave, and is not told of its own typing.
    assert [data["userId"] for data in agent.events("user_joined")] == [f"tabs-{kind}"]
    assert not agent.events("user_left")
    assert not tabs[1].events("user_typing")

    tabs[1].close()
    left = agent.wait_for("user_left")
    assert (left["sessionId"], left["userId"], left["userType"]) == (session_id, f"tabs-{kind}", "user")
    agent.send(session_id, "Goodbye")
    assert len(agent.events("user_left")) == 1
    operator.post(f"/api/chat/end-session/{session_id}")
    operator.request("PATCH", f"/api/agents/{agent_id}", {"isOnline": False})


def test_polls_wait_while_a_websocket_delivers_nothing(server: Server, peers: Peers) -> None:
    request = UPGRADE.partition(b"Upgrade:")[0].replace(b"=websocket", b"=polling%s") + b"\r\n"
    polling = peers.open(request % b"")
    opened = read_until(polling, b"}")
    sid = json.loads(opened[opened.index(b"{") : opened.rindex(b"}") + 1])["sid"].encode()
    # Some proxies pass the handshake of a websocket and nothing else.
    websocket = peers.open(UPGRADE.replace(b"=websocket", b"=websocket&sid=" + sid) + b"\r\n")
    read_until(websocket, b" 101 ")

    polling.send(request % (b"&sid=" + sid))

    assert polling.read(0.5).statuses == [200]  # The client would ask again and again.
    websocket.send(frame(b"2probe"))
    read_until(websocket, b"3probe")
    assert polling.read(1).statuses == [200, 200]
