"""All errors over REST have one envelope, with nothing internal in it."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from chatsupport.errors import AgentAtCapacityError
from chatsupport.services.messages import history, message_log
from chatsupport.services.server import overview
from chatsupport.services.sessions import starting
from tests.api import Api, Apis, assert_failure, data_of
from tests.applications import MakeApp
from tests.conftest import API_KEY

ENDPOINTS = {
    "GET /",
    "GET /api/agents",
    "POST /api/agents",
    "POST /api/auth/token",
    "POST /api/chat/end-session/:session_id",
    "GET /api/chat/messages/:session_id",
    "POST /api/chat/send-message/:session_id",
    "GET /api/chat/session/:session_id",
    "POST /api/chat/start-session",
    "GET /api/chat/stats",
    "GET /api/health",
}


def post_raw(api: Api, path: str, body: bytes, content_type: str | None = "application/json") -> TestResponse:
    return api.client.post(path, data=body, content_type=content_type, headers=api.headers)


def test_an_unknown_path_lists_the_endpoints(apis: Apis, operator: Api, subtests: pytest.Subtests) -> None:
    for path in ["/nope", "/api", "/api/chat", "/api//health", "/api/chat/session/", "/API/HEALTH",
                 "/%2Fapi/health", "/%2F", "/%2F%2Fmetrics"]:  # fmt: skip
        with subtests.test(path=path):
            for api in (apis.anonymous(), operator):
                body = assert_failure(api.get(path), 404, "NOT_FOUND")
                assert set(body["details"]) >= ENDPOINTS
                assert body["details"] == sorted(body["details"], key=lambda row: row.split()[::-1])


def test_an_unsupported_method_gets_the_supported_ones(operator: Api, subtests: pytest.Subtests) -> None:
    for method, path, allowed in [
        ("PUT", "/api/health", {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/api/auth/token", {"POST", "OPTIONS"}),
        ("GET", "/api/chat/start-session", {"POST", "OPTIONS"}),
        ("POST", "/api/chat/messages/x", {"GET", "HEAD", "OPTIONS"}),
        ("BREW", "/api/chat/stats", {"GET", "HEAD", "OPTIONS"}),
    ]:
        with subtests.test(method=method, path=path):
            response = operator.client.open(path, method=method, headers=operator.headers)

            body = assert_failure(response, 405, "METHOD_NOT_ALLOWED")
            assert set(response.headers["Allow"].split(", ")) == allowed
            for name in allowed - {"HEAD", "OPTIONS"}:
                assert name in body["message"]


def test_a_body_must_be_declared_as_json(operator: Api, session_id: str, subtests: pytest.Subtests) -> None:
    path = f"/api/chat/send-message/{session_id}"
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/xml", "nonsense", None]:
        with subtests.test(content_type=content_type):
            response = post_raw(operator, path, b'{"message": "hello"}', content_type)

            assert_failure(response, 415, "UNSUPPORTED_MEDIA_TYPE")
    for content_type in ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.chat+json"]:
        with subtests.test(content_type=content_type):
            assert post_raw(operator, path, b'{"message": "hello"}', content_type).status_code == 201


def test_a_body_that_is_no_json_object_is_refused(operator: Api, session_id: str, subtests: pytest.Subtests) -> None:
    deep = b'{"message":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    deep_with_half_a_pair = b'{"message":"\\ud800","a":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    for body in [
        b"{",
        b'{"message": "hello"',
        b"{'message': 'hello'}",
        b'{"message": "hello",}',
        b'{"message": NaN}',
        b'{"message": "\\ud800", "a": NaN}',
        b'{"message": Infinity}',
        b'{"message": "a\x00b"}',
        b'{"message": "a\nb"}',
        b'{"message": "\xff"}',
        '{"message": "hello"}'.encode("utf-16"),
        b"\x00",
        b"hello",
        b"[]",
        b'[{"message": "hello"}]',
        b'"hello"',
        b"7",
        b"true",
        b"null",
        deep,
        deep_with_half_a_pair,
        b'{"message": "\\ud800", "a": ' + b"9" * 5_000 + b"}",
    ]:
        with subtests.test(body=body[:30]):
            for path in (f"/api/chat/send-message/{session_id}", "/api/chat/start-session", "/api/agents"):
                assert_failure(post_raw(operator, path, body), 400, "INVALID_JSON")


def test_a_body_that_is_too_large_is_refused(operator: Api, session_id: str, subtests: pytest.Subtests) -> None:
    body = b'{"message": "' + b"x" * 2_000_000 + b'"}'
    for path in [
        "/api/auth/token",
        "/api/chat/start-session",
        f"/api/chat/send-message/{session_id}",
        f"/api/chat/end-session/{session_id}",
        "/api/agents",
    ]:
        with subtests.test(path=path):
            assert_failure(post_raw(operator, path, body), 413, "PAYLOAD_TOO_LARGE")
            assert_failure(post_raw(operator, path, body, "text/plain"), 413, "PAYLOAD_TOO_LARGE")


def test_the_largest_allowed_message_is_not_too_large(operator: Api, session_id: str) -> None:
    body = ('{"message": "' + r"\ud83d\ude00" * 1000 + '"}').encode()

    assert post_raw(operator, f"/api/chat/send-message/{session_id}", body).status_code == 201


@pytest.mark.parametrize(
    "error", [RuntimeError("secret"), KeyError("secret"), ZeroDivisionError(), UnicodeError("secret")]
)
def test_an_internal_error_reveals_nothing(
    operator: Api,
    session_id: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    for module, name in ((starting, "start"), (history, "read_page"), (overview, "statistics"), (overview, "health")):
        monkeypatch.setattr(module, name, fail)
    for response in (
        operator.post("/api/chat/start-session", {"userId": "u1"}),
        operator.get(f"/api/chat/messages/{session_id}"),
        operator.get("/api/chat/stats"),
        operator.get("/api/health"),
    ):
        body = assert_failure(response, 500, "INTERNAL_ERROR")
        assert set(body) == {"success", "code", "message", "requestId"}
        for inside in ("secret", "Traceback", "Error", ".py", "chatsupport", "division"):
            assert inside not in response.text
    assert sum(record.exc_info is not None for record in caplog.records) == 4


def test_a_defect_in_the_message_log_is_one_senders_internal_error(
    operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(message_log.log._admission, "admit", lambda batch: 1 / 0)
        assert_failure(operator.send(session_id), 500, "INTERNAL_ERROR")

    assert data_of(operator.send(session_id))["message"]["seq"] == 1


def test_a_conflict_answers_409_with_its_code(operator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise AgentAtCapacityError

    monkeypatch.setattr(starting, "start", fail)

    assert_failure(operator.post("/api/chat/start-session", {"userId": "u1"}), 409, "AGENT_AT_CAPACITY")


def test_a_valid_request_id_is_returned(apis: Apis, subtests: pytest.Subtests) -> None:
    for sent in ["a", "x" * 128, "3f2b8c1e-0000-4000-8000-000000000000", "A.b_c:d-1"]:
        with subtests.test(sent=sent[:40]):
            anybody = apis.anonymous(**{"X-Request-ID": sent})

            assert anybody.get("/api/health").headers["X-Request-ID"] == sent
            assert assert_failure(anybody.get("/nope"), 404, "NOT_FOUND")["requestId"] == sent
            assert assert_failure(anybody.get("/api/chat/stats"), 401, "AUTH_REQUIRED")["requestId"] == sent


def test_an_invalid_request_id_is_replaced(apis: Apis, subtests: pytest.Subtests) -> None:
    for sent in ["", " ", "x" * 129, "a b", "<script>", "a\tb", "ü", '"', "a;b", "{}", "a%0d%0ab"]:
        with subtests.test(sent=sent[:40]):
            response = apis.anonymous(**{"X-Request-ID": sent}).get("/nope")

            request_id = assert_failure(response, 404, "NOT_FOUND")["requestId"]
            assert request_id != sent
            assert len(request_id) == 32
            assert response.headers.getlist("X-Request-ID") == [request_id]


def test_without_a_request_id_each_request_gets_its_own(apis: Apis) -> None:
    anybody = apis.anonymous()

    request_ids = {anybody.get("/api/health").headers["X-Request-ID"] for _ in range(3)}

    assert len(request_ids) == 3


def test_production_answers_errors_in_the_same_shape(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    apis = Apis(make_app(app_env="production"))
    monkeypatch.setattr(overview, "statistics", lambda caller: 1 / 0)

    assert_failure(apis.operator().get("/api/chat/stats"), 500, "INTERNAL_ERROR")
    assert_failure(apis.anonymous().get("/nope"), 404, "NOT_FOUND")
    assert_failure(apis.anonymous(**{"X-API-Key": API_KEY + "x"}).get("/api/chat/stats"), 401, "INVALID_API_KEY")
