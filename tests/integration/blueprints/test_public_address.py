"""A server behind proxies, and one under a path."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest

from chatsupport.blueprints.web import assets
from tests.api import Apis, assert_failure
from tests.applications import MakeApp

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


def handshake(apis: Apis, **headers: str) -> int:
    return apis.anonymous(**headers).client.get(HANDSHAKE, headers=headers).status_code


def test_the_console_connects_behind_a_balancer_and_nginx(make_app: MakeApp) -> None:
    """The balancer does TLS, and deploy/nginx.conf adds what it sees itself."""
    behind = Apis(make_app(trusted_proxies=2))
    console = {"Host": "chat.example.com", "Origin": "https://chat.example.com"}

    assert handshake(behind, **console, **{"X-Forwarded-Proto": "http", "X-Forwarded-Host": "chat.example.com"}) == 200
    assert handshake(behind, **console, **{"X-Forwarded-Proto": "wss"}) == 200
    assert handshake(behind, **{**console, "Origin": "https://evil.example"}) == 400


def test_public_url_determines_the_servers_address(make_app: MakeApp) -> None:
    apis = Apis(make_app(public_url="https://chat.example.com", trusted_proxies=1))
    inner = {"Host": "inner:5000", "X-Forwarded-Proto": "http"}

    assert handshake(apis, Origin="https://chat.example.com", **inner) == 200
    assert handshake(apis, Origin="http://chat.example.com", **inner) == 400
    # A browser sends no Origin when a page of the server itself polls.
    assert handshake(apis, **inner) == 200
    response = apis.anonymous(**inner).get("/console")
    assert "Strict-Transport-Security" in response.headers
    assert "wss://chat.example.com" in response.headers["Content-Security-Policy"]
    document = apis.anonymous(**inner).get("/api/openapi.json").json
    assert document is not None
    assert document["servers"] == [{"url": "https://chat.example.com"}]


@pytest.mark.parametrize("path", ["/chat/api/openapi.json", "/api/openapi.json"])
def test_under_a_path_the_openapi_document_names_the_path(make_app: MakeApp, path: str) -> None:
    apis = Apis(make_app(base_path="/chat"))
    document = apis.anonymous().get(path).json

    assert document is not None
    assert document["servers"] == [{"url": "http://localhost/chat"}]
    from_elsewhere = apis.anonymous(Host="chat.example.com").get(path).json
    assert from_elsewhere is not None
    assert from_elsewhere["servers"] == [{"url": "/chat"}]
    assert handshake(apis) == 200
    assert apis.anonymous().client.get(f"/chat{HANDSHAKE}").status_code == 200


def test_pages_load_their_files_relative_to_their_address(apis: Apis) -> None:
    for page in ("/demo", "/console", "/api/docs"):
        with_slash = apis.anonymous().get(f"{page}/")
        assert with_slash.status_code == 302
        assert urljoin(f"https://example.com/chat{page}/", with_slash.headers["Location"]) == (
            f"https://example.com/chat{page}"
        )
        text = apis.anonymous().get(page).text
        assert 'href="/' not in text
        assert 'src="/' not in text
    old = apis.anonymous().get("/web/000000000000/console/frame/shell.js")
    assert urljoin("https://example.com/chat/web/000000000000/console/frame/shell.js", old.headers["Location"]) == (
        f"https://example.com/chat/web/{assets().version}/console/frame/shell.js"
    )


def test_paths_may_end_in_a_slash(apis: Apis) -> None:
    anybody, operator = apis.anonymous(), apis.operator()
    token = anybody.post("/api/auth/token/", {"userId": "u1"})
    assert token.status_code == 201
    user = apis.user("u1")
    started = user.post("/api/chat/start-session/", {"userId": "u1"})
    assert started.status_code == 201
    assert started.json is not None
    session_id = started.json["data"]["sessionId"]

    assert user.post(f"/api/chat/send-message/{session_id}/", {"message": "Hello"}).status_code == 201
    for path in (f"/api/chat/session/{session_id}/", f"/api/chat/messages/{session_id}/", "/api/chat/stats/"):
        assert user.get(path).status_code == 200
    assert user.post(f"/api/chat/end-session/{session_id}/", {}).status_code == 200
    assert anybody.get("/api/health/").status_code == 200
    assert operator.get("/api/agents/").status_code == 200
    assert_failure(anybody.get("/api/health//"), 404, "NOT_FOUND")
    assert_failure(anybody.get("//api/health"), 404, "NOT_FOUND")


@pytest.mark.features("privacy")
def test_under_a_path_an_encoded_slash_is_part_of_a_name(make_app: MakeApp) -> None:
    operator = Apis(make_app(base_path="/chat")).operator()
    for prefix in ("", "/chat"):
        export = operator.get(f"{prefix}/api/users/a%2Fb/export")
        assert export.json is not None
        assert export.json["data"]["userId"] == "a/b"
        for path in (f"{prefix}%2Fapi/health", f"{prefix}/api%2Fhealth"):
            assert_failure(operator.get(path), 404, "NOT_FOUND")
