"""Connect a socket: which credentials are accepted, and how others are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatsupport.documents import Agent
from chatsupport.sockets import connections, handshake
from tests.api import Api, Apis, make_token
from tests.applications import MakeApp
from tests.conftest import API_KEY
from tests.sockets import Socket, Sockets, assert_refused, succeeded


def assert_shut(socket: Socket, code: str) -> None:
    assert not socket.is_connected
    assert_refused(socket.refusal, code)


def test_a_token_or_an_api_key_opens_a_socket(sockets: Sockets, operator: Api) -> None:
    agent = operator.create_agent()
    token = make_token("u1")

    for socket in (
        sockets.attempt({"token": token}),
        sockets.attempt({"apiKey": API_KEY}),
        sockets.attempt({"token": make_token(agent["id"], "agent")}),
        sockets.attempt({"token": make_token("crm", "system")}),
        sockets.attempt(None, Authorization=f"Bearer {token}"),
        sockets.attempt({}, **{"X-API-Key": API_KEY}),
        sockets.attempt({"token": None, "apiKey": None}, Authorization=f"bearer {token}"),
        sockets.attempt({"token": token, "other": 1}, **{"X-API-Key": "wrong"}),
    ):
        assert socket.is_connected, socket.refusal


def test_a_sockets_caller_comes_from_its_credentials(sockets: Sockets, operator: Api) -> None:
    session_id = operator.start("u1")["sessionId"]

    own = succeeded(sockets.user("u1").say(session_id))["message"]
    by_key = succeeded(sockets.operator().say(session_id))["message"]

    assert (own["senderId"], own["senderType"]) == ("u1", "user")
    assert (by_key["senderId"], by_key["senderType"]) == ("system", "system")


def test_a_socket_without_credentials_is_refused(sockets: Sockets, subtests: pytest.Subtests) -> None:
    for auth in (None, {}, {"other": "x"}, [], ["token"], "token", 7, True, 0, "", {"Token": "x"}):
        with subtests.test(auth=auth):
            assert_shut(sockets.attempt(auth), "AUTH_REQUIRED")


def test_wrong_credentials_are_refused_with_their_code(sockets: Sockets, subtests: pytest.Subtests) -> None:
    right = make_token("u1")
    attempts: list[tuple[Any, dict[str, str], str]] = [
        ({"token": "x"}, {}, "INVALID_TOKEN"),
        ({"token": ""}, {}, "INVALID_TOKEN"),
        ({"token": right + "x"}, {}, "INVALID_TOKEN"),
        ({"token": make_token("u1", secret="another secret that is as long as it takes")}, {}, "INVALID_TOKEN"),
        ({"token": make_token("u1", type="refresh")}, {}, "INVALID_TOKEN"),
        ({"token": make_token("u1", "admin")}, {}, "INVALID_TOKEN"),
        ({"token": make_token("6b02a346410e8790f1f544d2", "agent")}, {}, "INVALID_TOKEN"),
        ({"token": make_token("u1", exp=1)}, {}, "TOKEN_EXPIRED"),
        ({"token": 7}, {}, "INVALID_TOKEN"),
        ({"token": [right]}, {}, "INVALID_TOKEN"),
        ({"token": {"$gt": ""}}, {}, "INVALID_TOKEN"),
        ({"token": b"bytes"}, {}, "INVALID_TOKEN"),
        ({"apiKey": "wrong"}, {}, "INVALID_API_KEY"),
        ({"apiKey": ""}, {}, "INVALID_API_KEY"),
        ({"apiKey": {"$ne": ""}}, {}, "INVALID_API_KEY"),
        ({"apiKey": "wrong", "token": right}, {}, "INVALID_API_KEY"),
        (None, {"Authorization": "Bearer x"}, "INVALID_TOKEN"),
        (None, {"Authorization": f"Basic {right}"}, "INVALID_TOKEN"),
        (None, {"X-API-Key": "wrong"}, "INVALID_API_KEY"),
        (None, {"X-API-Key": "wrong", "Authorization": f"Bearer {right}"}, "INVALID_API_KEY"),
    ]
    for auth, headers, code in attempts:
        with subtests.test(auth=str(auth)[:40], headers=headers):
            if isinstance(auth, dict) and isinstance(auth.get("token"), bytes):
                # Socket.IO has no binary CONNECT, so this never comes over the wire. The handler tolerates it anyway.
                with pytest.raises(Exception, match="must be a string"):
                    handshake.connect("sid", {"flask.app": sockets.app}, auth)
                continue
            assert_shut(sockets.attempt(auth, **headers), code)


def test_a_valid_api_key_wins_over_any_token(sockets: Sockets) -> None:
    for socket in (
        sockets.attempt({"apiKey": API_KEY, "token": "wrong"}),
        sockets.attempt(None, **{"X-API-Key": API_KEY, "Authorization": "Basic dTpw"}),
    ):
        assert socket.is_connected, socket.refusal


def test_a_deleted_agents_token_opens_no_socket(sockets: Sockets, operator: Api) -> None:
    agent = operator.create_agent()
    assert sockets.agent(agent["id"]).is_connected

    Agent.objects.delete()

    assert_shut(sockets.attempt({"token": make_token(agent["id"], "agent")}), "INVALID_TOKEN")


def test_an_error_while_connecting_refuses_the_socket(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[Any] = []

    def fail(*arguments: Any) -> Any:
        calls.append(arguments)
        raise TypeError("secret")

    monkeypatch.setattr(handshake, "authenticate", fail)

    for auth in ({"token": make_token("u1")}, None):
        refused = sockets.attempt(auth)
        assert_shut(refused, "INTERNAL_ERROR")
        assert "secret" not in str(refused.refusal)
    # python-socketio calls a handler again, without the credentials, when a TypeError leaves it.
    assert len(calls) == 2
    assert caplog.text.count("TypeError: secret") == 2


def test_a_refused_socket_leaves_no_trace(sockets: Sockets) -> None:
    before = connections.count()

    refused = sockets.attempt({"token": "wrong"})
    with pytest.raises(RuntimeError, match="not connected"):
        refused.call("join_session", {"sessionId": "x"})

    assert connections.count() == before


def test_a_closed_socket_leaves_no_trace(sockets: Sockets) -> None:
    before = connections.count()
    socket = sockets.user("u1")
    assert connections.count() == before + 1

    socket.close()

    assert connections.count() == before


def test_with_an_identity_secret_a_socket_needs_only_its_token(make_app: MakeApp) -> None:
    assert Sockets(make_app(identity_secret="s" * 32)).user("u1").is_connected


def test_requests_that_cross_the_end_of_their_connection_are_told_of_it(apis: Apis) -> None:
    client = apis.anonymous().client
    opened = client.get("/socket.io/?EIO=4&transport=polling").get_data(as_text=True)
    address = f"/socket.io/?EIO=4&transport=polling&sid={json.loads(opened[1:])['sid']}"
    assert client.post(address, data="1").status_code == 200

    for answer in (client.get(address), client.post(address, data="3")):
        assert (answer.status_code, answer.data) == (200, b"1")
    assert client.get(f"{address}x").status_code == 400
