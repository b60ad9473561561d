"""The security headers of every response, and the policy of our pages."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest
from flask import Flask

from tests.api import Apis, make_token
from tests.applications import MakeApp

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
PATHS = ["/", "/api/health", "/api/chat/stats", "/api/nowhere", "/api/openapi.json", "/api/docs", "/api/asyncapi.json",
         "/web/x/docs/page.js", "/demo", "/widget.js", "/console-worker.js", "/web/x/widget/view.js",
         "/socket.io/?EIO=4&transport=polling", "/socket.io/?EIO=3", "/socket.io/"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_every_response_has_the_security_headers(apis: Apis, path: str) -> None:
    response = apis.anonymous().client.get(path)

    for name, value in EVERYWHERE.items():
        assert response.headers.getlist(name) == [value]
    (policy,) = response.headers.getlist("Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert len(response.headers.getlist("Cache-Control")) == 1
    assert "Set-Cookie" not in response.headers
    assert "Strict-Transport-Security" not in response.headers


def test_other_sites_may_load_the_widget_and_nothing_else(apis: Apis) -> None:
    anybody = apis.anonymous()
    for path in PATHS:
        expected = "cross-origin" if path.startswith(("/widget.js", "/web/")) else "same-origin"
        assert anybody.client.get(path).headers["Cross-Origin-Resource-Policy"] == expected, path


@pytest.mark.parametrize("path", ["/console", "/demo", "/api/docs"])
def test_no_page_makes_html_or_scripts_of_text(apis: Apis, path: str) -> None:
    policy = apis.anonymous().get(path).headers["Content-Security-Policy"].split("; ")

    assert "require-trusted-types-for 'script'" in policy
    assert ("trusted-types console-worker" if path == "/console" else "trusted-types 'none'") in policy


def test_answers_are_not_cached(apis: Apis) -> None:
    user = apis.user("u1")
    for response in (
        user.get("/api/chat/stats"),
        apis.anonymous().post("/api/auth/token", {"userId": "u1"}),
        apis.anonymous().client.get("/socket.io/?EIO=4&transport=polling"),
    ):
        assert response.headers["Cache-Control"] == "no-store"


def test_behind_tls_browsers_get_strict_transport_security(make_app: MakeApp, app: Flask) -> None:
    https = {"X-Forwarded-Proto": "https"}

    behind = Apis(make_app(trusted_proxies=1)).anonymous(**https).get("/")
    assert behind.headers["Strict-Transport-Security"] == "max-age=31536000"
    # Without a trusted proxy, the header is not believed.
    assert "Strict-Transport-Security" not in Apis(make_app()).anonymous(**https).get("/").headers


def test_the_page_loads_nothing_from_elsewhere(apis: Apis) -> None:
    anybody = apis.anonymous()
    page = anybody.get("/api/docs")
    names = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    files = [anybody.get(urljoin("/api/docs", name)) for name in names]
    scripts = [file for file in files if file.mimetype == "text/javascript"]

    assert {file.mimetype for file in files} == {"text/javascript", "text/css", "application/json"}
    assert {file.status_code for file in files} == {200}
    for response in (page, *(file for file in files if file.mimetype != "application/json")):
        assert not re.search(
            r"https?:|//[a-z]|@import [^{]|url\(", response.text.replace("// ", "").replace("  //", "")
        )
    # Its policy allows no inline scripts or styles.
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", page.text)
    assert page.headers["Content-Security-Policy"].split("; ")[1:4] == [
        "script-src 'self'", "style-src 'self'", "connect-src 'self'"
    ]  # fmt: skip
    # It shows only text: nothing turns it into HTML.
    assert scripts
    for script in scripts:
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", script.text)


def test_text_is_returned_as_it_was_sent(apis: Apis) -> None:
    text = "<script>alert(1)</script> &amp; \u202e {{7*7}} ${7*7} %s \\n"
    user = apis.user("u1")
    session_id = user.start("u1")["sessionId"]

    sent = user.send(session_id, text)

    assert sent.json is not None
    assert sent.json["data"]["message"]["message"] == text
    assert sent.mimetype == "application/json"


def test_only_the_configured_websites_get_permission(apis: Apis) -> None:
    for origin, is_allowed in [
        ("http://localhost:3000", True),
        ("http://localhost:3000.evil.example", False),
        ("http://localhost:30000", False),
        ("https://localhost:3000", False),
        ("http://LOCALHOST:3000.", False),
        ("null", False),
        ("http://localhost:3000, http://evil.example", False),
    ]:
        for path in ("/api/chat/stats", "/socket.io/?EIO=4&transport=polling"):
            api = apis.anonymous(Origin=origin, Authorization=f"Bearer {make_token('u1')}")
            given = api.client.get(path, headers=api.headers).headers.get("Access-Control-Allow-Origin")
            assert given != "*"
            assert (given == origin) is is_allowed, (origin, path, given)
