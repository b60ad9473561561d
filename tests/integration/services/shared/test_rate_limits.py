"""Rate limits, which count REST and sockets together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from chatsupport.errors import RateLimitedError
from chatsupport.services.shared import rate_limits
from tests.api import Api, Apis, assert_failure, make_token
from tests.applications import MakeApp
from tests.conftest import MakeConfig
from tests.sockets import Sockets, assert_refused, succeeded


@pytest.fixture
def limited(make_app: MakeApp) -> Iterator[Any]:
    """Make an application with limits. They are switched off again afterwards."""

    def make(**limits: str) -> Flask:
        return make_app(rate_limits=True, **{f"rate_limit_{name}": limit for name, limit in limits.items()})

    yield make
    rate_limits._limits.limiter = rate_limits._limits.alone = None


def assert_limited(response: TestResponse, longest: int = 60) -> None:
    assert_failure(response, 429, "RATE_LIMITED")
    assert 1 <= int(response.headers["Retry-After"]) <= longest


def token(api: Api, user_id: str = "u1", address: str = "192.0.2.1") -> TestResponse:
    return api.client.post(
        "/api/auth/token",
        json={"userId": user_id},
        headers=api.headers,
        environ_overrides={"REMOTE_ADDR": address},
    )


def test_an_address_gets_a_limited_number_of_tokens_a_minute(limited: Any) -> None:
    apis = Apis(limited(tokens="2/minute"))
    anybody = apis.anonymous()

    assert [token(anybody, f"u{number}").status_code for number in range(2)] == [201, 201]
    assert_limited(token(anybody, "u3"))
    assert token(anybody, "u3", address="192.0.2.2").status_code == 201
    assert token(apis.operator(), "u3").status_code == 201


def test_an_address_behind_a_proxy_is_that_of_the_client(make_app: MakeApp, limited: Any) -> None:
    def tokens(app: Flask) -> list[int]:
        clients = [Apis(app).anonymous(**{"X-Forwarded-For": f"198.51.100.{number}"}) for number in (1, 2)]
        return [token(client).status_code for client in clients]

    assert tokens(limited(tokens="1/minute")) == [201, 429]
    assert tokens(make_app(rate_limits=True, rate_limit_tokens="1/minute", trusted_proxies=1)) == [201, 201]


def test_wrong_api_keys_and_hashes_do_not_get_around_the_limit(make_app: MakeApp, limited: Any) -> None:
    anybody = Apis(make_app(rate_limits=True, rate_limit_tokens="2/minute", identity_secret="s" * 32)).anonymous()

    assert [token(anybody).status_code for _ in range(3)] == [403, 403, 429]


def test_a_user_starts_a_limited_number_of_sessions_a_minute(limited: Any) -> None:
    apis = Apis(limited(start_session="2/minute"))

    def start(api: Api, user_id: str = "u1") -> TestResponse:
        return api.post("/api/chat/start-session", {"userId": user_id})

    assert [start(apis.user("u1")).status_code for _ in range(2)] == [201, 200]
    assert_limited(start(apis.user("u1")))
    assert start(apis.user("u2"), "u2").status_code == 201
    assert [start(apis.operator()).status_code for _ in range(4)] == [200] * 4


def test_messages_over_rest_and_sockets_are_counted_together(limited: Any) -> None:
    app = limited(messages="4/10 seconds")
    apis, sockets = Apis(app), Sockets(app)
    session_id = apis.operator().start("u1")["sessionId"]
    user, socket = apis.user("u1"), sockets.user("u1")

    assert [user.send(session_id).status_code for _ in range(2)] == [201, 201]
    assert [succeeded(socket.say(session_id))["message"]["seq"] for _ in range(2)] == [3, 4]
    assert_limited(user.send(session_id), longest=10)
    assert_refused(socket.say(session_id), "RATE_LIMITED")
    assert_refused(sockets.user("u1").say(session_id), "RATE_LIMITED")


def test_operators_and_systems_are_not_limited(limited: Any) -> None:
    app = limited(messages="1/minute")
    apis, sockets = Apis(app), Sockets(app)
    session_id = apis.operator().start("u1")["sessionId"]
    system = apis.anonymous(Authorization=f"Bearer {make_token('crm', 'system')}")

    assert [apis.operator().send(session_id).status_code for _ in range(3)] == [201] * 3
    assert [system.send(session_id).status_code for _ in range(3)] == [201] * 3
    socket = sockets.operator()
    assert [succeeded(socket.say(session_id))["message"]["seq"] for _ in range(3)] == [7, 8, 9]


def test_each_person_is_limited_separately(limited: Any) -> None:
    app = limited(messages="1/minute")
    operator = Apis(app).operator()
    agent = operator.create_agent()
    session_id = operator.start("u1")["sessionId"]

    assert Apis(app).user("u1").send(session_id).status_code == 201
    assert Apis(app).agent(agent["id"]).send(session_id).status_code == 201
    assert_limited(Apis(app).user("u1").send(session_id))


def test_typing_is_limited(limited: Any) -> None:
    app = limited(typing="3/minute")
    session_id = Apis(app).operator().start("u1")["sessionId"]
    socket = Sockets(app).user("u1")

    for event in ("typing_start", "typing_stop", "typing_start"):
        succeeded(socket.call(event, {"sessionId": session_id}))
    for event in ("typing_start", "typing_stop"):
        assert_refused(socket.call(event, {"sessionId": session_id}), "RATE_LIMITED")


def test_an_address_makes_a_limited_number_of_connections_a_minute(limited: Any) -> None:
    sockets = Sockets(limited(connections="2/minute"))
    sockets.user("u1")
    assert_refused(sockets.attempt({"token": "wrong"}).refusal, "INVALID_TOKEN")

    for auth in ({"token": make_token("u2")}, {"token": "wrong"}, None):
        refused = sockets.attempt(auth)
        assert not refused.is_connected
        assert_refused(refused.refusal, "RATE_LIMITED")
    assert sockets.operator().is_connected


def test_while_redis_is_away_each_process_counts_alone(
    make_config: MakeConfig, caplog: pytest.LogCaptureFixture
) -> None:
    rate_limits.configure(make_config(rate_limits=True, rate_limit_tokens="2/minute", redis_url="redis://127.0.0.1:1"))
    try:
        for _ in range(2):
            rate_limits.check_address(rate_limits.TOKENS, "192.0.2.1")
        with pytest.raises(RateLimitedError):
            rate_limits.check_address(rate_limits.TOKENS, "192.0.2.1")
        rate_limits.check_address(rate_limits.TOKENS, "192.0.2.2")
    finally:
        rate_limits._limits.limiter = rate_limits._limits.alone = None
    assert caplog.text.count("counts by itself") == 1


def test_an_ipv6_household_counts_as_one(limited: Any) -> None:
    apis = Apis(limited(tokens="2/minute", connections="2/minute"))
    statuses = [token(apis.anonymous(), address=f"2001:db8::{number}").status_code for number in (1, 2, 3)]

    assert statuses == [201, 201, 429]
    assert token(apis.anonymous(), address="2001:db8:0:1::1").status_code == 201
    for number in (1, 2):
        rate_limits.check_address(rate_limits.CONNECTIONS, f"2001:db8::{number}")
    with pytest.raises(RateLimitedError):
        rate_limits.check_address(rate_limits.CONNECTIONS, "2001:db8::3")


def test_an_address_starts_a_limited_number_of_new_sessions_a_minute(limited: Any) -> None:
    apis = Apis(limited(start_session_address="2/minute"))

    def start(api: Api, user_id: str) -> TestResponse:
        return api.post("/api/chat/start-session", {"userId": user_id})

    assert [start(apis.user(user_id), user_id).status_code for user_id in ("u1", "u2")] == [201, 201]
    assert_limited(start(apis.user("u3"), "u3"))
    # An open session is not a new one, and a site's server acts for everybody.
    assert start(apis.user("u1"), "u1").status_code == 200
    assert start(apis.operator(), "u3").status_code == 201


def test_calls_without_valid_credentials_are_counted_by_address(limited: Any) -> None:
    apis = Apis(limited(refusals="4/minute"))
    wrong_key = apis.anonymous(**{"X-API-Key": "wrong"})

    assert_failure(apis.anonymous().get("/api/chat/stats"), 401, "AUTH_REQUIRED")
    assert_failure(wrong_key.get("/api/agents"), 401, "INVALID_API_KEY")
    assert_failure(token(wrong_key, address="127.0.0.1"), 401, "INVALID_API_KEY")
    assert_failure(apis.anonymous(Authorization="Bearer x").get("/api/chat/sessions"), 401, "INVALID_TOKEN")

    assert_limited(wrong_key.get("/api/agents"))
    assert_limited(apis.anonymous().get("/api/chat/stats"))
    # Callers with valid credentials are not limited, and health needs none.
    assert apis.operator().get("/api/agents").status_code == 200
    assert apis.anonymous().get("/api/health").status_code == 200
