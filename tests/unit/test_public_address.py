"""The public address of the server: scheme, host and path, from the configuration or from trusted proxies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chatsupport.public_address import PublicAddress, is_own_origin
from tests.conftest import MakeConfig

Seen = dict[str, Any]


@pytest.fixture
def seen(make_config: MakeConfig) -> Any:
    """Return the environment in which the application sees a request."""

    def pass_on(config: dict[str, object], path: str = "/", **environ: str) -> Seen:
        seen: Seen = {}

        def application(environ: Seen, start_response: Any) -> Iterator[bytes]:
            seen.update(environ)
            return iter(())

        request = {"wsgi.url_scheme": "http", "HTTP_HOST": "inner:5000", "SCRIPT_NAME": "", "PATH_INFO": path}
        PublicAddress(application, make_config(**config))({**request, **environ}, None)  # type: ignore[arg-type]
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
def test_the_scheme_comes_from_the_outermost_trusted_proxy(seen: Any, proxies: int, said: str, scheme: str) -> None:
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
def test_the_host_comes_from_the_outermost_trusted_proxy(seen: Any, proxies: int, said: str, host: str) -> None:
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
def test_a_path_may_come_with_or_without_the_prefix(
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
def test_the_servers_own_origin_is_recognized_by_host_and_port(origin: str | None, host: str, own: bool) -> None:
    assert is_own_origin(origin, {"HTTP_HOST": host}) is own
