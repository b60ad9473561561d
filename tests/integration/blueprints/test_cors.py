"""Exactly the pages of FRONTEND_URLS may call from browsers, with credentials."""

from __future__ import annotations

import pytest
from werkzeug.test import TestResponse

from tests.api import Api, Apis
from tests.applications import MakeApp

SHOP = "https://shop.example"
PATHS = [
    ("POST", "/api/auth/token"),
    ("POST", "/api/chat/start-session"),
    ("GET", "/api/chat/session/x"),
    ("POST", "/api/chat/send-message/x"),
    ("GET", "/api/chat/messages/x"),
    ("POST", "/api/chat/end-session/x"),
    ("GET", "/api/chat/stats"),
    ("POST", "/api/agents"),
    ("GET", "/api/health"),
]


@pytest.fixture
def shop(make_app: MakeApp) -> Apis:
    return Apis(make_app(frontend_urls=(SHOP, "http://localhost:3000")))


def preflight(api: Api, method: str, path: str, origin: str) -> TestResponse:
    """Ask as a browser does before it sends a request with a token and JSON."""
    return api.client.options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type,x-api-key,x-request-id,idempotency-key",
        },
    )


@pytest.mark.parametrize("origin", [SHOP, "http://localhost:3000"])
def test_a_browser_may_send_everything_a_call_needs(shop: Apis, origin: str, subtests: pytest.Subtests) -> None:
    for method, path in PATHS:
        with subtests.test(path=path):
            response = preflight(shop.anonymous(), method, path, origin)

            assert response.status_code in (200, 204)
            assert response.headers["Access-Control-Allow-Origin"] == origin
            assert response.headers["Access-Control-Allow-Credentials"] == "true"
            assert method in response.headers["Access-Control-Allow-Methods"]
            allowed = response.headers["Access-Control-Allow-Headers"].lower().split(", ")
            assert {"authorization", "content-type", "idempotency-key", "x-api-key", "x-request-id"} <= set(allowed)


def test_other_pages_may_not_call(shop: Apis, subtests: pytest.Subtests) -> None:
    for origin in [
        "https://evil.example",
        "http://shop.example",
        "https://shop.example:8443",
        "https://shop.example.evil.example",
        "https://sub.shop.example",
        "null",
        "https://shopXexample",
    ]:
        with subtests.test(origin=origin):
            asked = preflight(shop.anonymous(), "POST", "/api/auth/token", origin)
            answered = shop.anonymous(Origin=origin).get("/api/health")

            for response in (asked, answered):
                assert "Access-Control-Allow-Origin" not in response.headers
                assert "Access-Control-Allow-Credentials" not in response.headers


def test_an_ip_address_as_origin_matches_exactly(make_app: MakeApp) -> None:
    # flask-cors reads brackets as a regular expression, and anchors it nowhere.
    origin = "http://[2001:db8::1]:3000"
    shop = Apis(make_app(frontend_urls=(origin,)))
    for path in ("/api/health", "/socket.io/?EIO=4&transport=polling"):
        for asking in (origin, "http://2", "http://2.evil.example", "http://:", f"{origin}0", f"{origin}.evil.example"):
            answer = shop.anonymous().client.get(path, headers={"Origin": asking})
            given = answer.headers.get("Access-Control-Allow-Origin")
            assert given == (origin if asking == origin else None), (path, asking)


def test_an_allowed_page_may_read_answers_and_failures(shop: Apis) -> None:
    anybody = shop.anonymous(Origin=SHOP)

    for response in (anybody.get("/api/health"), anybody.get("/api/chat/stats"), anybody.get("/nope")):
        assert response.headers["Access-Control-Allow-Origin"] == SHOP
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        assert {"X-Request-ID", "Retry-After"} <= set(response.headers["Access-Control-Expose-Headers"].split(", "))
        assert "Origin" in response.headers["Vary"]


def test_without_a_wildcard_in_the_configuration_there_is_none_in_an_answer(shop: Apis) -> None:
    for origin in ({}, {"Origin": SHOP}, {"Origin": "https://evil.example"}):
        assert shop.anonymous(**origin).get("/api/health").headers.get("Access-Control-Allow-Origin") != "*"


def test_a_preflight_request_gives_no_access(shop: Apis) -> None:
    response = preflight(shop.anonymous(), "GET", "/api/chat/stats", SHOP)

    assert response.data == b""
    assert shop.anonymous(Origin=SHOP).get("/api/chat/stats").status_code == 401
