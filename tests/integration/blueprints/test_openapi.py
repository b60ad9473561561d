"""The OpenAPI document is true: every route, every code, and the shape of every answer."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

import chatsupport
from chatsupport.blueprints.errors import endpoints
from chatsupport.blueprints.routing import openapi
from chatsupport.contract.base import Request
from chatsupport.contract.calls import all_errors
from chatsupport.database.clock import now_ms
from chatsupport.documents import Agent
from chatsupport.extensions import settings
from tests.api import Api, Apis, data_of
from tests.bots import answers_first
from tests.documents import bare_app, openapi_document

SOURCES = Path(chatsupport.__file__).parent
DOCUMENT = openapi_document()
LISTS = {"/api/chat/sessions", "/api/replies", "/api/audit", "/api/blocks", "/api/reports/summary"}
JSON_TYPE = "application/json"


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def operation_for(method: str, path: str) -> dict[str, Any]:
    """Return the description of the call that a path belongs to. Fixed parts win over parameters."""
    matches = []
    for candidate, methods in DOCUMENT["paths"].items():
        pattern = re.sub(
            r"\\\{\w+\\\}",
            "(?:.+)" if "user_id" in candidate or "{path}" in candidate else "[^/]+",
            re.escape(candidate),
        )
        if re.fullmatch(pattern, path) and method.lower() in methods:
            matches.append((candidate.count("{"), -len(candidate), methods[method.lower()]))
    assert matches, f"{method} {path} is not described"
    operation: dict[str, Any] = min(matches, key=lambda match: match[:2])[2]
    return operation


def assert_described(method: str, path: str, response: TestResponse) -> str:
    """Check an answer against the document; return the operation's name."""
    operation = operation_for(method, path)
    described = operation["responses"].get(str(response.status_code))
    assert described is not None, (method, path, response.status_code, response.json)
    content = described["content"]
    assert response.mimetype in content
    if response.mimetype == JSON_TYPE:
        problems = [problem.message for problem in validator(content[JSON_TYPE]["schema"]).iter_errors(response.json)]
        assert not problems, (method, path, response.status_code, response.json, problems)
    for name, header in described.get("headers", {}).items():
        assert header["$ref"].rpartition("/")[2] in DOCUMENT["components"]["headers"]
        assert name in response.headers, (method, path, name)
    name: str = operation["operationId"]
    return name


def models(base: type[Request]) -> Iterator[type[Request]]:
    for model in base.__subclasses__():
        yield model
        yield from models(model)


BODIES = [(path, method.lower()) for method, path, operation in operations() if "requestBody" in operation]


def codes_in_the_source() -> set[str]:
    """Return every error code in the source: assigned or passed as `code`, or with the form of one."""
    found: set[str] = set()
    for file in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if any(isinstance(target, ast.Name) and target.id == "code" for target in targets):
                    found |= constants(node.value)
            elif isinstance(node, ast.keyword) and node.arg == "code":
                found |= constants(node.value)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(re.findall(r"^(?:INVALID_[A-Z_]+|MESSAGE_TOO_LONG)$", node.value))
    return {code for code in found if re.fullmatch(r"[A-Z]+(_[A-Z]+)*", code)} | {"INVALID_REQUEST"}


def constants(node: ast.AST | None) -> set[str]:
    return (
        {item.value for item in ast.walk(node) if isinstance(item, ast.Constant) and isinstance(item.value, str)}
        if (node is not None)
        else set()
    )


def test_every_route_is_described_and_no_other(app: Flask) -> None:
    with app.app_context():
        there = {re.sub(r":(\w+)", r"{\1}", endpoint) for endpoint in endpoints()}

    assert there == {f"{method} {path}" for method, path, _ in operations()}


def test_every_code_is_described_and_no_other() -> None:
    described = set(DOCUMENT["components"]["schemas"]["Failure"]["properties"]["code"]["enum"])

    assert described == codes_in_the_source()


def test_a_code_has_one_status() -> None:
    statuses: dict[str, set[str]] = {}
    for _, _, operation in operations():
        for status, answer in operation["responses"].items():
            for code in re.findall(r"'enum': (\[[^]]*\])", str(answer)) if status >= "400" else ():
                for name in re.findall(r"[A-Z_]+", code):
                    statuses.setdefault(name, set()).add(status)

    assert statuses["SESSION_NOT_FOUND"] == {"404"}
    assert {code: found for code, found in statuses.items() if len(found) > 1} == {}
    assert all(statuses.get(error.code, {str(error.status)}) == {str(error.status)} for error in all_errors())


def test_a_missing_call_is_not_described() -> None:
    app = Flask("other", static_folder=None)
    app.register_blueprint(bare_app().blueprints["chat"])

    document = openapi(app)

    assert [tag["name"] for tag in document["tags"]] == ["Chat"]
    assert "/api/chat/stats" in document["paths"]
    assert "/api/agents" not in document["paths"]
    assert "Block" not in document["components"]["schemas"]


@pytest.mark.parametrize(("path", "method"), BODIES)
def test_every_body_has_a_valid_example(path: str, method: str) -> None:
    (content,) = DOCUMENT["paths"][path][method]["requestBody"]["content"].values()
    # A form has a file besides.
    parts = content["schema"].get("allOf", [content["schema"]])
    (model,) = [body for body in models(Request) if body.__name__ == parts[-1]["$ref"].rpartition("/")[2]]

    assert not list(validator(content["schema"]).iter_errors(content["example"]))
    own = {name for part in parts[:-1] for name in part["properties"]}
    assert set(content["example"]) - own <= set(DOCUMENT["components"]["schemas"][model.__name__]["properties"])
    model.parse(content["example"])


def test_every_schema_is_valid_and_every_reference_resolves() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert schema, name
    for reference in re.findall(r"'\$ref': '#/components/(\w+)/(\w+)'", str(DOCUMENT)):
        assert reference[1] in DOCUMENT["components"][reference[0]], reference
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))


@pytest.fixture
def described(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Check every answer of the test against the document; collect which operations have succeeded."""
    succeeded: set[str] = set()
    client_type = apis.app.test_client_class or type(apis.app.test_client())
    original = client_type.open

    def checked(self: Any, *args: Any, **kwargs: Any) -> TestResponse:
        response: TestResponse = original(self, *args, **kwargs)
        request = response.request
        name = assert_described(request.method, request.path, response)
        if response.status_code < 300:
            succeeded.add(name)
        return response

    monkeypatch.setattr(client_type, "open", checked)
    return succeeded


@pytest.mark.features(
    "audit",
    "blocks",
    "consoles",
    "context",
    "events",
    "files",
    "mail",
    "metrics",
    "notes",
    "privacy",
    "push",
    "ratings",
    "replies",
    "reports",
    "search",
    "settings",
    "tags",
    "transcripts",
)
def test_every_answer_has_the_described_shape(apis: Apis, operator: Api, described: set[str]) -> None:
    from chatsupport.features.mail import parsers, passwords
    from chatsupport.features.mail.addresses import unsubscribe_token
    from tests.features.files.samples import PDF
    from tests.features.files.sending import read, sent

    anybody, user = apis.anonymous(), apis.user("u1")
    for path in (
        "/",
        "/api/health",
        "/metrics",
        "/api/openapi.json",
        "/api/docs",
        "/api/asyncapi.json",
    ):
        assert anybody.get(path).status_code == 200
    for path in (
        "/widget.js",
        "/console",
        "/console-worker.js",
        "/demo",
        "/mail",
        "/unsubscribe",
        "/web/old/widget/loader.js",
    ):
        followed = anybody.get(path)
        assert followed.status_code in (200, 302)
        if followed.status_code == 302:
            assert anybody.get(urljoin(path, followed.headers["Location"])).status_code == 200
    assert anybody.post("/api/auth/token", {"userId": "u9"}).status_code == 201
    assert anybody.post("/api/auth/token", {"userId": "u9", "userType": "agent"}).status_code == 401
    assert anybody.get("/api/auth/sign-in-options").status_code == 200
    assert data_of(anybody.get("/api/mail")) == {"isOffered": False}
    token = unsubscribe_token("grace@example.com")
    assert anybody.post("/api/mail/unsubscribe", {"token": token}).status_code == 200
    assert anybody.post(f"/api/mail/unsubscribe/one-click?token={token}").status_code == 200
    assert anybody.post("/api/auth/forgot-password", {"email": "ada@example.com"}).status_code == 404
    guest = data_of(anybody.post("/api/auth/token", {"guest": True}))["token"]
    user.post("/api/auth/identify", {"guestToken": guest})
    user.get("/api/chat/session/current")
    assert data_of(anybody.get("/api/chat/availability"))["isStaffed"] is False
    user.get("/api/chat/availability")
    apis.user("u8").post("/api/auth/logout")
    waiting = user.start("u1")["sessionId"]
    operator.get("/api/chat/queue")
    agent_id = operator.create_agent("Ada", maxUsers=2, email="ada@example.com", password="correct horse")["id"]
    credentials = {"email": "ada@example.com", "password": "correct horse"}
    assert anybody.post("/api/auth/login", credentials).status_code == 200
    assert anybody.post("/api/auth/login", {**credentials, "password": "wrong"}).status_code == 401
    assert operator.post("/api/agents", {"name": "Ada", "email": "ada@example.com"}).status_code == 409
    other_id = operator.create_agent("Ben", isOnline=False)["id"]
    operator.get(f"/api/agents/{agent_id}")
    operator.patch(f"/api/agents/{agent_id}", {"maxUsers": 3})
    operator.get("/api/agents")
    user.start("u1")
    user.send(waiting, "hello", clientMessageId="c1")
    user.send(waiting, "hello", clientMessageId="c1")
    apis.agent(agent_id).send(waiting, "hi")
    user.session(waiting)
    user.get(f"/api/chat/messages/{waiting}")
    operator.get("/api/chat/sessions", limit=1)
    operator.get("/api/chat/stats")
    operator.patch(f"/api/chat/session/{waiting}", {"page": {"url": "https://a.example"}, "fields": {"plan": "pro"}})
    operator.post(f"/api/chat/transfer/{waiting}", {"agentId": other_id})
    operator.post(f"/api/chat/transfer/{waiting}")
    bot_id = operator.create_agent("Robin", kind="bot")["id"]
    answers_first(operator, bot_id)
    with_bot = apis.user("u6").start("u6")["sessionId"]
    card = {"type": "card", "title": "Hello", "buttons": [{"title": "Help", "url": "https://example.com/help"}]}
    apis.agent(bot_id).send(with_bot, "Hello", content=card)
    apis.user("u6").send(with_bot, "Help", replyTo=1)
    apis.agent(bot_id).get("/api/events")
    apis.user("u6").post(f"/api/chat/handoff/{with_bot}", {"summary": "no"})
    apis.agent(bot_id).post(f"/api/chat/handoff/{with_bot}", {"summary": "Wants help."})
    apis.agent(bot_id).post(f"/api/chat/handoff/{waiting}", {})
    operator.get(f"/api/chat/notes/{with_bot}")
    operator.get("/api/settings")
    operator.end(with_bot)
    answers_first(operator, None)
    operator.post(f"/api/chat/notes/{waiting}", {"text": "Called twice."})
    operator.get(f"/api/chat/notes/{waiting}")
    user.get(f"/api/chat/notes/{waiting}")
    user.post(f"/api/chat/rating/{waiting}", {"score": 5})
    user.get(f"/api/chat/transcript/{waiting}")
    read(user, sent(user, waiting, PDF)["attachment"]["url"])
    operator.client.put(f"/api/chat/tags/{waiting}", json={"tags": ["VIP"]}, headers=operator.headers)
    operator.get("/api/chat/sessions", tag="vip")
    operator.get("/api/tags")
    operator.get("/api/chat/search", q="hello")
    user.end(waiting)
    user.end(waiting)
    operator.get("/api/events")
    user.send(waiting)
    block = data_of(operator.post("/api/blocks", {"userId": "u2", "reason": "spam", "expiresInSeconds": 60}))
    operator.post("/api/blocks", {"address": "192.0.2.1"})
    apis.user("u2").get("/api/chat/stats")
    operator.get("/api/blocks", limit=1)
    operator.delete(f"/api/blocks/{block['id']}")
    operator.delete(f"/api/blocks/{block['id']}")
    operator.post("/api/auth/revoke", {"userId": "u3"})
    operator.get("/api/audit")
    reply = {"shortcut": "hello", "title": "Greeting", "text": "Hello!"}
    reply_id = data_of(operator.post("/api/replies", reply))["id"]
    department_id = data_of(operator.post("/api/departments", {"name": "Sales", "overflowAfter": 60}))["id"]
    assert operator.post("/api/departments", {"name": "SALES"}).status_code == 409
    user.get("/api/departments")
    operator.patch(f"/api/departments/{department_id}", {"overflowAfter": None})
    operator.post("/api/chat/start-session", {"userId": "u7", "departmentId": department_id})
    operator.delete(f"/api/departments/{department_id}")
    operator.delete(f"/api/departments/{department_id}")
    operator.post("/api/replies", reply)
    operator.get("/api/replies")
    operator.patch(f"/api/replies/{reply_id}", {"title": "Hi"})
    operator.delete(f"/api/replies/{reply_id}")
    operator.delete(f"/api/replies/{reply_id}")
    operator.get("/api/events")
    operator.get("/api/events", types="message.created", wait="x")
    webhook = {"url": "http://127.0.0.1:9/", "types": ["*"]}
    webhook_path = f"/api/webhooks/{data_of(operator.post('/api/webhooks', webhook))['id']}"
    operator.post("/api/webhooks", {**webhook, "url": "http://10.0.0.1/"})
    operator.get("/api/webhooks")
    operator.get(webhook_path)
    operator.patch(f"/api/agents/{agent_id}", {"maxUsers": 4})
    importlib.import_module("chatsupport.features.events.relay").here.round()
    (pending, *_) = data_of(operator.get(f"{webhook_path}/deliveries", state="pending"))["deliveries"]
    operator.post(f"{webhook_path}/deliveries/{pending['id']}/retry")
    operator.patch(webhook_path, {"types": ["session.ended"]})
    operator.post(f"{webhook_path}/rotate-secret")
    operator.post(f"{webhook_path}/test")
    operator.get(f"{webhook_path}/deliveries")
    operator.post(f"{webhook_path}/deliveries/{agent_id}/retry")
    operator.post(f"{webhook_path}/recover", {"since": "2026-11-22"})
    operator.delete(webhook_path)
    operator.get(webhook_path)
    operator.get("/api/reports/summary")
    operator.client.get("/api/reports/summary", headers={**operator.headers, "Accept": "text/csv"})
    operator.get("/api/users/u1/export")
    operator.get("/api/users/export", userId="u1")
    operator.delete("/api/users?userId=u7")
    operator.get(f"/api/users/{agent_id}/export", userType="agent")
    operator.delete("/api/users/u1")
    operator.get(f"/api/chat/messages/{waiting}")
    operator.get(f"/api/chat/session/{waiting}")
    operator.delete(f"/api/agents/{agent_id}")
    operator.put("/api/settings", data_of(operator.get("/api/settings")))
    mail = {"SMTP_URL": parsers.mail_server("smtp://localhost:1"), "MAIL_FROM": parsers.sender("chat@example.com")}
    settings.bind(replace(settings.config, public_url="https://chat.example.com", of_features=mail))
    operator.post(f"/api/chat/transcript/{waiting}/mail", {"email": "grace@example.com"})
    anybody.post("/api/auth/forgot-password", {"email": "ada@example.com"})
    operator.create_agent("Eve", email="eve@example.com", password="correct horse")
    reset = passwords._token(Agent.collection().find_one({"email": "eve@example.com"}), now_ms())
    anybody.post("/api/auth/reset-password", {"token": reset, "password": "another horse"})
    anybody.post("/api/auth/reset-password", {"token": reset, "password": "another horse"})
    other = apis.agent(other_id)
    other.get("/api/push/key")
    other.put("/api/push/subscription", DOCUMENT["components"]["schemas"]["NewSubscription"]["example"])
    other.delete("/api/push/subscription")

    assert described == {operation["operationId"] for _, _, operation in operations()}


def test_failures_have_the_described_shape(apis: Apis, operator: Api, described: set[str]) -> None:
    user, session_id = apis.user("u1"), operator.start("u0")["sessionId"]
    bad_id = "x" * 200
    for api in (apis.anonymous(), apis.anonymous(Authorization="Bearer x"), user):
        for method, path, operation in operations():
            if not operation.get("security", True):
                continue
            url = re.sub(r"\{session_id\}", session_id, path)
            api.client.open(re.sub(r"\{\w+\}", bad_id, url), method=method, headers=api.headers)
    for method, path, operation in operations():
        if "requestBody" in operation:
            url = re.sub(r"\{\w+\}", session_id, path)
            for kwargs in ({"data": b"{"}, {"data": b"x" * 70_000}, {"data": b"{}", "content_type": "text/plain"}):
                operator.client.open(
                    url, method=method, headers=operator.headers, **{"content_type": JSON_TYPE, **kwargs}
                )
    for query in (
        "limit=0",
        "cursor=x",
        "status=x",
        "agentId=x",
        "userId=",
        "sessionId=x",
        "action=",
        "from=x",
        "bucket=x",
    ):
        for path in LISTS & set(DOCUMENT["paths"]):
            operator.client.get(f"{path}?{query}", headers=operator.headers)
