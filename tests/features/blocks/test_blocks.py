"""Blocked people and addresses are refused everywhere at once, and accepted again after the block."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from chatsupport import orders
from chatsupport.database.clock import now
from chatsupport.documents import Denial
from chatsupport.features.blocks.models import Block
from chatsupport.identity import API_KEY_CALLER, Caller
from chatsupport.orders import BLOCKED, CloseAddress, CloseSockets
from chatsupport.sockets import connections
from tests.api import Api, Apis, assert_failure, data_of, make_token
from tests.sockets import Sockets, assert_refused

STATS = "/api/chat/stats"
BLOCKS = "/api/blocks"


def block(operator: Api, **fields: Any) -> dict[str, Any]:
    return data_of(operator.post(BLOCKS, fields))


def from_address(api: Api, address: str, path: str = STATS) -> TestResponse:
    return api.client.get(path, headers=api.headers, environ_overrides={"REMOTE_ADDR": address})


def test_a_blocked_user_is_refused_everywhere_at_once(apis: Apis, operator: Api, sockets: Sockets) -> None:
    user, socket = apis.user("u1"), sockets.user("u1")

    blocked = block(operator, userId="u1", reason="spam")

    assert Block.model_validate(blocked).model_dump(by_alias=True) == blocked
    assert (blocked["userId"], blocked["userType"], blocked["reason"]) == ("u1", "user", "spam")
    assert_failure(user.get(STATS), 403, "BLOCKED")
    assert_failure(apis.anonymous().post("/api/auth/token", {"userId": "u1"}), 403, "BLOCKED")
    assert not socket.is_connected
    assert_refused(socket.heard("error")[0], "BLOCKED")
    assert_refused(sockets.attempt({"token": make_token("u1")}).refusal, "BLOCKED")
    assert apis.user("u2").get(STATS).status_code == 200
    # A caller of another type with the same id is somebody else.
    assert apis.anonymous(Authorization=f"Bearer {make_token('u1', 'system')}").get(STATS).status_code == 200

    data_of(operator.delete(f"{BLOCKS}/{blocked['id']}"))

    assert user.get(STATS).status_code == 200
    assert sockets.user("u1").is_connected
    assert_failure(operator.delete(f"{BLOCKS}/{blocked['id']}"), 404, "BLOCK_NOT_FOUND")


@pytest.mark.parametrize(
    ("blocked", "address", "other"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("192.0.2.7", "::ffff:192.0.2.7", "::ffff:192.0.2.8"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("2001:DB8:0::1", "2001:db8::1", "2001:db8::2"),
        ("2001:db8::/64", "2001:db8::abcd:1", "2001:db8:0:1::1"),
    ],
)
def test_a_blocked_address_is_refused(apis: Apis, operator: Api, blocked: str, address: str, other: str) -> None:
    block(operator, address=blocked)

    assert_failure(from_address(apis.user("u1"), address), 403, "BLOCKED")
    assert from_address(apis.user("u1"), other).status_code == 200
    token = apis.anonymous().client.post(
        "/api/auth/token", json={"userId": "u1"}, environ_overrides={"REMOTE_ADDR": address}
    )
    assert_failure(token, 403, "BLOCKED")
    # API keys lift blocks, and load balancers ask for the health.
    assert from_address(operator, address).status_code == 200
    assert from_address(apis.anonymous(), address, "/api/health").status_code == 200


def test_sockets_from_a_blocked_address_are_closed(operator: Api, sockets: Sockets) -> None:
    socket, other, system = sockets.user("u1"), sockets.user("u2"), sockets.operator()
    for caller, address in ((Caller("u1", "user"), "192.0.2.7"), (API_KEY_CALLER, "192.0.2.7")):
        connections.of(caller)[0].address = address

    block(operator, address="192.0.2.7")

    assert not socket.is_connected
    assert_refused(socket.heard("error")[0], "BLOCKED")
    assert other.is_connected
    assert system.is_connected


def test_an_order_that_comes_after_the_block_was_lifted_closes_nothing(operator: Api, sockets: Sockets) -> None:
    """Another process gave it, and Redis was away meanwhile."""
    data_of(operator.delete(f"{BLOCKS}/{block(operator, userId='u1')['id']}"))
    socket = sockets.user("u1")

    orders.give(CloseSockets(person_id="u1", person_type="user", why=BLOCKED))
    orders.give(CloseAddress(address="127.0.0.1"))

    assert socket.is_connected
    assert socket.heard("error") == []


def test_an_invalid_block_is_refused(operator: Api) -> None:
    for fields, code in [
        ({}, "INVALID_USER_ID"),
        ({"userId": {"$ne": ""}}, "INVALID_USER_ID"),
        ({"userId": "u1", "userType": "admin"}, "INVALID_USER_TYPE"),
        ({"userId": "u1", "address": "192.0.2.1"}, "INVALID_ADDRESS"),
        ({"address": "192.0.2.0/24"}, "INVALID_ADDRESS"),
        ({"address": "2001:db8::/32"}, "INVALID_ADDRESS"),
        ({"address": "example.com"}, "INVALID_ADDRESS"),
        ({"address": 1}, "INVALID_ADDRESS"),
        ({"userId": "u1", "reason": "x" * 201}, "INVALID_REASON"),
        ({"userId": "u1", "expiresInSeconds": 0}, "INVALID_EXPIRY"),
        ({"userId": "u1", "expiresInSeconds": True}, "INVALID_EXPIRY"),
        ({"userId": "u1", "expiresInSeconds": 1.5}, "INVALID_EXPIRY"),
        ({"userId": "u1", "expiresInSeconds": 2**70}, "INVALID_EXPIRY"),
    ]:
        assert_failure(operator.post(BLOCKS, fields), 400, code)
    assert Denial.objects.count() == 0


def test_a_block_expires_on_time(apis: Apis, operator: Api) -> None:
    blocked = block(operator, userId="u1", expiresInSeconds=3600)
    assert_failure(apis.user("u1").get(STATS), 403, "BLOCKED")

    # MongoDB has not removed it yet.
    Denial.objects.update(expires_at=now() - timedelta(seconds=1))

    assert apis.user("u1").get(STATS).status_code == 200
    assert data_of(operator.get(BLOCKS))["blocks"] == []
    assert_failure(operator.delete(f"{BLOCKS}/{blocked['id']}"), 404, "BLOCK_NOT_FOUND")
    assert operator.post(BLOCKS, {"userId": "u1"}).status_code == 201


def test_blocking_again_changes_reason_and_end(operator: Api) -> None:
    first = block(operator, userId="u1", reason="a", expiresInSeconds=60)
    response = operator.post(BLOCKS, {"userId": "u1", "reason": "b"})

    again = data_of(response)
    assert response.status_code == 200
    assert (again["id"], again["reason"], again["expiresAt"]) == (first["id"], "b", None)


def test_blocks_are_listed_page_by_page_newest_first(operator: Api) -> None:
    operator.post("/api/auth/revoke", {"userId": "u0"})
    ids = [block(operator, userId=f"u{number}")["id"] for number in range(5)]
    listed: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = data_of(operator.get(BLOCKS, limit=2, **cursor))
        listed += [row["id"] for row in page["blocks"]]
        if not page["hasMore"]:
            break
        cursor = {"cursor": page["nextCursor"]}

    assert listed == ids[::-1]
