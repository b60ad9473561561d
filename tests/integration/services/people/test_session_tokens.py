"""Tokens for one session, which stand in links: they open that session and nothing else, and renew nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from chatsupport.identity import Caller, issue_token
from tests.api import Api, Apis, assert_failure, data_of, make_token
from tests.concurrency import eventually
from tests.sockets import Sockets

LIFETIME = timedelta(days=7)


@pytest.fixture
def guest(apis: Apis) -> dict[str, str]:
    """A guest with a session that has ended, and an open one."""
    issued = data_of(apis.anonymous().post("/api/auth/token", {"guest": True}))
    api = apis.bearer(issued["token"])
    ended = api.start(issued["userId"])["sessionId"]
    assert api.end(ended).status_code == 200
    return {**issued, "ended": ended, "open": api.start(issued["userId"])["sessionId"]}


@pytest.fixture
def link(app: Flask, guest: dict[str, str]) -> str:
    """A token for the guest's ended session."""
    with app.app_context():
        return issue_token(guest["userId"], "user", LIFETIME, session_id=guest["ended"])


@pytest.fixture
def open_link(app: Flask, guest: dict[str, str]) -> str:
    """A token for the guest's open session."""
    with app.app_context():
        return issue_token(guest["userId"], "user", LIFETIME, session_id=guest["open"])


def test_it_reads_and_writes_its_session(apis: Apis, guest: dict[str, str], open_link: str) -> None:
    api, session_id = apis.bearer(open_link), guest["open"]

    assert api.session(session_id)["userId"] == guest["userId"]
    assert api.get(f"/api/chat/session/{session_id.upper()}").status_code == 200
    assert api.send(session_id, "from the link").status_code == 201
    assert len(data_of(api.get(f"/api/chat/messages/{session_id}"))["messages"]) == 1
    assert api.get("/api/chat/availability").status_code == 200
    assert data_of(api.get("/api/chat/session/current"))["session"]["id"] == session_id
    assert api.end(session_id).status_code == 200


def test_it_opens_nothing_else(apis: Apis, guest: dict[str, str], link: str) -> None:
    api, other, user_id = apis.bearer(link), guest["open"], guest["userId"]
    calls = [
        api.get(f"/api/chat/session/{other}"),
        api.get(f"/api/chat/messages/{other}"),
        api.get("/api/chat/sessions"),
        api.get("/api/chat/stats"),
        api.send(other),
        api.end(other),
        api.post("/api/chat/start-session", {"userId": user_id}),
        api.post("/api/auth/identify", {"guestToken": guest["token"]}),
        api.get("/api/chat/session/000000000000000000000000"),
    ]

    for answer in calls:
        assert_failure(answer, 403, "FORBIDDEN")
    assert api.session(guest["ended"])["status"] == "ended"
    assert data_of(api.get("/api/chat/session/current")) == {"session": None}


def test_it_renews_nothing(apis: Apis, operator: Api, guest: dict[str, str], link: str) -> None:
    renewed = apis.bearer(link).post("/api/auth/token", {"userId": guest["userId"]})
    assert_failure(renewed, 403, "INVALID_USER_HASH")
    carried = apis.user("ada-lovelace").post("/api/auth/identify", {"guestToken": link})
    assert_failure(carried, 400, "INVALID_GUEST_TOKEN")


def test_its_socket_joins_only_its_session(sockets: Sockets, guest: dict[str, str], link: str) -> None:
    socket = sockets.attempt({"token": link})

    assert socket.join(guest["ended"])["status"] == "ended"
    refused = socket.call("join_session", {"sessionId": guest["open"]})
    assert refused["code"] == "FORBIDDEN"


def test_its_socket_hears_nothing_of_other_sessions(
    apis: Apis, sockets: Sockets, guest: dict[str, str], link: str, open_link: str
) -> None:
    other, own = sockets.attempt({"token": link}), sockets.attempt({"token": open_link})

    changed = apis.bearer(guest["token"]).patch(f"/api/chat/session/{guest['open']}", {"locale": "de"})

    assert changed.status_code == 200
    assert [event["id"] for event in own.heard("session_updated")] == [guest["open"]]
    assert other.heard("session_updated") == []


@pytest.mark.parametrize("how", ["revoke", "identify", "erase", "block", "sign out"])
def test_it_ends_with_the_visitors_access(
    apis: Apis, operator: Api, sockets: Sockets, guest: dict[str, str], open_link: str, how: str
) -> None:
    socket = sockets.attempt({"token": open_link})
    user_id = guest["userId"]
    answer = {
        "revoke": lambda: operator.post("/api/auth/revoke", {"userId": user_id}),
        "identify": lambda: apis.user("ada").post("/api/auth/identify", {"guestToken": guest["token"]}),
        "erase": lambda: operator.delete(f"/api/users/{user_id}"),
        "block": lambda: operator.post("/api/blocks", {"userId": user_id}),
        "sign out": lambda: apis.bearer(open_link).post("/api/auth/logout"),
    }[how]()

    assert answer.status_code in (200, 201), answer.json
    assert apis.bearer(open_link).get(f"/api/chat/session/{guest['open']}").status_code in (401, 403)
    assert eventually(lambda: not socket.is_connected)


@pytest.mark.parametrize("claim", [7, "x", [], {"$gt": ""}])
def test_a_malformed_claim_is_no_token(apis: Apis, claim: object) -> None:
    answer = apis.bearer(make_token("u1", session=claim)).get("/api/chat/session/current")

    assert_failure(answer, 401, "INVALID_TOKEN")


def test_it_is_no_identity(guest: dict[str, str]) -> None:
    assert Caller("u1", "user", session_id="x") == Caller("u1", "user")
