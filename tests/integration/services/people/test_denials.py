"""Revoked tokens and replaced secrets: old tokens are refused everywhere at once, and newer ones are accepted."""

from __future__ import annotations

import time
from typing import Any

import pytest

from chatsupport import orders
from chatsupport.database.clock import now_ms
from chatsupport.documents import Denial
from chatsupport.identity import Caller
from chatsupport.services.assignment import agent_presence
from chatsupport.services.people import denials
from chatsupport.sockets import connections
from tests.api import Api, Apis, assert_failure, data_of, make_token
from tests.applications import MakeApp
from tests.concurrency import eventually
from tests.conftest import JWT_SECRET
from tests.interleaving import just_after, just_before
from tests.sockets import Sockets, assert_refused

STATS = "/api/chat/stats"
BLOCKS = "/api/blocks"


def revoke(operator: Api, user_id: str, user_type: str = "user") -> dict[str, Any]:
    return data_of(operator.post("/api/auth/revoke", {"userId": user_id, "userType": user_type}))


def test_a_revoked_token_is_invalid_at_once(apis: Apis, operator: Api, sockets: Sockets) -> None:
    user, socket, other = apis.user("u1"), sockets.user("u1"), sockets.user("u2")
    assert user.get(STATS).status_code == 200

    revoke(operator, "u1")

    response = user.get(STATS)
    assert_failure(response, 401, "INVALID_TOKEN")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert not socket.is_connected
    assert_refused(socket.heard("error")[0], "INVALID_TOKEN")
    assert_refused(sockets.attempt({"token": make_token("u1")}).refusal, "INVALID_TOKEN")
    assert other.is_connected
    assert apis.user("u2").get(STATS).status_code == 200


def test_a_token_made_after_the_revocation_is_valid(apis: Apis, operator: Api, sockets: Sockets) -> None:
    before = data_of(apis.anonymous().post("/api/auth/token", {"userId": "u1"}))["token"]
    time.sleep(0.002)
    revoke(operator, "u1")
    time.sleep(0.002)
    after = data_of(apis.anonymous().post("/api/auth/token", {"userId": "u1"}))["token"]

    assert_failure(apis.bearer(before).get(STATS), 401, "INVALID_TOKEN")
    assert apis.bearer(after).get(STATS).status_code == 200
    assert sockets.attempt({"token": after}).is_connected


def test_tokens_without_milliseconds_in_their_issue_time(apis: Apis, operator: Api) -> None:
    revoke(operator, "u1")
    seconds = now_ms() // 1000
    for claims, is_good in (({}, False), ({"iat": seconds - 60}, False), ({"iat": seconds + 1, "nbf": 0}, True)):
        if is_good:
            time.sleep(max(0.0, seconds + 1 - time.time()))
        response = apis.bearer(make_token("u1", **claims)).get(STATS)
        assert response.status_code == (200 if is_good else 401), claims


@pytest.mark.features("blocks")
def test_a_lost_order_is_made_up_for(operator: Api, sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    old, blocked, other = sockets.user("u1"), sockets.user("u2"), sockets.user("u3")
    with monkeypatch.context() as lost:
        lost.setattr(orders, "obey", lambda order: None)
        revoke(operator, "u1")
        operator.post("/api/blocks", {"userId": "u2"})
    time.sleep(0.002)
    new = sockets.attempt({"token": make_token("u1", issuedAtMs=now_ms())})
    assert old.is_connected

    denials.enforce_recent()

    assert not old.is_connected
    assert not blocked.is_connected
    assert new.is_connected
    assert other.is_connected


def test_a_second_revocation_never_weakens_the_first(
    apis: Apis, operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = make_token("u1", issuedAtMs=now_ms())
    time.sleep(0.002)
    revoke(operator, "u1")
    # As if by another process, whose clock is behind.
    monkeypatch.setattr(denials, "now_ms", lambda: 1)
    revoke(operator, "u1")

    assert_failure(apis.bearer(token).get(STATS), 401, "INVALID_TOKEN")


def test_tokens_of_agents_and_systems_are_revoked_too(apis: Apis, operator: Api, sockets: Sockets) -> None:
    agent_id = operator.create_agent()["id"]
    system = apis.bearer(make_token("crm", "system"))
    socket = sockets.agent(agent_id)

    revoke(operator, agent_id, "agent")
    revoke(operator, "crm", "system")

    assert_failure(apis.agent(agent_id).get(STATS), 401, "INVALID_TOKEN")
    assert_failure(system.get(STATS), 401, "INVALID_TOKEN")
    assert not socket.is_connected
    assert operator.get(STATS).status_code == 200


def test_a_deleted_agents_sockets_are_closed(operator: Api, sockets: Sockets) -> None:
    agent_id = operator.create_agent()["id"]
    socket = sockets.agent(agent_id)

    operator.delete(f"/api/agents/{agent_id}")

    assert not socket.is_connected


@pytest.mark.features("blocks")
@pytest.mark.parametrize("call", [("POST", "/api/auth/revoke"), ("POST", BLOCKS), ("GET", BLOCKS)])
def test_only_operators_deny(apis: Apis, operator: Api, call: tuple[str, str]) -> None:
    agent_id = operator.create_agent()["id"]
    for api in (apis.user("u1"), apis.agent(agent_id)):
        response = api.client.open(call[1], method=call[0], json={"userId": "u2"}, headers=api.headers)
        assert_failure(response, 403, "FORBIDDEN")
    assert Denial.objects.count() == 0


@pytest.mark.parametrize("when", [just_before, just_after])
def test_a_person_denied_while_connecting_is_refused(
    operator: Api, sockets: Sockets, monkeypatch: pytest.MonkeyPatch, when: Any
) -> None:
    when(monkeypatch, denials, "check", lambda: revoke(operator, "u1"))

    socket = sockets.attempt({"token": make_token("u1")})

    assert eventually(lambda: not socket.is_connected)
    assert_refused(socket.refusal, "INVALID_TOKEN")


def test_an_agent_denied_while_its_presence_is_stored_is_refused(
    operator: Api, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent_id = operator.create_agent()["id"]
    just_after(monkeypatch, agent_presence, "connected", lambda: operator.delete(f"/api/agents/{agent_id}"))

    socket = sockets.attempt({"token": make_token(agent_id, "agent")})

    assert not socket.is_connected
    assert connections.of(Caller(agent_id, "agent")) == []


def test_a_call_costs_one_look_up(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    collection = Denial.collection()

    class Counting:
        def find(self, *args: Any, **options: Any) -> Any:
            asked.append(args)
            return collection.find(*args, **options)

    monkeypatch.setattr(Denial, "collection", Counting)

    apis.user("u1").get(STATS)

    assert len(asked) == 1


def test_tokens_signed_with_the_previous_secret_are_accepted(make_app: MakeApp) -> None:
    old = "the secret of last year, which is long enough"
    apis = Apis(make_app(jwt_secret_previous=old))

    assert apis.bearer(make_token("u1", secret=old)).get(STATS).status_code == 200
    assert apis.bearer(make_token("u1")).get(STATS).status_code == 200
    new = data_of(apis.anonymous().post("/api/auth/token", {"userId": "u1"}))["token"]
    assert apis.bearer(new).get(STATS).status_code == 200
    for token, code in [
        (make_token("u1", secret=old, exp=1), "TOKEN_EXPIRED"),
        (make_token("u1", secret=old, type="refresh"), "INVALID_TOKEN"),
        (make_token("u1", secret="neither of the two, though it is long enough"), "INVALID_TOKEN"),
    ]:
        assert_failure(apis.bearer(token).get(STATS), 401, code)
    # Without it, its tokens are invalid.
    assert_failure(Apis(make_app()).bearer(make_token("u1", secret=old)).get(STATS), 401, "INVALID_TOKEN")


def test_a_token_without_an_expiry_is_refused(apis: Apis) -> None:
    import jwt

    token = jwt.encode({"sub": "u1", "userType": "user", "type": "access"}, JWT_SECRET, "HS256")

    assert_failure(apis.bearer(token).get(STATS), 401, "INVALID_TOKEN")
