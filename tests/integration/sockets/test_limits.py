"""Limits on a caller's sockets: their number and their lifetime."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from flask import Flask

from chatsupport.extensions import socketio
from chatsupport.sockets import chat, connections, deadlines
from tests.api import Apis, make_token
from tests.applications import MakeApp
from tests.concurrency import eventually, run_together
from tests.sockets import Sockets, assert_refused


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(deadlines._look_later, "seconds", 0.02)
    yield
    deadlines._expiring.clear()
    deadlines._handshakes.clear()
    eventually(lambda: deadlines._look_later.is_idle)


def test_a_socket_is_closed_when_its_token_expires(sockets: Sockets) -> None:
    expires_at = int(time.time()) + 2
    short = sockets.attempt({"token": make_token("u1", exp=expires_at)})
    long = sockets.user("u1")
    assert short.is_connected

    assert eventually(lambda: not short.is_connected)

    assert time.time() >= expires_at
    assert_refused(short.heard("error")[0], "TOKEN_EXPIRED")
    assert long.is_connected


def test_a_closed_socket_is_not_watched_any_more(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "_SPARE", 2)
    stays = sockets.user("u0")
    for number in range(20):
        sockets.user(f"u{number}").close()

    assert eventually(lambda: len(deadlines._expiring) <= 2 * connections.count() + 2)
    stays.close()
    assert eventually(lambda: not deadlines._expiring)


def test_a_caller_has_a_limited_number_of_sockets(make_app: MakeApp) -> None:
    app = make_app(max_sockets_per_caller=3)
    sockets = Sockets(app)
    mine = [sockets.user("u1") for _ in range(3)]

    refused = sockets.attempt({"token": make_token("u1")})

    assert not refused.is_connected
    assert_refused(refused.refusal, "RATE_LIMITED")
    assert sockets.user("u2").is_connected
    mine[0].close()
    assert sockets.user("u1").is_connected


def test_sockets_that_come_together_are_counted_together(make_app: MakeApp) -> None:
    sockets = Sockets(make_app(max_sockets_per_caller=3))

    together = run_together(*[lambda: sockets.attempt({"token": make_token("u1")})] * 8)

    assert sum(socket.is_connected for socket in together) <= 3


def test_api_keys_and_systems_may_have_any_number_of_sockets(make_app: MakeApp) -> None:
    sockets = Sockets(make_app(max_sockets_per_caller=2))

    assert all(sockets.operator().is_connected for _ in range(5))
    assert all(sockets.attempt({"token": make_token("crm", "system")}).is_connected for _ in range(5))


def test_a_socket_is_in_a_limited_number_of_sessions(app: Flask, apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chat.MAX_JOINED_SESSIONS == 50
    monkeypatch.setattr(chat, "MAX_JOINED_SESSIONS", 2)
    operator, socket = apis.operator(), Sockets(app).operator()
    ids = [operator.start(f"u{number}")["sessionId"] for number in range(3)]
    for session_id in ids[:2]:
        socket.join(session_id)

    assert_refused(socket.call("join_session", {"sessionId": ids[2]}), "FORBIDDEN")
    socket.join(ids[0])
    socket.call("leave_session", {"sessionId": ids[0]})
    socket.join(ids[2])


def test_a_socket_that_does_not_finish_connecting_is_closed(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "HANDSHAKE_SECONDS", 0.1)
    deadlines._handshakes.clear()  # Sockets of other tests have more time.
    closed: list[str] = []
    monkeypatch.setattr(socketio.server.eio, "disconnect", closed.append)
    there = sockets.user("u1")
    monkeypatch.setitem(socketio.server.environ, "half-open", {})

    for eio_sid in ("half-open", "gone", there.client.eio_sid):
        deadlines.watch_handshake(eio_sid)

    assert eventually(lambda: closed)
    assert eventually(lambda: not deadlines._handshakes)
    assert closed == ["half-open"]
    # A socket that leaves the namespace but stays connected is closed as well.
    there.close()
    assert eventually(lambda: there.client.eio_sid in closed)
