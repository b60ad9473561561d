"""Processes compare the database's time: this machine's clock may be wrong, or be set while a server runs."""

from __future__ import annotations

import datetime as dt
from typing import Any

import jwt.api_jwt
import pytest
from flask import Flask

from chatsupport import documents
from chatsupport.database import clock
from chatsupport.database.connection import database, measure_time
from chatsupport.documents import Agent, Denial, Session
from chatsupport.extensions import socketio
from chatsupport.realtime.engine import EngineSocket
from chatsupport.services.assignment import agent_presence
from chatsupport.services.server.leases import Lease
from chatsupport.sockets import deadlines
from tests.api import Api, Apis, assert_failure, data_of, make_token
from tests.applications import MakeApp, SetClock
from tests.concurrency import eventually
from tests.sockets import Sockets

STATS = "/api/chat/stats"


@pytest.fixture(params=[-86_400.0, -300.0, 0.4, 300.0])
def wrong_by(request: pytest.FixtureRequest, set_clock: SetClock) -> float:
    set_clock(request.param)
    ahead: float = request.param
    return ahead


def database_time() -> float:
    theirs = database().client.admin.command("hello")["localTime"]
    return float(theirs.replace(tzinfo=dt.timezone.utc).timestamp())


def test_now_is_the_databases_time(wrong_by: float) -> None:
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


def test_a_revocation_holds_whatever_the_machines_clock_says(
    apis: Apis, operator: Api, set_clock: SetClock, sockets: Sockets
) -> None:
    old = data_of(apis.anonymous().post("/api/auth/token", {"userId": "u1"}))["token"]
    set_clock(-300)
    assert operator.post("/api/auth/revoke", {"userId": "u1"}).status_code == 200

    assert_failure(apis.bearer(old).get(STATS), 401, "INVALID_TOKEN")
    new = data_of(apis.anonymous().post("/api/auth/token", {"userId": "u1"}))["token"]
    assert apis.bearer(new).get(STATS).status_code == 200


def test_a_token_of_a_process_that_measured_a_little_late_is_revoked_and_a_newer_one_is_not(
    apis: Apis, operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made_elsewhere(off: int) -> str:
        return make_token("u1", issuedAtMs=clock.now_ms() + off)

    ahead = made_elsewhere(10)
    assert operator.post("/api/auth/revoke", {"userId": "u1"}).status_code == 200

    assert_failure(apis.bearer(ahead).get(STATS), 401, "INVALID_TOKEN")
    assert apis.bearer(made_elsewhere(-10)).get(STATS).status_code == 200


def test_setting_the_machines_clock_disturbs_nobody(operator: Api, sockets: Sockets, set_clock: SetClock) -> None:
    agent_id = operator.create_agent()["id"]
    socket = sockets.agent(agent_id)
    session = operator.start("u1")
    leases = [Lease("work", 30.0), Lease("work", 30.0)]
    for ahead in (86_400.0, -86_400.0):
        set_clock(ahead)
        deadlines.look()
        assert agent_presence.sweep() == 0
        assert socket.is_connected
        assert operator.session(session["sessionId"])["status"] == "active"
        assert [lease.hold() for lease in leases] == [True, False]
    stored = Session.objects.get(id=session["sessionId"])
    assert abs(stored.created_at.timestamp() - database_time()) < 10
    assert Agent.objects.get(id=agent_id).present_until.timestamp() > database_time()


@pytest.mark.parametrize("ahead", [-86_400.0, 86_400.0])
def test_rate_limits_count_on_when_the_clock_is_set(make_app: MakeApp, set_clock: SetClock, ahead: float) -> None:
    operator = Apis(make_app(rate_limits=True, rate_limit_start_session="1/4 seconds"))
    user = operator.user("u1")
    user.start("u1")
    set_clock(ahead)

    refused = user.post("/api/chat/start-session", {"userId": "u1"})

    assert_failure(refused, 429, "RATE_LIMITED")
    assert 1 <= int(refused.headers["Retry-After"]) <= 4
    assert eventually(lambda: user.post("/api/chat/start-session", {"userId": "u1"}).status_code == 200)


def test_setting_the_clock_makes_no_connection_look_dead(app: Flask, set_clock: SetClock) -> None:
    connection = EngineSocket(socketio.server.eio, "a-connection")
    connection.ping()
    set_clock(86_400.0)
    assert connection.check_ping_timeout()


@pytest.mark.features("upkeep")
def test_health_and_doctor_say_when_the_clock_is_wrong(apis: Apis, app: Flask, set_clock: SetClock) -> None:
    def said() -> dict[str, Any]:
        state: dict[str, Any] = data_of(apis.anonymous().get("/api/health"))["services"]["clock"]
        return state

    assert said()["status"] == "right"
    set_clock(-0.02)
    assert "clock: -0.0 s" not in app.test_cli_runner().invoke(args=["doctor"]).output
    set_clock(300.0)
    assert said() == {"status": "wrong", "offset": pytest.approx(300.0, abs=1.0)}
    found = app.test_cli_runner().invoke(args=["doctor"]).output
    assert "the clock of this machine is 300.0 s ahead of the database's" in found


def test_mongodb_no_longer_deletes_by_age_as_in_an_earlier_release(make_app: MakeApp) -> None:
    make_app()
    retired = [document for document in documents.ALL if "expiry" in document._meta.get("retired_indexes", ())]
    assert Denial in retired
    for document in retired:
        document.collection().create_index("expiresAt", name="expiry", expireAfterSeconds=0)
    make_app()
    for document in retired:
        assert "expiry" not in document.collection().index_information()


def test_the_drivers_heartbeats_measure_the_clock_of_each_member(app: Flask) -> None:
    measure_time()
    assert eventually(lambda: len(clock._clock._members) == 1)
    ((seen, _),) = clock._clock._members.values()
    assert abs(seen - (clock.timestamp() - clock.elapsed())) < 1
    assert clock.wrong_members() == {}


def test_a_token_from_the_command_line_is_valid_even_if_that_machines_clock_is_ahead(
    app: Flask, apis: Apis, set_clock: SetClock
) -> None:
    clock.forget()
    set_clock(300.0)
    made = app.test_cli_runner().invoke(args=["tokens", "make", "u1"]).stdout.strip()

    assert apis.bearer(made).get(STATS).status_code == 200
