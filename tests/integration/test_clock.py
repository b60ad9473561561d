"""What processes compare is the database's time: this machine's clock may be off, or be set while it serves."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from typing import Any

import flask_jwt_extended.tokens
import jwt.api_jwt
import pytest
from flask import Flask

from chatsupport.database import clock
from chatsupport.database.connection import database, measure_time
from chatsupport.documents import Agent, Session
from chatsupport.extensions import socketio
from chatsupport.services import availability, leases
from chatsupport.sockets import deadlines
from chatsupport.sockets.engine import EngineSocket
from tests.api import Api, Apis, assert_failure, data_of, make_token
from tests.sockets import Sockets

STATS = "/api/chat/stats"
SetClock = Callable[[float], None]


@pytest.fixture
def set_clock(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[SetClock]:
    """Set the clock of this machine, as everything in the process reads it, so many seconds ahead."""
    measure_time()
    real, ahead = time.time, [0.0]

    class Wrong(dt.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return dt.datetime.fromtimestamp(time.time(), tz)

    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])
    monkeypatch.setattr(time, "time_ns", lambda: int((real() + ahead[0]) * 1e9))
    for module in (jwt.api_jwt, flask_jwt_extended.tokens):
        monkeypatch.setattr(module, "datetime", Wrong)
    yield lambda seconds: ahead.__setitem__(0, seconds)
    measure_time()


@pytest.fixture(params=[-86_400.0, -300.0, 0.4, 300.0])
def wrong_by(request: pytest.FixtureRequest, set_clock: SetClock) -> float:
    set_clock(request.param)
    ahead: float = request.param
    return ahead


def database_time() -> float:
    theirs = database().client.admin.command("hello")["localTime"]
    return float(theirs.replace(tzinfo=dt.timezone.utc).timestamp())


def test_now_is_the_databases(wrong_by: float) -> None:
    assert abs(clock.now().timestamp() - database_time()) < 0.2
    assert abs(clock.own_offset() - wrong_by) < 0.2  # type: ignore[operator]


def test_tokens_are_made_and_checked_by_the_databases_time(apis: Apis, wrong_by: float) -> None:
    issued = data_of(apis.anonymous().post("/api/auth/token", {"userId": "u1"}))
    claims = jwt.decode(issued["token"], options={"verify_signature": False})
    assert abs(claims["iat"] - database_time()) < 2
    assert abs(claims["issuedAtMs"] / 1000 - database_time()) < 1
    assert claims["exp"] - claims["iat"] == issued["expiresInSeconds"]
    assert apis.bearer(issued["token"]).get(STATS).status_code == 200

    time_now = int(database_time())
    for claim, seconds, status in (
        ("exp", 60, 200), ("exp", -1, 401), ("iat", 3, 200), ("iat", 8, 401), ("nbf", 3, 200), ("nbf", 8, 401),
    ):  # fmt: skip
        response = apis.bearer(make_token("u1", **{claim: time_now + seconds})).get(STATS)
        assert response.status_code == status, (claim, seconds)
    for nonsense in ("soon", None, []):
        assert_failure(apis.bearer(make_token("u1", iat=nonsense)).get(STATS), 401, "INVALID_TOKEN")


def test_a_revocation_holds_whatever_the_clock_says(
    apis: Apis, operator: Api, set_clock: SetClock, sockets: Sockets
) -> None:
    old = data_of(apis.anonymous().post("/api/auth/token", {"userId": "u1"}))["token"]
    set_clock(-300)
    assert operator.post("/api/auth/revoke", {"userId": "u1"}).status_code == 200

    assert_failure(apis.bearer(old).get(STATS), 401, "INVALID_TOKEN")
    time.sleep(0.1)
    new = data_of(apis.anonymous().post("/api/auth/token", {"userId": "u1"}))["token"]
    assert apis.bearer(new).get(STATS).status_code == 200


def test_setting_the_clock_disturbs_nobody(operator: Api, sockets: Sockets, set_clock: SetClock) -> None:
    agent_id = operator.create_agent()["id"]
    socket = sockets.agent(agent_id)
    session = operator.start("u1")
    for ahead in (86_400.0, -86_400.0):
        set_clock(ahead)
        deadlines.look()
        assert availability.sweep() == 0
        assert socket.is_connected
        assert operator.session(session["sessionId"])["status"] == "active"
        assert [leases.hold("work", owner, 30) for owner in "ab"] == [True, False]
    stored = Session.objects.get(id=session["sessionId"])
    assert abs(stored.created_at.timestamp() - database_time()) < 10
    assert Agent.objects.get(id=agent_id).present_until.timestamp() > database_time()


def test_no_connection_is_taken_for_dead_because_the_clock_was_set(app: Flask, set_clock: SetClock) -> None:
    connection = EngineSocket(socketio.server.eio, "a-connection")
    connection.ping()
    set_clock(86_400.0)
    assert connection.check_ping_timeout()


def test_health_and_doctor_say_when_the_clock_is_wrong(apis: Apis, app: Flask, set_clock: SetClock) -> None:
    def said() -> dict[str, Any]:
        state: dict[str, Any] = data_of(apis.anonymous().get("/api/health"))["services"]["clock"]
        return state

    assert said()["status"] == "right"
    set_clock(300.0)
    assert said() == {"status": "wrong", "offset": pytest.approx(300.0, abs=1.0)}
    found = app.test_cli_runner().invoke(args=["doctor"]).output
    assert "that of this machine is 300.0 s ahead of the database's" in found
