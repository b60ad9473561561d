"""POST /api/auth/token: who gets a token, for which person, and with which claims."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any

import jwt
import pytest

from chatsupport.documents import Agent
from tests.api import Api, Apis, assert_failure, data_of
from tests.applications import MakeApp
from tests.conftest import API_KEY, JWT_SECRET

TOKEN = "/api/auth/token"
IDENTITY_SECRET = "what only the site's server knows"


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, JWT_SECRET, algorithms=["HS256"])
    return claims


def user_hash(user_id: str, secret: str = IDENTITY_SECRET) -> str:
    return hmac.new(secret.encode(), user_id.encode(), hashlib.sha256).hexdigest()


@pytest.fixture
def anybody(apis: Apis) -> Api:
    return apis.anonymous()


def test_anybody_gets_a_token_for_a_user(anybody: Api) -> None:
    response = anybody.post(TOKEN, {"userId": "u1"})

    data = data_of(response)
    assert response.status_code == 201
    assert set(data) == {"token", "tokenType", "expiresInSeconds", "expiresInDays"}
    assert (data["tokenType"], data["expiresInSeconds"], data["expiresInDays"]) == ("Bearer", 2592000, 30)


def test_a_token_names_its_person_and_lasts_30_days(anybody: Api) -> None:
    token = data_of(anybody.post(TOKEN, {"userId": "u1"}))["token"]

    claims = claims_of(token)
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    assert (claims["sub"], claims["userType"], claims["type"]) == ("u1", "user", "access")
    assert claims["exp"] - claims["iat"] == 30 * 24 * 3600
    assert abs(claims["iat"] - time.time()) < 60


def test_a_token_gives_access_to_its_persons_session(apis: Apis, anybody: Api) -> None:
    token = data_of(anybody.post(TOKEN, {"userId": "u1"}))["token"]
    user = apis.anonymous(Authorization=f"Bearer {token}")

    assert user.start("u1")["status"] == "waiting"
    assert_failure(user.post("/api/chat/start-session", {"userId": "u2"}), 403, "FORBIDDEN")


def test_a_user_id_is_trimmed(anybody: Api, subtests: pytest.Subtests) -> None:
    for given, stored in [
        ("u", "u"),
        ("x" * 128, "x" * 128),
        ("  u1\n", "u1"),
        (" " + "x" * 128 + " ", "x" * 128),
        ("Ünï 😀", "Ünï 😀"),
    ]:
        with subtests.test(given=given, stored=stored):
            response = anybody.post(TOKEN, {"userId": given})

            assert response.status_code == 201
            assert claims_of(data_of(response)["token"])["sub"] == stored


def test_an_invalid_user_id_gets_no_token(anybody: Api, subtests: pytest.Subtests) -> None:
    for user_id in [
        "",
        " \t\n",
        "x" * 129,
        "a\x00b",
        None,
        7,
        0,
        True,
        1.5,
        [],
        ["u1"],
        {},
        {"$gt": ""},
        {"$ne": None},
    ]:
        with subtests.test(user_id=user_id):
            assert_failure(anybody.post(TOKEN, {"userId": user_id}), 400, "INVALID_USER_ID")


def test_a_missing_user_id_gets_no_token(anybody: Api) -> None:
    assert_failure(anybody.post(TOKEN, {"userType": "user"}), 400, "INVALID_USER_ID")
    assert_failure(anybody.post(TOKEN), 400, "INVALID_USER_ID")


def test_half_a_surrogate_pair_is_refused_in_a_user_id(anybody: Api, subtests: pytest.Subtests) -> None:
    for escape in [r"\ud800", r"\udfff", r"a\uDC00\uD800"]:
        with subtests.test(escape=escape):
            body = f'{{"userId": "{escape}"}}'

            response = anybody.client.post(TOKEN, data=body, content_type="application/json")

            assert_failure(response, 400, "INVALID_USER_ID")


def test_a_whole_surrogate_pair_is_one_character(anybody: Api) -> None:
    body = r'{"userId": "\ud83d\ude00"}'

    response = anybody.client.post(TOKEN, data=body, content_type="application/json")

    assert claims_of(data_of(response)["token"])["sub"] == "😀"


def test_only_three_user_types_are_accepted(anybody: Api, subtests: pytest.Subtests) -> None:
    for user_type in ["", "User", "admin", "user ", 1, True, [], ["user"], {"$ne": "user"}]:
        with subtests.test(user_type=user_type):
            assert_failure(anybody.post(TOKEN, {"userId": "u1", "userType": user_type}), 400, "INVALID_USER_TYPE")


@pytest.mark.parametrize(
    ("app_env", "api_keys"),
    [
        ("testing", ()),
        ("testing", (API_KEY,)),
        ("development", (API_KEY,)),
        ("production", (API_KEY,)),
        ("production", ()),
    ],
)
def test_tokens_of_agents_and_systems_need_an_api_key(
    make_app: MakeApp, app_env: str, api_keys: tuple[str, ...]
) -> None:
    anybody = Apis(make_app(app_env=app_env, api_keys=api_keys)).anonymous()

    for user_type in ("agent", "system"):
        assert_failure(anybody.post(TOKEN, {"userId": "x", "userType": user_type}), 401, "AUTH_REQUIRED")


@pytest.mark.parametrize("app_env", ["testing", "development", "production"])
def test_with_an_api_key_any_token_can_be_made(make_app: MakeApp, app_env: str) -> None:
    operator = Apis(make_app(app_env=app_env)).operator()

    for user_type in ("user", "agent", "system"):
        response = operator.post(TOKEN, {"userId": "x", "userType": user_type})
        assert claims_of(data_of(response)["token"])["userType"] == user_type


@pytest.mark.parametrize("user_type", ["agent", "system"])
def test_development_without_keys_gives_every_token_and_warns(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, user_type: str
) -> None:
    anybody = Apis(make_app(app_env="development", api_keys=())).anonymous()

    response = anybody.post(TOKEN, {"userId": "x", "userType": user_type})

    data = data_of(response)
    assert claims_of(data["token"])["userType"] == user_type
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "without an API key" in warnings[0].getMessage()
    assert data["token"] not in caplog.text


ASKERS = [
    ("127.0.0.1", {}, True),
    ("127.8.9.1", {"Host": "127.0.0.1:5000"}, True),
    ("::1", {"Host": "[::1]:5000"}, True),
    ("::ffff:127.0.0.1", {"Host": "shop.localhost"}, True),
    ("127.0.0.1", {"Origin": "http://localhost:5173"}, True),
    ("127.0.0.1", {"Origin": "https://shop.example"}, True),
    ("127.0.0.1", {"Origin": "https://evil.example"}, False),
    ("127.0.0.1", {"Origin": "http://localhost.evil.example"}, False),
    ("127.0.0.1", {"Origin": "http://[bad"}, False),
    ("127.0.0.1", {"Origin": "null"}, False),
    ("192.168.1.7", {}, False),
    ("", {}, False),
    ("127.0.0.1", {"Host": "abc.trycloudflare.com"}, False),
    ("127.0.0.1", {"Host": "localhost.evil.example"}, False),
    ("127.0.0.1", {"Host": "127.0.0.1.evil.example"}, False),
    *(
        ("127.0.0.1", {name: "127.0.0.1"}, False)
        for name in (
            "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded", "Forwarded", "X-Real-IP",
            "Via", "CF-Connecting-IP", "True-Client-IP", "X-Original-Host",
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("trusted_proxies", [0, 1])
def test_development_gives_tokens_freely_to_the_machine_itself_only(
    make_app: MakeApp, trusted_proxies: int, subtests: pytest.Subtests
) -> None:
    origins = ("*", "https://shop.example")
    app = make_app(app_env="development", api_keys=(), trusted_proxies=trusted_proxies, frontend_urls=origins)
    Agent(name="Ada").save()
    for address, headers, is_free in ASKERS:
        with subtests.test(address=address, headers=headers):
            client, here = app.test_client(), {"REMOTE_ADDR": address}
            for user_type in ("agent", "system"):
                wanted = {"userId": "x", "userType": user_type}
                response = client.post(TOKEN, json=wanted, headers=headers, environ_base=here)
                assert response.status_code == (201 if is_free else 401), response.json
            options = data_of(client.get("/api/auth/sign-in-options", headers=headers, environ_base=here))
            assert (options["development"], len(options["agents"])) == ((True, 1) if is_free else (False, 0))
            response = client.post(TOKEN, json={"userId": "x"}, headers=headers, environ_base=here)
            assert response.status_code == 201


def test_a_users_token_is_given_without_a_warning(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    anybody = Apis(make_app(app_env="development", api_keys=())).anonymous()

    assert anybody.post(TOKEN, {"userId": "x"}).status_code == 201
    assert not caplog.records


@pytest.mark.parametrize("api_keys", [(API_KEY,), ()])
def test_a_wrong_api_key_gets_no_token_at_all(make_app: MakeApp, api_keys: tuple[str, ...]) -> None:
    stranger = Apis(make_app(app_env="development", api_keys=api_keys)).anonymous(**{"X-API-Key": "wrong"})

    for user_type in ("user", "agent", "system"):
        response = stranger.post(TOKEN, {"userId": "x", "userType": user_type})
        assert_failure(response, 401, "INVALID_API_KEY")
        assert response.headers["WWW-Authenticate"] == "Bearer"


def test_an_agents_token_cannot_make_other_tokens(apis: Apis, operator: Api) -> None:
    agent = apis.agent(operator.create_agent()["id"])

    response = agent.post(TOKEN, {"userId": "x", "userType": "system"})

    assert_failure(response, 401, "AUTH_REQUIRED")


def test_with_an_identity_secret_the_sites_server_vouches_for_a_user(make_app: MakeApp) -> None:
    anybody = Apis(make_app(identity_secret=IDENTITY_SECRET)).anonymous()

    for given in (user_hash("u1"), user_hash("u1").upper()):
        assert anybody.post(TOKEN, {"userId": "u1", "userHash": given}).status_code == 201
    assert anybody.post(TOKEN, {"userId": " u1 ", "userHash": user_hash("u1")}).status_code == 201
    assert anybody.post(TOKEN, {"userId": "ü😀", "userHash": user_hash("ü😀")}).status_code == 201


def test_without_the_right_hash_nobody_gets_anothers_token(make_app: MakeApp, subtests: pytest.Subtests) -> None:
    for given in [
        None,
        "",
        "x",
        user_hash("u2"),
        user_hash("u1")[:-1],
        user_hash("u1", "another secret"),
        1,
        [],
        {},
        {"$ne": ""},
        "ü",
    ]:
        with subtests.test(given=given):
            anybody = Apis(make_app(identity_secret=IDENTITY_SECRET)).anonymous()

            assert_failure(anybody.post(TOKEN, {"userId": "u1", "userHash": given}), 403, "INVALID_USER_HASH")
            assert_failure(anybody.post(TOKEN, {"userId": "u1"}), 403, "INVALID_USER_HASH")


def test_an_api_key_needs_no_hash(make_app: MakeApp) -> None:
    operator = Apis(make_app(identity_secret=IDENTITY_SECRET)).operator()

    assert operator.post(TOKEN, {"userId": "u1"}).status_code == 201
    assert operator.post(TOKEN, {"userId": "u1", "userHash": "wrong"}).status_code == 201


@pytest.mark.parametrize(
    ("app_env", "identity_secret", "warnings"),
    [("production", None, 1), ("production", IDENTITY_SECRET, 0), ("development", None, 0), ("testing", None, 0)],
)
def test_production_warns_at_its_start_that_anybody_can_claim_any_id(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, app_env: str, identity_secret: str | None, warnings: int
) -> None:
    app = make_app(app_env=app_env, identity_secret=identity_secret)
    for _ in range(2):
        Apis(app).anonymous().post(TOKEN, {"userId": "u1"})

    said = [record for record in caplog.records if "IDENTITY_SECRET" in record.getMessage()]
    assert [record.levelname for record in said] == ["WARNING"] * warnings


def test_a_hash_does_not_give_an_agents_token(make_app: MakeApp) -> None:
    anybody = Apis(make_app(identity_secret=IDENTITY_SECRET)).anonymous()

    body = {"userId": "u1", "userType": "agent", "userHash": user_hash("u1")}

    assert_failure(anybody.post(TOKEN, body), 401, "AUTH_REQUIRED")


def test_without_an_identity_secret_a_hash_is_ignored(anybody: Api) -> None:
    assert anybody.post(TOKEN, {"userId": "u1", "userHash": "whatever"}).status_code == 201
