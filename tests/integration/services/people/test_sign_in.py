"""Agents sign in with email and password."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from chatsupport.database.connection import database
from chatsupport.documents import Agent
from chatsupport.services.people import passwords
from tests.api import Api, Apis, assert_failure, data_of
from tests.applications import STRONG_HASHER, MakeApp
from tests.concurrency import run_together
from tests.integration.services.people.conftest import EMAIL, PASSWORD

WRONG = {"email": EMAIL, "password": "wrong horse battery"}


def sign_in(apis: Apis, email: Any = EMAIL, password: Any = PASSWORD) -> TestResponse:
    return apis.anonymous().post("/api/auth/login", {"email": email, "password": password})


def with_token(apis: Apis, response: TestResponse) -> Api:
    return apis.anonymous(Authorization=f"Bearer {data_of(response)['token']}")


def test_an_agent_signs_in_and_gets_a_token_for_a_day_s_work(apis: Apis, account: dict[str, Any]) -> None:
    response = sign_in(apis)

    data = data_of(response)
    assert response.status_code == 200
    assert {name: data[name] for name in data if name != "token"} == {
        "tokenType": "Bearer",
        "expiresInSeconds": 43_200,
        "agent": account,
    }
    assert (account["email"], account["role"]) == (EMAIL, "agent")
    assert data_of(with_token(apis, response).get(f"/api/agents/{account['id']}")) == account


@pytest.mark.parametrize(
    ("stored", "typed"),
    [("  Ada@Example.COM ", "aDa@example.com"), ("zo\u00eb@example.com", "ZOE\u0308@example.com")],
)
def test_an_email_is_the_same_however_it_is_typed(apis: Apis, operator: Api, stored: str, typed: str) -> None:
    operator.create_agent("Ada", email=stored, password=PASSWORD)

    assert sign_in(apis, typed).status_code == 200


def test_a_password_is_the_same_from_any_keyboard(apis: Apis, operator: Api) -> None:
    operator.create_agent("Ada", email=EMAIL, password="pass w\u00f6rd \U0001f511 12")

    assert sign_in(apis, password="pass wo\u0308rd \U0001f511 12").status_code == 200
    assert_failure(sign_in(apis, password="pass word \U0001f511 12"), 401, "INVALID_CREDENTIALS")


@pytest.fixture
def strong_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let passwords be hashed as the server hashes them."""
    monkeypatch.setattr(passwords, "_HASHER", STRONG_HASHER)
    passwords._of_nobody.cache_clear()
    yield
    passwords._of_nobody.cache_clear()


def test_every_failed_sign_in_looks_and_costs_the_same(
    strong_hashes: None, apis: Apis, operator: Api, account: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.create_agent("Ben", email="ben@example.com")
    seen: list[str] = []
    verify = passwords._verify
    monkeypatch.setattr(passwords, "_verify", lambda stored, text: seen.append(stored[:40]) or verify(stored, text))

    bodies = []
    for email in (EMAIL, "nobody@example.com", "ben@example.com"):
        body = assert_failure(sign_in(apis, email, "wrong horse battery"), 401, "INVALID_CREDENTIALS")
        bodies.append({name: body[name] for name in body if name != "requestId"})

    assert bodies[0] == bodies[1] == bodies[2]
    parameters = [text.rpartition("$")[0] for text in seen]
    assert len(parameters) == 3
    assert set(parameters) == {"$argon2id$v=19$m=47104,t=1,p=1"}


def test_no_password_matches_the_dummy_hash(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_verify", lambda stored, text: True)

    assert_failure(sign_in(apis), 401, "INVALID_CREDENTIALS")


@pytest.mark.parametrize(
    ("email", "password", "code"),
    [
        (None, PASSWORD, "INVALID_EMAIL"),
        ({"$gt": ""}, PASSWORD, "INVALID_EMAIL"),
        (["ada@example.com"], PASSWORD, "INVALID_EMAIL"),
        ("ada", PASSWORD, "INVALID_EMAIL"),
        ("a" * 300 + "@example.com", PASSWORD, "INVALID_EMAIL"),
        ("ada@exam\x00ple.com", PASSWORD, "INVALID_EMAIL"),
        (EMAIL, None, "INVALID_PASSWORD"),
        (EMAIL, "", "INVALID_PASSWORD"),
        (EMAIL, {"$ne": ""}, "INVALID_PASSWORD"),
        (EMAIL, "x" * 129, "INVALID_PASSWORD"),
        (EMAIL, "x" * 60_000, "INVALID_PASSWORD"),
        (EMAIL, "\ud800 half a pair", "INVALID_PASSWORD"),
    ],
)
def test_an_impossible_password_is_refused_before_any_computation(
    apis: Apis, account: dict[str, Any], monkeypatch: pytest.MonkeyPatch, email: Any, password: Any, code: str
) -> None:
    monkeypatch.setattr(passwords, "_verify", lambda *_: pytest.fail("computed"))

    assert_failure(sign_in(apis, email, password), 400, code)


def test_a_huge_password_is_not_even_read(apis: Apis) -> None:
    assert_failure(sign_in(apis, password="x" * 1_000_000), 413, "PAYLOAD_TOO_LARGE")


def test_attempts_are_counted_by_email_and_address_before_any_computation(make_app: MakeApp) -> None:
    apis = Apis(make_app(rate_limits=True, rate_limit_logins="2/minute", rate_limit_logins_address="4/minute"))
    for _ in range(2):
        assert_failure(apis.anonymous().post("/api/auth/login", WRONG), 401, "INVALID_CREDENTIALS")
    body = {**WRONG, "email": " ADA@example.com"}

    limited = apis.anonymous().post("/api/auth/login", body)

    assert_failure(limited, 429, "RATE_LIMITED")
    assert 1 <= int(limited.headers["Retry-After"]) <= 60
    other = {**WRONG, "email": "ben@example.com"}
    assert apis.anonymous().post("/api/auth/login", other).status_code == 401
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_verify", lambda *_: pytest.fail("computed"))
        other["email"] = "cleo@example.com"
        assert_failure(apis.anonymous().post("/api/auth/login", other), 429, "RATE_LIMITED")


def test_strangers_cannot_lock_an_agent_out_of_its_usual_address(make_app: MakeApp) -> None:
    apis = Apis(make_app(rate_limits=True, rate_limit_logins="2/minute", rate_limit_logins_address="9/minute"))
    apis.operator().create_agent("Ada", email=EMAIL, password=PASSWORD)

    def from_address(address: str, password: str = PASSWORD) -> int:
        body = {"email": EMAIL, "password": password}
        client = apis.anonymous().client
        return client.post("/api/auth/login", json=body, environ_overrides={"REMOTE_ADDR": address}).status_code

    assert from_address("2001:db8::1") == 200
    assert [from_address(f"192.0.2.{number}", "wrong") for number in range(3)] == [401, 429, 429]

    # Also from another address of its household.
    assert from_address("2001:db8::2") == 200
    assert from_address("192.0.2.9") == 429
    stored = Agent.collection().find_one({"email": EMAIL})
    assert len(stored["signedInFrom"]) == 1
    assert "2001" not in str(stored["signedInFrom"])
    # Attempts from a known address are counted as well.
    assert [from_address("2001:db8::1", "wrong") for _ in range(2)] == [401, 429]


@pytest.mark.features("blocks")
def test_a_blocked_agent_cannot_sign_in_and_learns_why_only_with_the_password(
    apis: Apis, operator: Api, account: dict[str, Any]
) -> None:
    operator.post("/api/blocks", {"userId": account["id"], "userType": "agent"})

    assert_failure(sign_in(apis), 403, "BLOCKED")
    assert_failure(sign_in(apis, password="wrong horse battery"), 401, "INVALID_CREDENTIALS")


@pytest.mark.features("audit")
def test_sign_ins_are_audited_and_nobody_s_email_is_kept(apis: Apis, operator: Api, account: dict[str, Any]) -> None:
    sign_in(apis)
    sign_in(apis, password="wrong horse battery")
    sign_in(apis, "my secret@example.com".replace(" ", "-"))

    entries = [entry for entry in data_of(operator.get("/api/audit"))["entries"] if "sign_in" in entry["action"]]
    assert [(entry["action"], entry["agentId"], entry["callerId"]) for entry in entries] == [
        ("sign_in_failed", None, None),
        ("sign_in_failed", account["id"], None),
        ("sign_in", account["id"], account["id"]),
    ]
    assert {entry["address"] for entry in entries} == {"127.0.0.1"}
    assert "my-secret" not in str(list(database().audit.find()))


def test_an_outdated_hash_is_replaced(apis: Apis, account: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    before = Agent.collection().find_one({"email": EMAIL})["passwordHash"]
    assert before.startswith("$argon2id$")
    monkeypatch.setattr(passwords, "_HASHER", passwords.PasswordHasher(time_cost=2, memory_cost=1024, parallelism=1))

    assert sign_in(apis).status_code == 200

    after = Agent.collection().find_one({"email": EMAIL})["passwordHash"]
    assert "m=1024,t=2" in after
    assert sign_in(apis).status_code == 200
    assert Agent.collection().find_one({"email": EMAIL})["passwordHash"] == after


@pytest.mark.features("audit", "privacy")
def test_the_hash_never_leaves_the_database(apis: Apis, operator: Api, account: dict[str, Any]) -> None:
    answers = [
        sign_in(apis),
        operator.get("/api/agents"),
        operator.get(f"/api/agents/{account['id']}"),
        operator.patch(f"/api/agents/{account['id']}", {"password": "another horse battery"}),
        operator.get(f"/api/users/{account['id']}/export", userType="agent"),
        operator.get("/api/audit"),
        operator.get("/api/chat/stats"),
    ]

    for answer in answers:
        assert answer.status_code == 200
        assert "argon2" not in answer.text
        assert "horse" not in answer.text


def test_a_password_changed_during_a_sign_in_is_no_longer_valid(
    apis: Apis, operator: Api, account: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = passwords._verify

    def change_meanwhile(stored: str, text: str) -> bool:
        monkeypatch.setattr(passwords, "_verify", verify)
        run_together(lambda: operator.patch(f"/api/agents/{account['id']}", {"password": "another horse battery"}))
        return verify(stored, text)

    monkeypatch.setattr(passwords, "_verify", change_meanwhile)

    assert_failure(sign_in(apis), 401, "INVALID_CREDENTIALS")


def test_the_console_offers_agents_only_if_tokens_need_no_key(make_app: MakeApp) -> None:
    for overrides, free in (
        ({"app_env": "development", "api_keys": ()}, True),
        ({"app_env": "development"}, False),
        ({"app_env": "testing", "api_keys": ()}, False),
    ):
        apis = Apis(make_app(**overrides))
        Agent(name="Ada", email=EMAIL).save()

        data = data_of(apis.anonymous().get("/api/auth/sign-in-options"))

        assert data["development"] is free
        assert [set(agent) for agent in data["agents"]] == ([{"id", "name"}] if free else [])
        token = apis.anonymous().post("/api/auth/token", {"userId": "a" * 24, "userType": "agent"})
        assert token.status_code == (201 if free else 401)


def test_of_two_agents_created_at_once_with_one_email_only_one_exists(app: Flask, operator: Api) -> None:
    def create(number: int) -> int:
        body = {"name": f"Ada {number}", "email": EMAIL.upper() if number % 2 else EMAIL}
        return Apis(app).operator().post("/api/agents", body).status_code

    statuses = run_together(*(functools.partial(create, number) for number in range(8)))

    assert sorted(statuses) == [201] + [409] * 7
    assert Agent.collection().count_documents({"email": EMAIL}) == 1


def test_an_index_finds_the_agent_of_a_sign_in(apis: Apis, account: dict[str, Any]) -> None:
    plan = Agent.collection().find({"email": EMAIL}).explain()["queryPlanner"]["winningPlan"]

    assert "one_agent_per_email" in str(plan)


def test_several_agents_may_have_no_email(app: Flask) -> None:
    Agent.collection().insert_many([{"name": "Old", "email": email} for email in (None, None, 1, 1)])
    Agent.collection().insert_many([{"name": "Old"}, {"name": "Old"}])
