"""Authentication: valid and invalid tokens and API keys, in every form of the headers."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import jwt
import pytest
from werkzeug.test import TestResponse

from chatsupport.blueprints.errors import endpoints
from chatsupport.documents import Agent
from tests.api import Api, Apis, assert_failure, data_of, make_token, make_unsigned_token
from tests.applications import MakeApp
from tests.conftest import API_KEY, JWT_SECRET

STATS = "/api/chat/stats"
PUBLIC = {
    "GET /",
    "GET /api/chat/availability",
    "GET /api/health",
    "POST /api/auth/token",
    "POST /api/auth/login",
    "GET /api/auth/sign-in-options",
    "GET /api/openapi.json",
    "GET /api/docs",
    "GET /api/asyncapi.json",
    "GET /console",
    "GET /console-worker.js",
    "GET /demo",
    "GET /metrics",
    "GET /web/:version/:path",
    "GET /widget.js",
    "GET /api/files/:file_id",
    "GET /mail",
    "GET /unsubscribe",
    "GET /api/mail",
    "POST /api/mail/unsubscribe",
    "POST /api/mail/unsubscribe/one-click",
    "POST /api/auth/forgot-password",
    "POST /api/auth/reset-password",
}


def signed(algorithm: str = "HS256", secret: str = JWT_SECRET, **claims: Any) -> str:
    """Sign a user's claims. `name=None` leaves a claim out."""
    payload = {"sub": "u1", "userType": "user", "type": "access", "exp": 4102444800, **claims}
    return jwt.encode({name: value for name, value in payload.items() if value is not None}, secret, algorithm)


def ask(apis: Apis, **headers: str) -> TestResponse:
    return apis.anonymous(**{name.replace("_", "-"): value for name, value in headers.items()}).get(STATS)


def assert_unauthorized(response: TestResponse, code: str) -> None:
    assert_failure(response, 401, code)
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_caller_without_credentials_is_told_nothing(apis: Apis, subtests: pytest.Subtests) -> None:
    with apis.app.app_context():
        protected = set(endpoints()) - PUBLIC
    assert len(protected) >= 8
    for route in sorted(protected):
        with subtests.test(route=route):
            method, path = route.replace(":session_id", "x").replace(":agent_id", "x").split(" ")

            def ask_as(headers: dict[str, str], method: str = method, path: str = path) -> TestResponse:
                return apis.app.test_client().open(path, method=method, headers=headers)

            assert_unauthorized(ask_as({}), "AUTH_REQUIRED")
            assert_unauthorized(ask_as({"X-API-Key": "wrong"}), "INVALID_API_KEY")
            assert_unauthorized(ask_as({"Authorization": "Bearer wrong"}), "INVALID_TOKEN")


def test_the_authorization_header_may_be_written_in_several_ways(apis: Apis, subtests: pytest.Subtests) -> None:
    for header in ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", " Bearer {} ", "Bearer\t{}"]:
        with subtests.test(header=header):
            assert ask(apis, Authorization=header.format(signed())).status_code == 200


def test_an_invalid_authorization_header_is_refused(apis: Apis, subtests: pytest.Subtests) -> None:
    for header in [
        "Bearer",
        "Bearer ",
        "{}",
        "Basic {}",
        "Token {}",
        "Bearer {} {}",
        "Bearer {},x",
        "Bearer: {}",
        "Bearer{}",
    ]:
        with subtests.test(header=header):
            assert_unauthorized(ask(apis, Authorization=header.format(signed(), "x")), "INVALID_TOKEN")


def test_an_empty_authorization_header_counts_as_missing(apis: Apis) -> None:
    assert_unauthorized(ask(apis, Authorization=""), "AUTH_REQUIRED")
    assert ask(apis, Authorization="", X_API_Key=API_KEY).status_code == 200


@pytest.mark.filterwarnings("ignore:The HMAC key is")
def test_a_token_with_a_wrong_signature_is_refused(apis: Apis, subtests: pytest.Subtests) -> None:
    for token in [
        "x",
        "a.b.c",
        "..",
        signed()[:-2],
        signed() + "A",
        signed(secret="another secret that is as long as it takes"),
        signed("HS512"),
        signed("HS384"),
        make_unsigned_token(alg="none"),
        make_unsigned_token(alg="None"),
        make_unsigned_token(alg="HS256"),
        make_unsigned_token(alg="RS256"),
        make_unsigned_token(),
        "x" * 5000,
    ]:
        with subtests.test(token=token):
            assert_unauthorized(ask(apis, Authorization=f"Bearer {token}"), "INVALID_TOKEN")


def test_the_payload_of_a_token_cannot_be_exchanged(apis: Apis) -> None:
    header, _, signature = signed().split(".")
    _, payload, _ = signed(userType="system").split(".")

    assert_unauthorized(ask(apis, Authorization=f"Bearer {header}.{payload}.{signature}"), "INVALID_TOKEN")


def test_a_token_without_the_right_claims_is_refused(apis: Apis, subtests: pytest.Subtests) -> None:
    for claims in [
        {"type": "refresh"},
        {"sub": None},
        {"sub": ""},
        {"sub": "\ud800"},
        {"sub": "\ud800", "userType": "agent"},
        {"userType": None},
        {"userType": "admin"},
        {"userType": ""},
        {"userType": ["system"]},
        {"userType": {"$ne": ""}},
        {"nbf": 4102444800},
    ]:
        with subtests.test(claims=claims):
            assert_unauthorized(ask(apis, Authorization=f"Bearer {signed(**claims)}"), "INVALID_TOKEN")


def test_a_token_whose_subject_is_not_text_is_refused(apis: Apis) -> None:
    token = jwt.api_jws.encode(
        json.dumps({"sub": 7, "userType": "user", "type": "access", "exp": 4102444800}).encode(),
        JWT_SECRET,
        "HS256",
    )

    assert_unauthorized(ask(apis, Authorization=f"Bearer {token}"), "INVALID_TOKEN")


def test_a_token_whose_issue_time_is_not_a_number_counts_as_oldest(apis: Apis) -> None:
    for issued_at in (math.nan, -math.inf):
        token = signed(iat=issued_at)
        assert ask(apis, Authorization=f"Bearer {token}").status_code == 200

    apis.operator().post("/api/auth/revoke", {"userId": "u1"})

    assert_unauthorized(ask(apis, Authorization=f"Bearer {token}"), "INVALID_TOKEN")


def test_an_expired_token_says_so(apis: Apis) -> None:
    assert_unauthorized(ask(apis, Authorization=f"Bearer {signed(exp=int(time.time()) - 1)}"), "TOKEN_EXPIRED")
    assert ask(apis, Authorization=f"Bearer {signed(exp=int(time.time()) + 60)}").status_code == 200


def test_an_expired_token_with_a_wrong_signature_is_just_invalid(apis: Apis) -> None:
    token = signed(secret="another secret that is as long as it takes", exp=1)

    assert_unauthorized(ask(apis, Authorization=f"Bearer {token}"), "INVALID_TOKEN")


def test_a_token_of_an_agent_that_never_was_is_refused(apis: Apis, subtests: pytest.Subtests) -> None:
    for agent_id in ["6b02a346410e8790f1f544d2", "Ada", "x" * 12, "$ne"]:
        with subtests.test(agent_id=agent_id):
            assert_unauthorized(apis.agent(agent_id).get(STATS), "INVALID_TOKEN")


def test_a_deleted_agent_loses_its_access_at_once(apis: Apis, operator: Api) -> None:
    agent = apis.agent(operator.create_agent()["id"])
    assert agent.get(STATS).status_code == 200

    Agent.objects.delete()

    assert_unauthorized(agent.get(STATS), "INVALID_TOKEN")


def test_only_operators_manage_agents(apis: Apis, operator: Api) -> None:
    agent = apis.agent(operator.create_agent()["id"])
    system = apis.anonymous(Authorization=f"Bearer {make_token('crm', 'system')}")

    for caller in (apis.user("u1"), agent):
        assert_failure(caller.get("/api/agents"), 403, "FORBIDDEN")
        assert_failure(caller.post("/api/agents", {"name": "Mallory"}), 403, "FORBIDDEN")
    for caller in (system, operator):
        assert len(data_of(caller.get("/api/agents"))["agents"]) == 1


def test_each_of_several_api_keys_is_valid(make_app: MakeApp) -> None:
    apis = Apis(make_app(api_keys=("the-old-key", "the-new-key")))

    assert ask(apis, X_API_Key="the-old-key").status_code == 200
    assert ask(apis, X_API_Key="the-new-key").status_code == 200
    for wrong in ("the-old-ke", "the-old-keys", "THE-OLD-KEY", "the-old-key,the-new-key", "", "ö"):
        assert_unauthorized(ask(apis, X_API_Key=wrong), "INVALID_API_KEY")


def test_without_configured_keys_no_key_is_valid(make_app: MakeApp) -> None:
    apis = Apis(make_app(api_keys=(), app_env="development"))

    for wrong in ("", "None", "()", API_KEY):
        assert_unauthorized(ask(apis, X_API_Key=wrong), "INVALID_API_KEY")


def test_a_valid_api_key_wins_over_any_token(apis: Apis, subtests: pytest.Subtests) -> None:
    for authorization in ["Bearer wrong", "Bearer " + signed(exp=1), "Basic dTpw", "Bearer", "garbage"]:
        with subtests.test(authorization=authorization):
            assert ask(apis, X_API_Key=API_KEY, Authorization=authorization).status_code == 200


def test_a_valid_api_key_with_a_users_token_is_an_operator(apis: Apis) -> None:
    both = apis.anonymous(**{"X-API-Key": API_KEY, "Authorization": f"Bearer {signed()}"})

    assert both.create_agent()["name"] == "Ada"


def test_a_wrong_api_key_is_refused_despite_a_valid_token(apis: Apis) -> None:
    assert_unauthorized(ask(apis, X_API_Key="wrong", Authorization=f"Bearer {signed()}"), "INVALID_API_KEY")


def test_credentials_in_the_query_or_the_body_are_ignored(apis: Apis) -> None:
    anybody = apis.anonymous()

    assert_unauthorized(anybody.get(STATS, token=signed(), apiKey=API_KEY, access_token=signed()), "AUTH_REQUIRED")
    assert_unauthorized(
        anybody.post("/api/agents", {"name": "Mallory", "apiKey": API_KEY, "token": signed()}), "AUTH_REQUIRED"
    )
