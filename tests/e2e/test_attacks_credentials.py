"""Attacks by credentials and values on the real server, on this machine only."""

from __future__ import annotations

import json
import time

import jwt

from tests.api import make_token, make_unsigned_token
from tests.conftest import JWT_SECRET
from tests.documents import openapi_document
from tests.e2e.conftest import Connect
from tests.e2e.raw import Peers, frame, read_all, read_until, websocket
from tests.e2e.rest import Rest
from tests.e2e.server import Server, Servers
from tests.e2e.valkey import Valkey

OPERATORS = [
    {"$gt": ""},
    {"$ne": None},
    {"$where": "sleep(9000)"},
    {"$regex": ".*"},
    ["$or"],
    {"$expr": {"$gt": [1, 0]}},
]


def bad_tokens() -> dict[str, tuple[str, str]]:
    """Return invalid tokens, with the error codes that they get."""
    claims = {"sub": "u1", "userType": "system", "type": "access", "exp": 4102444800}
    header, payload, signature = make_token("u1").split(".")
    _, forged, _ = make_token("u1", "system").split(".")
    return {
        "another secret": (make_token("u1", "system", secret="x" * 40), "INVALID_TOKEN"),
        "no algorithm": (make_unsigned_token(alg="none"), "INVALID_TOKEN"),
        "no algorithm, in other letters": (make_unsigned_token(alg="NoNe"), "INVALID_TOKEN"),
        "another algorithm": (jwt.encode(claims, "x" * 64, "HS512"), "INVALID_TOKEN"),
        "another payload": (f"{header}.{forged}.{signature}", "INVALID_TOKEN"),
        "no signature": (f"{header}.{payload}.", "INVALID_TOKEN"),
        "expired": (make_token("u1", exp=int(time.time()) - 1), "TOKEN_EXPIRED"),
        "not yet": (make_token("u1", nbf=4102444700), "INVALID_TOKEN"),
        "a refresh token": (make_token("u1", type="refresh"), "INVALID_TOKEN"),
        "no such kind of caller": (make_token("u1", "root"), "INVALID_TOKEN"),
        "no such agent": (make_token("6b02a346410e8790f1f544d2", "agent"), "INVALID_TOKEN"),
        "never ends": (
            jwt.encode({name: claims[name] for name in ("sub", "userType", "type")}, JWT_SECRET, "HS256"),
            "INVALID_TOKEN",
        ),
        "a key's id with a path": (
            jwt.encode(claims, "x" * 40, "HS256", headers={"kid": "../../dev/null"}),
            "INVALID_TOKEN",
        ),
        "an embedded key": (
            jwt.encode(claims, "x" * 40, "HS256", headers={"jwk": {"kty": "oct", "k": "eHh4"}}),
            "INVALID_TOKEN",
        ),
    }


def test_bad_tokens_give_no_access(server: Server, peers: Peers) -> None:
    for case, (token, code) in bad_tokens().items():
        reply = server.bearer(token).get("/api/chat/stats")
        assert (reply.status, reply.body["code"]) == (401, code), case
        refused = websocket(peers, frame(b"40" + json.dumps({"token": token}).encode()))
        assert code.encode() in read_until(refused, b"44{"), case
        refused.send(frame(b'421["start",{}]'))
        read_all([refused], 0.1)
        assert b"\x8143" not in refused.received


def test_a_users_token_gives_no_access_to_others(server: Server, operator: Rest) -> None:
    session_id = operator.start("victim")
    operator.send(session_id, "secret")
    agent_id = operator.create_agent("Other", isOnline=False)
    for token in (make_token("mallory"), make_token(agent_id, "agent"), make_token(session_id)):
        mallory = server.bearer(token)
        for method, path in [
            ("GET", f"/api/chat/session/{session_id}"),
            ("GET", f"/api/chat/messages/{session_id}"),
            ("POST", f"/api/chat/send-message/{session_id}"),
            ("POST", f"/api/chat/end-session/{session_id}"),
            ("POST", f"/api/chat/transfer/{session_id}"),
            ("GET", "/api/audit"),
            ("GET", "/api/blocks"),
            ("POST", "/api/blocks"),
            ("POST", "/api/auth/revoke"),
            ("GET", "/api/users/victim/export"),
            ("DELETE", "/api/users/victim"),
            ("POST", "/api/agents"),
            ("DELETE", f"/api/agents/{agent_id}"),
        ]:
            body = {"message": "x", "userId": "victim", "name": "x"} if method == "POST" else None
            reply = mallory.request(method, path, body)
            assert reply.status == 403, (method, path, reply)


def test_database_operators_are_refused_in_every_call(server: Server, operator: Rest) -> None:
    """They are sent in every field of every body and every parameter of the OpenAPI document."""
    session_id, agent_id = operator.start("u0"), operator.create_agent("Target")
    before = operator.get("/api/chat/stats").data["sessions"]["total"]
    for path, methods in openapi_document()["paths"].items():
        url = path.replace("{session_id}", session_id).replace("{agent_id}", agent_id).replace("{user_id}", "nobody")
        url = url.replace("{block_id}", "0" * 24)
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for field in content.get("schema", {}).get("properties", {}):
                for value in OPERATORS:
                    body = {"userId": "nobody", "message": "x", "name": "x", field: value}
                    reply = operator.request(method.upper(), url, body)
                    expected = (200, 201, 400) if field in ("userHash",) else (400,)
                    assert reply.status in expected, (method, url, field, value, reply)
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "query" and method == "get":
                    for text in ('{"$gt":""}', "$where", "[$ne]=1"):
                        reply = operator.get(url, **{parameter["name"]: text, f"{parameter['name']}[$ne]": "x"})
                        assert reply.status in (200, 400, 404), (url, parameter["name"], reply)
    assert operator.get("/api/chat/stats").data["sessions"]["total"] == before
    assert server.bearer(make_token("u0")).get(f"/api/chat/session/{session_id}").data["status"] != "ended"


def test_database_operators_are_refused_in_every_event(server: Server, operator: Rest, connect: Connect) -> None:
    session_id = operator.start("u5")
    socket = connect("python", server.url, {"token": make_token("u5")})
    for event in ("join_session", "leave_session", "send_message", "typing_start", "mark_read", "end_session"):
        for field in ("sessionId", "message", "clientMessageId", "userId", "userType", "seq", "reason", "after"):
            for value in OPERATORS:
                answer = socket.call(event, {"sessionId": session_id, "message": "x", "seq": 1, field: value})
                known = answer["success"] or answer["code"] != "INTERNAL_ERROR"
                assert known, (event, field, value, answer)
        if operator.get(f"/api/chat/session/{session_id}").data["status"] == "ended":
            session_id = operator.start("u5")
    assert not socket.events("disconnect")


def test_an_open_socket_is_closed_when_its_token_expires(server: Server, connect: Connect) -> None:
    lasts = 2
    while True:
        socket = connect("python", server.url, {"token": make_token("short", exp=int(time.time()) + lasts)})
        if socket.events("connect"):
            break
        lasts *= 2  # On a busy machine it may expire before the client has connected.

    socket.wait_for("disconnect")

    assert socket.wait_for("error")["code"] == "TOKEN_EXPIRED"


def test_a_denial_in_one_process_holds_in_all(servers: Servers, connect: Connect) -> None:
    valkey = Valkey()
    valkey.start()
    try:
        first = servers.start(REDIS_URL=valkey.url)
        second = servers.start(REDIS_URL=valkey.url, MONGODB_DB=first.database)
        operator = first.operator()
        agent_id = operator.create_agent("Ada")
        revoked, blocked, agent, other = (
            connect("python", second.url, {"token": token})
            for token in (make_token("u1"), make_token("u2"), make_token(agent_id, "agent"), make_token("u3"))
        )

        operator.post("/api/auth/revoke", {"userId": "u1"})
        operator.post("/api/blocks", {"userId": "u2"})
        operator.request("DELETE", f"/api/agents/{agent_id}")

        for socket, code in ((revoked, "INVALID_TOKEN"), (blocked, "BLOCKED"), (agent, None)):
            socket.wait_for("disconnect")
            assert code is None or socket.wait_for("error")["code"] == code
        for token, code in ((make_token("u1"), "INVALID_TOKEN"), (make_token("u2"), "BLOCKED")):
            assert second.bearer(token).get("/api/chat/stats").body["code"] == code
        operator.post("/api/blocks", {"address": "127.0.0.1"})
        other.wait_for("disconnect")
    finally:
        valkey.kill()
