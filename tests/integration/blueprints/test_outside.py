"""What the outside calls the server: scheme, host and path, by configuration or by what trusted proxies say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

import pytest

from chatsupport.blueprints.web import assets
from chatsupport.outside import Outside, is_own_origin
from tests.api import Apis, assert_failure
from tests.applications import MakeApp
from tests.conftest import MakeConfig

Seen = dict[str, Any]
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


@pytest.fixture
def seen(make_config: MakeConfig) -> Any:
    """Return the environment in which the application sees a request."""

    def pass_on(config: dict[str, object], path: str = "/", **environ: str) -> Seen:
        seen: Seen = {}

        def application(environ: Seen, start_response: Any) -> Iterator[bytes]:
            seen.update(environ)
            return iter(())

        request = {"wsgi.url_scheme": "http", "HTTP_HOST": "inner:5000", "SCRIPT_NAME": "", "PATH_INFO": path}
        Outside(application, make_config(**config))({**request, **environ}, None)  # type: ignore[arg-type]
        return seen

    return pass_on


@pytest.mark.parametrize(
    ("proxies", "said", "scheme"),
    [
        (0, "https", "http"),
        (1, "https", "https"),
        (1, "HTTPS", "https"),
        (1, "wss", "https"),
        (1, "ws", "http"),
        (1, "http, https", "https"),
        # The second proxy has replaced what the first one said, or has added to it.
        (2, "https", "https"),
        (2, "https,http", "https"),
        (2, "gopher, https,http", "https"),
        (1, "", "http"),
        (1, "javascript", "http"),
        (1, "https,", "http"),
    ],
)
def test_the_scheme_is_what_the_outermost_trusted_proxy_says(seen: Any, proxies: int, said: str, scheme: str) -> None:
    config = {"trusted_proxies": proxies}

    assert seen(config, HTTP_X_FORWARDED_PROTO=said)["wsgi.url_scheme"] == scheme


@pytest.mark.parametrize(
    ("proxies", "said", "host"),
    [
        (0, "chat.example.com", "inner:5000"),
        (1, "chat.example.com", "chat.example.com"),
        (2, "chat.example.com:8443, balancer", "chat.example.com:8443"),
        (1, "[2001:db8::1]:80", "[2001:db8::1]:80"),
        (1, "a b", "inner:5000"),
        (1, 'x"; script-src *', "inner:5000"),
        (1, "", "inner:5000"),
    ],
)
def test_so_is_the_host(seen: Any, proxies: int, said: str, host: str) -> None:
    assert seen({"trusted_proxies": proxies}, HTTP_X_FORWARDED_HOST=said)["HTTP_HOST"] == host


@pytest.mark.parametrize(
    ("config", "said", "path", "prefix", "rest"),
    [
        ({"base_path": "/chat"}, "", "/chat/api/health", "/chat", "/api/health"),
        ({"base_path": "/chat"}, "", "/api/health", "/chat", "/api/health"),
        ({"base_path": "/chat"}, "", "/chat", "/chat", "/"),
        ({"base_path": "/chat"}, "", "/chat/", "/chat", "/"),
        ({"base_path": "/chat"}, "", "/chatter", "/chat", "/chatter"),
        ({"base_path": "/chat", "trusted_proxies": 1}, "/other", "/chat/", "/chat", "/"),
        ({}, "/chat", "/api/health", "", "/api/health"),
        ({"trusted_proxies": 1}, "/chat", "/api/health", "/chat", "/api/health"),
        ({"trusted_proxies": 1}, "/a/chat/", "/a/chat/x", "/a/chat", "/x"),
        ({"trusted_proxies": 2}, "/chat", "/x", "/chat", "/x"),
        ({"trusted_proxies": 1}, "//evil.example", "/x", "", "/x"),
        ({"trusted_proxies": 1}, "/a/../b", "/x", "", "/x"),
        ({"trusted_proxies": 1}, "chat", "/x", "", "/x"),
        ({"trusted_proxies": 1}, "/<script>", "/x", "", "/x"),
    ],
)
def test_a_path_comes_with_the_prefix_or_without(
    seen: Any, config: dict[str, object], said: str, path: str, prefix: str, rest: str
) -> None:
    environ = seen(config, path, HTTP_X_FORWARDED_PREFIX=said)

    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (prefix, rest)


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("http://chat.example.com", "chat.example.com", True),
        ("https://chat.example.com", "chat.example.com", True),
        ("https://chat.example.com", "chat.example.com:443", True),
        ("http://chat.example.com", "chat.example.com:80", True),
        ("http://localhost:5000", "localhost:5000", True),
        ("http://[::1]:5000", "[::1]:5000", True),
        ("https://chat.example.com:8443", "chat.example.com", False),
        ("https://evil.example", "chat.example.com", False),
        ("https://chat.example.com.evil.example", "chat.example.com", False),
        ("ftp://chat.example.com", "chat.example.com", False),
        ("null", "null", False),
        ("", "", False),
        (None, "chat.example.com", False),
        ("http://", "", False),
    ],
)
def test_the_own_origin_is_known_by_host_and_port(origin: str | None, host: str, own: bool) -> None:
    assert is_own_origin(origin, {"HTTP_HOST": host}) is own


def handshake(apis: Apis, **headers: str) -> int:
    return apis.anonymous(**headers).client.get(HANDSHAKE, headers=headers).status_code


def test_the_console_connects_behind_a_balancer_and_nginx(make_app: MakeApp) -> None:
    """The balancer does TLS, and deploy/nginx.conf says what it saw itself."""
    behind = Apis(make_app(trusted_proxies=2))
    console = {"Host": "chat.example.com", "Origin": "https://chat.example.com"}

    assert handshake(behind, **console, **{"X-Forwarded-Proto": "http", "X-Forwarded-Host": "chat.example.com"}) == 200
    assert handshake(behind, **console, **{"X-Forwarded-Proto": "wss"}) == 200
    assert handshake(behind, **{**console, "Origin": "https://evil.example"}) == 400


def test_public_url_settles_what_the_server_is_called(make_app: MakeApp) -> None:
    apis = Apis(make_app(public_url="https://chat.example.com", trusted_proxies=1))
    inner = {"Host": "inner:5000", "X-Forwarded-Proto": "http"}

    assert handshake(apis, Origin="https://chat.example.com", **inner) == 200
    assert handshake(apis, Origin="http://chat.example.com", **inner) == 400
    # A browser names no origin where a page of the server itself polls.
    assert handshake(apis, **inner) == 200
    response = apis.anonymous(**inner).get("/console")
    assert "Strict-Transport-Security" in response.headers
    assert "wss://chat.example.com" in response.headers["Content-Security-Policy"]
    document = apis.anonymous(**inner).get("/api/openapi.json").json
    assert document is not None
    assert document["servers"] == [{"url": "https://chat.example.com"}]


@pytest.mark.parametrize("path", ["/chat/api/openapi.json", "/api/openapi.json"])
def test_under_a_path_the_document_names_it(make_app: MakeApp, path: str) -> None:
    apis = Apis(make_app(base_path="/chat"))
    document = apis.anonymous().get(path).json

    assert document is not None
    assert document["servers"] == [{"url": "http://localhost/chat"}]
    from_elsewhere = apis.anonymous(Host="chat.example.com").get(path).json
    assert from_elsewhere is not None
    assert from_elsewhere["servers"] == [{"url": "/chat"}]
    assert handshake(apis) == 200
    assert apis.anonymous().client.get(f"/chat{HANDSHAKE}").status_code == 200


def test_pages_name_what_they_load_from_where_they_are(apis: Apis) -> None:
    for page in ("/demo", "/console", "/api/docs"):
        with_slash = apis.anonymous().get(f"{page}/")
        assert with_slash.status_code == 302
        assert urljoin(f"https://example.com/chat{page}/", with_slash.headers["Location"]) == (
            f"https://example.com/chat{page}"
        )
        text = apis.anonymous().get(page).text
        assert 'href="/' not in text
        assert 'src="/' not in text
    old = apis.anonymous().get("/web/000000000000/console/views/shell.js")
    assert urljoin("https://example.com/chat/web/000000000000/console/views/shell.js", old.headers["Location"]) == (
        f"https://example.com/chat/web/{assets().version}/console/views/shell.js"
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
