"""Every id has one spelling, and every stored id can be named: in tokens, bodies, paths and queries."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from bson import ObjectId

from chatsupport.blueprints.paths import EncodedSlashes
from chatsupport.database.clock import now
from chatsupport.documents import Agent, Denial, Message, Session
from chatsupport.startup import prepare_database
from tests.api import Api, Apis, assert_failure, data_of, make_token
from tests.applications import MakeApp
from tests.conftest import MakeConfig
from tests.sockets import Sockets

STATS = "/api/chat/stats"
INVISIBLE = ["\u200b", "\u2800", "\u3164", "\u115f\u1160", "\ufeff", "\u00ad", "\u2066", "\U000e0041", "\ufe0f\u200d"]


@pytest.fixture
def agent_id() -> str:
    """An id with letters in it."""
    return "6b02a346410e8790f1f544d2"


@pytest.fixture
def agent(operator: Api, agent_id: str) -> str:
    created = operator.create_agent("Ada", email="ada@example.com", password="correct horse")
    document = Agent.collection().find_one_and_delete({"_id": ObjectId(created["id"])})
    Agent.collection().insert_one({**document, "_id": ObjectId(agent_id)})
    return agent_id


def in_capitals(apis: Apis, agent_id: str) -> Api:
    return apis.anonymous(Authorization=f"Bearer {make_token(agent_id.upper(), 'agent')}")


@pytest.mark.features("blocks")
@pytest.mark.parametrize("spelled", [str.upper, str.lower])
def test_a_token_in_capitals_does_not_survive(
    apis: Apis, operator: Api, sockets: Sockets, agent: str, spelled: Any
) -> None:
    def is_let_in() -> bool:
        return [in_capitals(apis, agent).get(STATS).status_code, apis.agent(agent).get(STATS).status_code] == [200, 200]

    assert is_let_in()
    socket = sockets.attempt({"token": make_token(agent.upper(), "agent")})
    block = data_of(operator.post("/api/blocks", {"userId": spelled(agent), "userType": "agent"}))
    assert block["userId"] == agent
    assert_failure(in_capitals(apis, agent).get(STATS), 403, "BLOCKED")
    assert not socket.is_connected
    operator.delete(f"/api/blocks/{block['id']}")
    assert is_let_in()
    socket = sockets.attempt({"token": make_token(agent.upper(), "agent")})

    operator.post("/api/auth/revoke", {"userId": spelled(agent), "userType": "agent"})

    assert_failure(in_capitals(apis, agent).get(STATS), 401, "INVALID_TOKEN")
    assert_failure(apis.agent(agent).get(STATS), 401, "INVALID_TOKEN")
    assert not socket.is_connected


def test_a_new_password_ends_a_token_in_capitals(apis: Apis, operator: Api, agent: str) -> None:
    token = data_of(operator.post("/api/auth/token", {"userId": agent.upper(), "userType": "agent"}))["token"]
    api = apis.anonymous(Authorization=f"Bearer {token}")
    assert api.get(STATS).status_code == 200
    time.sleep(0.002)

    operator.patch(f"/api/agents/{agent.upper()}", {"password": "another horse"})

    assert_failure(api.get(STATS), 401, "INVALID_TOKEN")


@pytest.mark.features("privacy")
def test_an_agent_in_capitals_is_the_same_agent(apis: Apis, operator: Api, sockets: Sockets, agent: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    api = in_capitals(apis, agent)
    socket = sockets.attempt({"token": make_token(agent.upper(), "agent")})

    assert socket.join(session_id, userId=agent.upper())["agentId"] == agent
    assert socket.say(session_id, "1")["success"]
    assert api.send(session_id, "2", senderId=agent.upper(), senderType="agent").status_code == 201
    assert operator.send(session_id, "3", senderId=agent.upper(), senderType="agent").status_code == 201
    assert operator.send(session_id, "4", senderId=agent.upper()).status_code == 201
    assert data_of(api.get("/api/chat/sessions", agentId=agent.upper()))["sessions"][0]["id"] == session_id
    assert api.get(f"/api/agents/{agent.upper()}").status_code == 200
    assert {(message.sender_id, message.sender_type) for message in Message.objects} == {(agent, "agent")}
    own = data_of(api.post("/api/chat/start-session", {"userId": agent.upper(), "userType": "agent"}))
    assert Session.objects.get(id=own["sessionId"]).user_id == agent
    assert data_of(operator.get(f"/api/users/{agent.upper()}/export", userType="agent"))["userId"] == agent


def test_a_session_stored_with_an_id_in_capitals_is_still_the_agents(apis: Apis, agent: str) -> None:
    api = apis.agent(agent)
    session_id = data_of(api.post("/api/chat/start-session", {"userId": agent, "userType": "agent"}))["sessionId"]
    Session.collection().update_many({}, {"$set": {"userId": agent.upper()}})

    assert api.session(session_id)["id"] == session_id


@pytest.mark.features("blocks")
def test_ids_of_users_are_compared_letter_by_letter(apis: Apis, operator: Api, agent_id: str) -> None:
    operator.post("/api/blocks", {"userId": agent_id})

    assert_failure(apis.user(agent_id).get(STATS), 403, "BLOCKED")
    assert apis.user(agent_id.upper()).get(STATS).status_code == 200


@pytest.mark.features("blocks")
def test_denials_stored_in_capitals_still_hold(apis: Apis, operator: Api, agent: str, make_config: MakeConfig) -> None:
    time_now, capitals = now(), agent.upper()
    common = {"userId": capitals, "userType": "agent", "createdAt": time_now, "updatedAt": time_now}
    collection = Denial.collection()
    block = {**common, "_id": f"block:agent:{capitals}", "blockId": ObjectId(), "reason": "old", "expiresAt": None}
    revoked = {
        **common,
        "_id": f"revoked:agent:{capitals}",
        "before": 5_000_000_000_000,
        "expiresAt": time_now + timedelta(days=1),
    }
    operator.post("/api/auth/revoke", {"userId": agent, "userType": "agent"})
    collection.insert_many([block, revoked])

    for _ in range(2):
        prepare_database(make_config())

    assert {denial["_id"] for denial in collection.find()} == {f"block:agent:{agent}", f"revoked:agent:{agent}"}
    listed = data_of(operator.get("/api/blocks"))["blocks"]
    assert [(row["userId"], row["reason"]) for row in listed] == [(agent, "old")]
    assert_failure(apis.agent(agent).get(STATS), 403, "BLOCKED")
    operator.delete(f"/api/blocks/{listed[0]['id']}")
    future = make_token(agent, "agent", issuedAtMs=4_999_999_999_999)
    assert_failure(apis.anonymous(Authorization=f"Bearer {future}").get(STATS), 401, "INVALID_TOKEN")


@pytest.mark.features("blocks", "privacy")
def test_an_unnameable_or_invisible_id_is_refused(apis: Apis, operator: Api, subtests: pytest.Subtests) -> None:
    session_id = operator.start("u1")["sessionId"]
    for user_id in (".", "..", " .. ", *INVISIBLE):
        with subtests.test(user_id=user_id):
            assert_is_no_id(apis, operator, session_id, user_id)


def assert_is_no_id(apis: Apis, operator: Api, session_id: str, user_id: str) -> None:
    assert_failure(apis.anonymous().post("/api/auth/token", {"userId": user_id}), 400, "INVALID_USER_ID")
    assert_failure(operator.post("/api/chat/start-session", {"userId": user_id}), 400, "INVALID_USER_ID")
    assert_failure(operator.post("/api/blocks", {"userId": user_id}), 400, "INVALID_USER_ID")
    assert_failure(operator.get("/api/chat/sessions", userId=user_id), 400, "INVALID_USER_ID")
    assert_failure(operator.send(session_id, senderId=user_id, senderType="user"), 400, "INVALID_SENDER_ID")
    assert_failure(
        operator.get(f"/api/users/{quote(user_id, safe='').replace('.', '%2E')}/export"), 400, "INVALID_USER_ID"
    )


def test_an_invisible_message_or_name_is_refused(operator: Api, sockets: Sockets, subtests: pytest.Subtests) -> None:
    socket = sockets.user("u1")
    for text in (*INVISIBLE, " \u200b\n"):
        with subtests.test(text=text):
            session_id = operator.start("u1")["sessionId"]
            assert_failure(operator.send(session_id, text), 400, "INVALID_MESSAGE")
            assert socket.say(session_id, text)["code"] == "INVALID_MESSAGE"
            assert_failure(operator.post("/api/agents", {"name": text}), 400, "INVALID_AGENT")
            assert data_of(operator.end(session_id, reason=text))["reason"] == "User ended session"


STORED = [
    ".",
    "..",
    " padded ",
    "\u200b",
    "x" * 200,
    "/",
    "/lead",
    "trail/",
    "a/b/export",
    "a\nb",
    "a%2Fb",
    "ü 😀?#&=+",
]


@pytest.mark.features("privacy")
def test_every_stored_id_can_be_exported_and_erased(operator: Api, subtests: pytest.Subtests) -> None:
    for user_id in STORED:
        with subtests.test(user_id=user_id):
            session_id = operator.start("u1")["sessionId"]
            operator.send(session_id, "a secret", senderId="u1", senderType="user")
            operator.end(session_id)
            Session.collection().update_one({"userId": "u1"}, {"$set": {"userId": user_id}})
            Message.collection().update_one({"senderId": "u1"}, {"$set": {"senderId": user_id}})

            exported = data_of(operator.get("/api/users/export", userId=user_id))
            assert (exported["userId"], [session["id"] for session in exported["sessions"]]) == (user_id, [session_id])

            erased = data_of(operator.delete(f"/api/users?userId={quote(user_id, safe='')}"))
            assert (erased["sessions"], erased["messages"]) == (1, 1)
            assert operator.session(session_id)["userId"] == erased["pseudonym"]


@pytest.mark.features("privacy")
def test_an_id_in_the_query_is_required_and_for_operators(apis: Apis, operator: Api) -> None:
    for query in ({}, {"userId": ""}, {"userType": "user"}):
        assert_failure(operator.get("/api/users/export", **query), 400, "INVALID_USER_ID")
    for text in ("", "?userId=", "?userType=user"):
        assert_failure(operator.delete(f"/api/users{text}"), 400, "INVALID_USER_ID")
    assert_failure(operator.get("/api/users/export", userId="u1", userType="system"), 400, "INVALID_USER_TYPE")
    assert_failure(apis.user("u1").get("/api/users/export", userId="u1"), 403, "FORBIDDEN")
    assert_failure(apis.user("u1").delete("/api/users?userId=u1"), 403, "FORBIDDEN")


ENCODED = [
    "/api%2Fchat/stats",
    "/api/chat%2fstats",
    "/%2Fapi/chat/stats",
    "/api%2Fusers/u1/export",
    "/api/users%2Fu1/export",
    "/api/users%2Fexport?userId=u1",
    "/api/users/u1%2F..%2Fexport",
    "/api/users/u1%2Fexport",
    "/socket.io%2F?EIO=4&transport=polling",
    "/web%2Fx/widget/loader.js",
    "/api/chat/session/x%2F..%2F..%2Fstats",
]


def test_an_encoded_slash_is_part_of_the_id(operator: Api, subtests: pytest.Subtests) -> None:
    for path in ENCODED:
        with subtests.test(path=path):
            assert operator.client.get(path, headers=operator.headers).status_code in (404, 405)


@pytest.mark.features("privacy")
def test_other_letters_may_be_encoded(operator: Api) -> None:
    assert operator.get("/api/ch%61t/stats").status_code == 200
    session_id = operator.start("a/b")["sessionId"]
    for path in ("/%61pi/users/a%2Fb/export", "/api/%75sers/%61%2fb/export", "/api/users/a/b/export"):
        assert data_of(operator.get(path))["sessions"][0]["id"] == session_id


def test_a_path_is_decoded_once_however_it_is_written() -> None:
    """A slow path would cost the server time. A request line has at most 4 KB."""
    for target in ("/%41" * 5000, "/a%41#" + "/%41" * 5000, "/" * 20_000 + "%41", "/%2f" * 5000, "/%" * 10_000):
        environ = {"PATH_INFO": "/aA", "RAW_URI": target}
        began = time.thread_time()
        EncodedSlashes(lambda environ, _: [environ["PATH_INFO"].encode("latin-1")])(environ, None)
        assert time.thread_time() - began < 0.5


@pytest.mark.features("privacy")
def test_under_a_path_an_id_keeps_its_slashes(make_app: MakeApp) -> None:
    operator = Apis(make_app(base_path="/chat")).operator()
    for prefix in ("", "/chat"):
        for user_id in ("/lead", "a/b", "a%2Fb", "chat/api/users/x"):
            exported = data_of(operator.get(f"{prefix}/api/users/{quote(user_id, safe='')}/export"))
            assert exported["userId"] == user_id
        assert operator.get(f"{prefix}/api/users%2Fu1/export").status_code == 404
    assert operator.get("/chat%2Fapi/chat/stats").status_code == 404
