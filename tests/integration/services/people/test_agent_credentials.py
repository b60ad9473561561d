"""Email, password and role of an agent: who may set them, and which tokens that ends."""

from __future__ import annotations

from typing import Any

import pytest

from chatsupport.documents import Agent
from tests.api import Api, Apis, assert_failure, data_of, make_token
from tests.integration.services.people.conftest import EMAIL, PASSWORD
from tests.sockets import Sockets, assert_refused

NEW = "another horse battery"


def signed_in(apis: Apis, email: str = EMAIL, password: str = PASSWORD) -> Api:
    response = apis.anonymous().post("/api/auth/login", {"email": email, "password": password})
    return apis.anonymous(Authorization=f"Bearer {data_of(response)['token']}")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"email": "ada"}, "INVALID_EMAIL"),
        ({"email": "ada@"}, "INVALID_EMAIL"),
        ({"email": "a da@example.com"}, "INVALID_EMAIL"),
        ({"email": "ada@example.com, ben@example.com"}, "INVALID_EMAIL"),
        ({"email": 1}, "INVALID_EMAIL"),
        ({"email": {"$gt": ""}}, "INVALID_EMAIL"),
        ({"password": "too short"}, "INVALID_PASSWORD"),
        ({"password": "x" * 129}, "INVALID_PASSWORD"),
        ({"password": 1234567890}, "INVALID_PASSWORD"),
        ({"role": "admin"}, "INVALID_ROLE"),
        ({"role": None}, "INVALID_ROLE"),
        ({"role": {"$ne": "agent"}}, "INVALID_ROLE"),
    ],
)
def test_invalid_credentials_are_refused(
    operator: Api, account: dict[str, Any], fields: dict[str, Any], code: str
) -> None:
    assert_failure(operator.post("/api/agents", {"name": "Ben", **fields}), 400, code)
    assert_failure(operator.patch(f"/api/agents/{account['id']}", fields), 400, code)


def test_text_that_looks_like_a_database_operator_is_just_text(
    apis: Apis, operator: Api, account: dict[str, Any]
) -> None:
    password = "$passwordHash $$NOW"
    changed = data_of(
        operator.patch(f"/api/agents/{account['id']}", {"email": "$name@example.com", "password": password})
    )

    assert changed["email"] == "$name@example.com"
    signed_in(apis, "$name@example.com", password)


def test_an_email_belongs_to_one_agent(operator: Api, account: dict[str, Any]) -> None:
    ben = operator.create_agent("Ben")

    assert_failure(operator.post("/api/agents", {"name": "Cleo", "email": "ADA@example.com"}), 409, "EMAIL_TAKEN")
    assert_failure(operator.patch(f"/api/agents/{ben['id']}", {"email": EMAIL}), 409, "EMAIL_TAKEN")
    operator.patch(f"/api/agents/{account['id']}", {"email": None})
    assert data_of(operator.patch(f"/api/agents/{ben['id']}", {"email": EMAIL}))["email"] == EMAIL
    assert "email" not in Agent.collection().find_one({"name": "Ada"})


@pytest.mark.parametrize(
    "changes", [{"password": NEW}, {"password": None}, {"email": "b@example.com"}, {"email": None}]
)
def test_new_credentials_end_tokens_and_sockets(
    apis: Apis, sockets: Sockets, operator: Api, account: dict[str, Any], changes: dict[str, Any]
) -> None:
    agent = signed_in(apis)
    token = agent.headers["Authorization"].removeprefix("Bearer ")
    socket = sockets.attempt({"token": token})

    assert operator.patch(f"/api/agents/{account['id']}", changes).status_code == 200

    assert_failure(agent.get(f"/api/agents/{account['id']}"), 401, "INVALID_TOKEN")
    assert_refused(socket.wait_for("error")[0], "INVALID_TOKEN")
    assert not socket.is_connected
    body = {"email": EMAIL, "password": PASSWORD}
    assert_failure(apis.anonymous().post("/api/auth/login", body), 401, "INVALID_CREDENTIALS")


def test_changes_unrelated_to_signing_in_end_no_token(apis: Apis, operator: Api, account: dict[str, Any]) -> None:
    agent = signed_in(apis)
    operator.patch(f"/api/agents/{account['id']}", {"email": EMAIL.upper(), "name": "Ada L.", "role": "supervisor"})

    assert agent.get(f"/api/agents/{account['id']}").status_code == 200


def test_an_agent_changes_its_own_password_and_keeps_only_the_token_it_used(
    apis: Apis, sockets: Sockets, account: dict[str, Any]
) -> None:
    mine, stolen = signed_in(apis), signed_in(apis)
    own_socket, other_socket = (
        sockets.attempt({"token": api.headers["Authorization"].removeprefix("Bearer ")}) for api in (mine, stolen)
    )
    path = f"/api/agents/{account['id']}"

    assert mine.patch(path, {"password": NEW, "currentPassword": PASSWORD}).status_code == 200

    assert mine.get(path).status_code == 200
    assert_failure(stolen.get(path), 401, "INVALID_TOKEN")
    other_socket.wait_for("error")
    assert own_socket.is_connected
    assert not other_socket.is_connected
    signed_in(apis, password=NEW)


def test_a_supervisor_changes_its_own_email_with_its_password(
    apis: Apis, operator: Api, account: dict[str, Any]
) -> None:
    path = f"/api/agents/{account['id']}"
    operator.patch(path, {"role": "supervisor"})
    api, other = signed_in(apis), operator.create_agent("Ben", email="ben@example.com")

    for body in ({"email": "new@example.com"}, {"email": None}, {"email": "new@example.com", "name": "Ada"}):
        assert_failure(api.patch(path, body), 403, "FORBIDDEN")
    wrong = {"email": "new@example.com", "currentPassword": "not the password"}
    assert_failure(api.patch(path, wrong), 401, "INVALID_CREDENTIALS")
    for body in ({"name": "Ada L."}, {"email": EMAIL}, {"maxUsers": 3}):
        assert api.patch(path, body).status_code == 200
    assert api.patch(f"/api/agents/{other['id']}", {"email": "benny@example.com"}).status_code == 200

    assert api.patch(path, {**wrong, "currentPassword": PASSWORD}).status_code == 200

    assert data_of(api.get(path))["email"] == "new@example.com"
    assert operator.patch(path, {"email": EMAIL}).status_code == 200


def test_a_kept_token_ends_with_the_next_revocation(apis: Apis, operator: Api, account: dict[str, Any]) -> None:
    mine = signed_in(apis)
    path = f"/api/agents/{account['id']}"
    mine.patch(path, {"password": NEW, "currentPassword": PASSWORD})
    mine.patch(path, {"password": PASSWORD, "currentPassword": NEW})
    assert mine.get(path).status_code == 200

    operator.post("/api/auth/revoke", {"userId": account["id"], "userType": "agent"})

    assert_failure(mine.get(path), 401, "INVALID_TOKEN")


def test_changing_a_password_takes_the_one_before(apis: Apis, operator: Api, account: dict[str, Any]) -> None:
    agent, path = signed_in(apis), f"/api/agents/{account['id']}"

    assert_failure(agent.patch(path, {"password": NEW}), 403, "FORBIDDEN")
    wrong = {"password": NEW, "currentPassword": "wrong horse battery"}
    assert_failure(agent.patch(path, wrong), 401, "INVALID_CREDENTIALS")
    assert_failure(agent.patch(path, {**wrong, "currentPassword": {"$ne": ""}}), 400, "INVALID_PASSWORD")
    ben = operator.create_agent("Ben")["id"]
    first = {"password": NEW, "currentPassword": NEW}
    assert_failure(apis.agent(ben).patch(f"/api/agents/{ben}", first), 403, "FORBIDDEN")
    signed_in(apis)


@pytest.mark.parametrize("changes", [{"role": "supervisor"}, {"email": "b@example.com"}, {"password": None}])
def test_an_agent_cannot_give_itself_credentials_or_a_role(
    apis: Apis, account: dict[str, Any], changes: dict[str, Any]
) -> None:
    agent, path = signed_in(apis), f"/api/agents/{account['id']}"

    assert_failure(agent.patch(path, {**changes, "currentPassword": PASSWORD}), 403, "FORBIDDEN")

    assert data_of(agent.get(path)) == account


def test_a_role_in_a_token_or_a_body_is_ignored(apis: Apis, operator: Api, account: dict[str, Any]) -> None:
    token = make_token(account["id"], "agent", role="supervisor")
    agent = apis.anonymous(Authorization=f"Bearer {token}")

    assert_failure(agent.get("/api/agents"), 403, "FORBIDDEN")
    assert_failure(agent.post("/api/agents", {"name": "Eve", "role": "supervisor"}), 403, "FORBIDDEN")


def test_an_agent_stored_without_a_role_is_a_plain_agent(apis: Apis, operator: Api, account: dict[str, Any]) -> None:
    Agent.collection().update_many({}, {"$unset": {"role": "", "email": "", "passwordHash": ""}})

    read = data_of(operator.get(f"/api/agents/{account['id']}"))

    assert (read["role"], read["email"]) == ("agent", None)
    assert_failure(apis.agent(account["id"]).get("/api/agents"), 403, "FORBIDDEN")
