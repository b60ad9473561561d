"""Any input to any route gets an envelope, never a 500, and nothing internal in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from chatsupport.blueprints.errors import endpoints
from chatsupport.documents import Agent, Message, Session
from chatsupport.features import INSTALLED
from tests.api import Api, Apis
from tests.documents import openapi_document

INSIDE = ("Traceback", "mongo", "Mongo", "bson", "BSON", "pymongo", "werkzeug", "chatsupport/", ".py", "E11000", "$gt")

VALUES: list[Any] = [
    None, True, False, 0, -1, 1.5, 1e308, 2**31, 2**63, 2**64, -(2**70), "", " ", "\x00", "a\x00b", "\u2028",
    "x" * 10_000, "{$gt: ''}", "'; drop table sessions; --", "../../etc/passwd", [], ["u1"], [[[[]]]], [None] * 100,
    {}, {"$gt": ""}, {"$ne": None}, {"$where": "sleep(1000)"}, {"__proto__": {"x": 1}}, {"": {"": ""}},
    {"a.b": 1, "$set": {"status": "ended"}},
]  # fmt: skip


@dataclass(frozen=True)
class Route:
    """A route with a body: its fields, and a valid body."""

    method: str
    path: str
    fields: tuple[str, ...]
    right: dict[str, Any]


BODIES = [
    Route("POST", "/api/auth/token", ("userId", "userType", "userHash"), {"userId": "u1"}),
    Route("POST", "/api/chat/start-session", ("userId", "userType"), {"userId": "u1"}),
    Route(
        "POST",
        "/api/chat/send-message/:session_id",
        ("message", "clientMessageId", "senderId", "senderType"),
        {"message": "hello"},
    ),
    Route("POST", "/api/chat/transfer/:session_id", ("agentId",), {}),
    Route("POST", "/api/chat/end-session/:session_id", ("reason",), {}),
    Route("POST", "/api/agents", ("name", "maxUsers", "isOnline"), {"name": "Ada"}),
    Route("PATCH", "/api/agents/:agent_id", ("name", "maxUsers", "isOnline"), {}),
    Route("POST", "/api/auth/revoke", ("userId", "userType"), {"userId": "u9"}),
]
if "blocks" in INSTALLED:
    BODIES += [
        Route("POST", "/api/blocks", ("userId", "userType", "reason", "expiresInSeconds"), {"userId": "u9"}),
        Route("POST", "/api/blocks", ("address",), {}),
    ]
UNKNOWN = ("limit[$gt]", "$where", "")
"""Parameters that no route has."""

WITHOUT_QUERY = (
    "/", "/console", "/console-worker.js", "/demo", "/widget.js", "/mail", "/unsubscribe", "/metrics", "/api/health",
    "/api/chat/stats", "/api/agents", "/api/openapi.json", "/api/docs", "/api/asyncapi.json",
    "/api/chat/transcript/:session_id",
)  # fmt: skip

IDS = ["x", "null", "undefined", "0", "-1", "6b02a346410e8790f1f544d2", "x" * 12, "x" * 5_000, "%00", "%ff%fe", "$ne",
       "%7B%22$gt%22:%22%22%7D", "..%2f..%2fetc", "6b02a346410e8790f1f544d", "%F0%9F%98%80", "a;b", "*"]  # fmt: skip


@dataclass(frozen=True)
class Targets:
    """An operator, and the session and the agent that the routes are tried on."""

    operator: Api
    session_id: str
    agent_id: str

    def path(self, path: str) -> str:
        return path.replace(":session_id", self.session_id).replace(":agent_id", self.agent_id)

    def send(self, route: Route, body: bytes, content_type: str = "application/json") -> TestResponse:
        return self.operator.client.open(
            self.path(route.path),
            method=route.method,
            data=body,
            content_type=content_type,
            headers=self.operator.headers,
        )


@pytest.fixture
def targets(operator: Api) -> Targets:
    agent_id = operator.create_agent("Target", isOnline=False)["id"]
    return Targets(operator, str(operator.start("u0")["sessionId"]), str(agent_id))


def assert_envelope(response: TestResponse, *sent: Any) -> None:
    assert response.status_code < 500, (sent, response.text)
    body = response.json
    assert isinstance(body, dict), sent
    if response.status_code < 400:
        assert set(body) == {"success", "message", "data"}, sent
        assert body["success"] is True
        return
    assert set(body) - {"details"} == {"success", "code", "message", "requestId"}, sent
    assert body["success"] is False
    assert body["requestId"] == response.headers["X-Request-ID"]
    for inside in INSIDE:
        assert inside not in response.text, sent


def bodies(route: Route) -> Iterator[tuple[str, Any, bytes]]:
    """Every value in every field, with valid values in the others."""
    for field, value in product(route.fields, VALUES):
        yield field, value, json.dumps({**route.right, field: value}).encode()


def routes(app: Flask) -> list[tuple[str, str]]:
    """Return (method, path) of every route except the pages of the documentation, which have no input."""
    with app.app_context():
        rows = [row.split(" ", 1) for row in endpoints()]
    return [
        (method, path) for method, path in rows if not path.startswith(("/api/docs", "/api/openapi", "/api/asyncapi"))
    ]


def queries(route: str) -> list[str]:
    """Return the names of a route's query parameters, and some others."""
    described = openapi_document()["paths"][re.sub(r":(?:path:)?(\w+)", r"{\1}", route)]["get"].get("parameters", ())
    unknown = () if route.endswith("/export") else UNKNOWN
    return [*(one["name"] for one in described if one["in"] == "query" and one["name"] != "wait"), *unknown]


@pytest.mark.parametrize("route", BODIES, ids=lambda route: f"{route.path} {route.fields[0]}")
def test_any_value_in_any_field_gets_an_answer(targets: Targets, route: Route) -> None:
    for field, value, body in bodies(route):
        response = targets.send(route, body)

        assert_envelope(response, field, value)
        if isinstance(value, (list, dict)) and field != "userHash":
            assert response.status_code == 400, (field, value, response.json)


@pytest.mark.parametrize("route", BODIES, ids=lambda route: f"{route.path} {route.fields[0]}")
def test_any_body_gets_an_answer(targets: Targets, route: Route) -> None:
    raw = [b"", b" ", b"\x00", b"\xff\xfe", b"{", b"[" * 50_000, b'{"a":' * 10_000, b"NaN", b'{"userId":NaN}',
           b"1e999", b"9" * 60_000, b'"\\ud800"', b'{"\\ud800":"\\udfff"}', b'{"message":"\\ud800"}',
           b'{"userId":"\\u0000"}', b'{"userId":"u1","userId":{}}', b"\xef\xbb\xbf{}",
           *(json.dumps(value).encode() for value in VALUES)]  # fmt: skip
    for body, content_type in product(raw, ["application/json", "text/plain", "multipart/form-data"]):
        assert_envelope(targets.send(route, body, content_type), body[:30], content_type)


def test_any_body_without_credentials_gets_an_answer(apis: Apis, targets: Targets) -> None:
    nobody = Targets(apis.anonymous(), targets.session_id, targets.agent_id)
    for route in BODIES:
        for field, value, body in bodies(route):
            response = nobody.send(route, body)

            assert_envelope(response, field, value)
            assert route.path == "/api/auth/token" or response.status_code == 401


def test_any_id_gets_an_answer(app: Flask, operator: Api) -> None:
    for (method, route), text in product(routes(app), IDS):
        path = re.sub(r":\w+(:\w+)?", lambda _: text, route)  # noqa: B023
        if path != route:
            body = {"message": "hello", "text": "hello", "score": 5, "tags": []} if method in ("POST", "PUT") else None
            response = operator.client.open(path, method=method, json=body, headers=operator.headers)

            assert_envelope(response, method, route, text)
            if "session_id" in route or "agent_id" in route:
                assert response.status_code == 404, (method, route, text)


def test_any_query_gets_an_answer(app: Flask, targets: Targets) -> None:
    texts = ["", "x", "9" * 400, "\x00", '{"$gt":""}', "99999999999999-6b02a346410e8790f1f544d2"]
    raw = [
        "limit=1&limit=x",
        "%ff=%ff",
        "limit=%ff",
        "cursor=%ed%a0%80",
        "&&&===",
        "a" * 5_000,
        "limit[]=1",
        "limit=1%00",
    ]
    for method, route in routes(app):
        if method != "GET" or route in WITHOUT_QUERY:
            continue
        path = re.sub(r":(path:)?user_id", "u9", targets.path(route))
        for name, text in product(queries(route), texts):
            assert_envelope(targets.operator.get(path, **{name: text}), route, name, text)
        for query in raw:
            response = targets.operator.client.get(f"{path}?{query}", headers=targets.operator.headers)
            assert_envelope(response, route, query)


def test_any_header_gets_an_answer(apis: Apis) -> None:
    texts = ["", " ", "x" * 8_000, "ü", "\x00", '{"$gt":""}', "Bearer " + "." * 1_000, "Bearer \x00", "null",
             "\xff\xfe", "Bearer eyJhbGciOiJIUzI1NiJ9..", "Bearer e30.e30.e30", "Bearer bnVsbA.bnVsbA.",
             "Bearer W10.W10.W10"]  # fmt: skip
    for name, text in product(["Authorization", "X-API-Key", "X-Request-ID", "Origin", "Accept", "Cookie"], texts):
        assert_envelope(apis.anonymous(**{name: text}).get("/api/chat/stats"), name, text)


def test_bad_input_leaves_no_trace(targets: Targets) -> None:
    for route in BODIES:
        for field, value, body in bodies(route):
            if isinstance(value, (list, dict)) and field != "userHash":
                targets.send(route, body)

    assert (Session.objects.count(), Message.objects.count(), Agent.objects.count()) == (1, 0, 1)
    assert targets.operator.session(targets.session_id)["status"] == "waiting"
