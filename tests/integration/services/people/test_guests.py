"""Guests: the server makes their ids, and only their own earlier tokens get new ones."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import jwt
import pytest

from chatsupport import orders
from chatsupport.database.clock import now_ms
from chatsupport.documents import Denial
from chatsupport.identity import TOKEN_LIFETIME
from chatsupport.services.people import denials, guests
from tests.api import Api, Apis, assert_failure, data_of, make_token
from tests.applications import MakeApp
from tests.conftest import JWT_SECRET
from tests.interleaving import just_after, just_before
from tests.sockets import Sockets

TOKEN = "/api/auth/token"
DAY = 24 * 3600


def bearer(apis: Apis, token: str) -> Api:
    return apis.anonymous(Authorization=f"Bearer {token}")


def new_guest(apis: Apis) -> tuple[str, str]:
    """Return a new guest's id and token."""
    data = data_of(apis.anonymous().post(TOKEN, {"guest": True}))
    return data["userId"], data["token"]


def renew(apis: Apis, guest_id: str, token: str, **fields: Any) -> Any:
    return bearer(apis, token).post(TOKEN, {"userId": guest_id, **fields})


def test_a_guest_gets_an_id_that_nobody_can_guess(apis: Apis) -> None:
    response = apis.anonymous().post(TOKEN, {"guest": True})

    data = data_of(response)
    assert response.status_code == 201
    assert set(data) == {"userId", "token", "tokenType", "expiresInSeconds", "expiresInDays"}
    assert data["userId"].startswith("guest-")
    assert len(data["userId"]) >= len("guest-") + 22
    assert new_guest(apis)[0] != data["userId"]
    assert bearer(apis, data["token"]).start(data["userId"])["status"] == "waiting"


def test_other_fields_of_a_guests_request(apis: Apis, subtests: pytest.Subtests) -> None:
    anybody = apis.anonymous()
    for body, code in [
        ({"guest": True, "userId": "u1"}, "INVALID_USER_ID"),
        ({"guest": "yes"}, "INVALID_USER_ID"),
        ({"guest": 1}, "INVALID_USER_ID"),
        ({"guest": None}, "INVALID_USER_ID"),
        ({"guest": False}, "INVALID_USER_ID"),
        ({"guest": True, "userType": "agent"}, "INVALID_USER_TYPE"),
    ]:
        with subtests.test(body=body):
            assert_failure(anybody.post(TOKEN, body), 400, code)
    for without in (False, None):
        assert anybody.post(TOKEN, {"guest": without, "userId": "u1"}).status_code == 201


def test_with_an_identity_secret_guests_need_no_hash(make_app: MakeApp) -> None:
    apis = Apis(make_app(identity_secret="what only the site's server knows"))
    guest_id, token = new_guest(apis)

    assert renew(apis, guest_id, token).status_code == 201
    assert_failure(apis.anonymous().post(TOKEN, {"userId": "u1"}), 403, "INVALID_USER_HASH")


def test_a_guests_id_cannot_be_claimed(apis: Apis, operator: Api, subtests: pytest.Subtests) -> None:
    guest_id, _ = new_guest(apis)
    _, of_another = new_guest(apis)
    agent_id = operator.create_agent()["id"]
    foreign = make_token(guest_id, secret="another-secret-0123456789abcdefghij")
    for authorization in [
        None,
        "",
        "Basic x",
        "Bearer",
        "Bearer x",
        f"Bearer {of_another}",
        f"Bearer {foreign}",
        f"Bearer {make_token('u1')}",
        f"Bearer {make_token(agent_id, 'agent')}",
        f"Bearer {make_token(guest_id, 'system')}",
    ]:
        with subtests.test(authorization=authorization):
            headers = {} if authorization is None else {"Authorization": authorization}
            response = apis.anonymous(**headers).post(TOKEN, {"userId": guest_id, "userHash": "0" * 64})
            assert_failure(response, 403, "INVALID_USER_HASH")
    assert_failure(apis.anonymous().post(TOKEN, {"userId": "guest-of-mine"}), 403, "INVALID_USER_HASH")


def test_a_guests_token_can_be_renewed_until_90_days_after_its_expiry(apis: Apis) -> None:
    guest_id, _ = new_guest(apis)
    for ago, is_good in ((-60, True), (60, True), (90 * DAY - 60, True), (90 * DAY + 60, False)):
        old = make_token(guest_id, exp=int(time.time()) - ago, issuedAtMs=1)
        response = renew(apis, guest_id, old)
        assert response.status_code == (201 if is_good else 403), ago
        if is_good:
            assert bearer(apis, data_of(response)["token"]).start(guest_id)
        if ago > 0:
            assert_failure(bearer(apis, old).get("/api/chat/stats"), 401, "TOKEN_EXPIRED")


def test_an_api_key_gives_a_guests_token(apis: Apis, operator: Api) -> None:
    guest_id, _ = new_guest(apis)

    assert operator.post(TOKEN, {"userId": guest_id}).status_code == 201
    assert data_of(operator.post(TOKEN, {"guest": True}))["userId"].startswith("guest-")


def test_for_other_ids_the_header_is_ignored(apis: Apis) -> None:
    for authorization in ("Bearer x", "nonsense", f"Bearer {make_token('u2')}"):
        assert apis.anonymous(Authorization=authorization).post(TOKEN, {"userId": "u1"}).status_code == 201


@pytest.mark.features("blocks", "privacy")
def test_refused_tokens_renew_nothing(apis: Apis, operator: Api) -> None:
    revoked_id, revoked = new_guest(apis)
    signed_out_id, signed_out = new_guest(apis)
    erased_id, erased = new_guest(apis)
    blocked_id, blocked = new_guest(apis)
    time.sleep(0.002)
    operator.post("/api/auth/revoke", {"userId": revoked_id})
    bearer(apis, signed_out).post("/api/auth/logout")
    operator.delete(f"/api/users/{erased_id}")
    operator.post("/api/blocks", {"userId": blocked_id})

    for guest_id, token in ((revoked_id, revoked), (signed_out_id, signed_out), (erased_id, erased)):
        assert_failure(renew(apis, guest_id, token), 403, "INVALID_USER_HASH")
    assert_failure(renew(apis, blocked_id, blocked), 403, "BLOCKED")


def test_refusals_are_kept_until_no_token_renews_anything(apis: Apis, operator: Api) -> None:
    guest_id, _ = new_guest(apis)
    _, other = new_guest(apis)
    time.sleep(0.002)
    operator.post("/api/auth/revoke", {"userId": guest_id})
    bearer(apis, other).post("/api/auth/logout")
    _, third_token = new_guest(apis)
    apis.user("u1").post("/api/auth/identify", {"guestToken": third_token})

    refusals = list(Denial.collection().find())
    assert len(refusals) == 3
    for denial in refusals:
        assert denial["expiresAt"] - denial["createdAt"] >= timedelta(days=120), denial["_id"]


@pytest.mark.parametrize("when", [just_before, just_after])
def test_a_token_revoked_during_its_renewal_does_not_survive(
    apis: Apis, operator: Api, monkeypatch: pytest.MonkeyPatch, when: Any
) -> None:
    guest_id, token = new_guest(apis)
    time.sleep(0.002)
    before = now_ms()
    time.sleep(0.002)

    def revoke() -> None:
        # As if by a process that read its clock a moment before it wrote.
        with pytest.MonkeyPatch.context() as earlier:
            earlier.setattr(denials, "now_ms", lambda: before)
            operator.post("/api/auth/revoke", {"userId": guest_id})

    when(monkeypatch, guests.denials, "check", revoke)

    response = renew(apis, guest_id, token)

    if response.status_code == 201:
        assert_failure(bearer(apis, data_of(response)["token"]).get("/api/chat/stats"), 401, "INVALID_TOKEN")
    else:
        assert_failure(response, 403, "INVALID_USER_HASH")


def test_a_renewed_token_is_as_old_as_the_first(apis: Apis) -> None:
    guest_id, token = new_guest(apis)
    renewed = data_of(renew(apis, guest_id, token))["token"]

    first, second = (jwt.decode(each, JWT_SECRET, algorithms=["HS256"]) for each in (token, renewed))
    assert first["issuedAtMs"] == second["issuedAtMs"]
    assert first["jti"] != second["jti"]
    assert abs(second["exp"] - time.time() - TOKEN_LIFETIME.total_seconds()) < 60


def test_signing_out_ends_the_token_and_its_sockets_only(apis: Apis, operator: Api, sockets: Sockets) -> None:
    agent_id = operator.create_agent()["id"]
    for person_id, person_type in (("u1", "user"), (agent_id, "agent")):
        mine, other = (make_token(person_id, person_type, jti=name) for name in ("a", "b"))
        socket, others = sockets.attempt({"token": mine}), sockets.attempt({"token": other})

        response = bearer(apis, mine).post("/api/auth/logout")

        assert response.status_code == 200
        assert_failure(bearer(apis, mine).get("/api/chat/stats"), 401, "INVALID_TOKEN")
        assert_failure(bearer(apis, mine).post("/api/auth/logout"), 401, "INVALID_TOKEN")
        assert not socket.is_connected
        assert sockets.attempt({"token": mine}).refusal["code"] == "INVALID_TOKEN"
        assert others.is_connected
        assert bearer(apis, other).get("/api/chat/stats").status_code == 200


def test_a_token_signed_out_after_its_expiry_renews_nothing(apis: Apis) -> None:
    guest_id, _ = new_guest(apis)
    old = make_token(guest_id, exp=int(time.time()) - DAY)

    assert bearer(apis, old).post("/api/auth/logout").status_code == 200

    assert_failure(renew(apis, guest_id, old), 403, "INVALID_USER_HASH")
    assert_failure(bearer(apis, make_token(guest_id, exp=1)).post("/api/auth/logout"), 401, "TOKEN_EXPIRED")


def test_another_spelling_of_the_signature_is_the_same_token(apis: Apis) -> None:
    token = make_token("u1")
    assert bearer(apis, token + "=").get("/api/chat/stats").status_code == 200

    bearer(apis, token).post("/api/auth/logout")

    assert_failure(bearer(apis, token + "=").get("/api/chat/stats"), 401, "INVALID_TOKEN")


def test_a_lost_order_to_close_a_signed_out_socket_is_made_up_for(
    apis: Apis, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = make_token("u1", jti="a")
    socket, other = sockets.attempt({"token": token}), sockets.user("u1")
    with monkeypatch.context() as lost:
        lost.setattr(orders, "obey", lambda order: None)
        bearer(apis, token).post("/api/auth/logout")
    assert socket.is_connected

    denials.enforce_recent()

    assert not socket.is_connected
    assert other.is_connected


def test_systems_and_api_keys_do_not_sign_out(apis: Apis, operator: Api) -> None:
    for api in (operator, bearer(apis, make_token("crm", "system"))):
        assert_failure(api.post("/api/auth/logout"), 403, "FORBIDDEN")
    assert_failure(apis.anonymous().post("/api/auth/logout"), 401, "AUTH_REQUIRED")


def test_a_user_finds_its_open_session(apis: Apis, operator: Api) -> None:
    user = apis.user("u1")
    current = "/api/chat/session/current"
    assert data_of(user.get(current)) == {"session": None}

    session_id = user.start("u1")["sessionId"]
    shown = data_of(user.get(current))["session"]
    assert shown == {**user.session(session_id), "duration": shown["duration"]}
    assert data_of(apis.user("u2").get(current)) == {"session": None}

    user.end(session_id)
    assert data_of(user.get(current)) == {"session": None}
    for api in (operator, apis.agent(operator.create_agent()["id"])):
        assert_failure(api.get(current), 403, "FORBIDDEN")
