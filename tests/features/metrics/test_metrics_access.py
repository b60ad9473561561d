"""Access to GET /metrics: callers with the token or, if none is set, this machine itself."""

from __future__ import annotations

import pytest
from flask import Flask

from chatsupport.config import Config, ConfigError
from chatsupport.features.metrics.routes import METRICS_TOKEN
from tests.api import Apis, assert_failure
from tests.applications import MakeApp
from tests.unit.config.test_config import PRODUCTION, STRONG

TOKEN = "a-token-for-metrics"


def from_address(app: Flask, address: str, **headers: str) -> int:
    """Return the status of a request that came from this address."""
    return app.test_client().get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": address}).status_code


def test_a_configured_token_is_required(make_app: MakeApp) -> None:
    app = make_app(of_features={"METRICS_TOKEN": TOKEN})
    apis = Apis(app)

    error = assert_failure(apis.anonymous().get("/metrics"), 401, "AUTH_REQUIRED")
    assert "METRICS_TOKEN" in error["message"]
    for wrong in ("wrong", TOKEN + "x", TOKEN[:-1]):
        assert_failure(apis.anonymous(Authorization=f"Bearer {wrong}").get("/metrics"), 401, "INVALID_TOKEN")
    assert_failure(apis.anonymous(Authorization=f"Basic {TOKEN}").get("/metrics"), 401, "INVALID_TOKEN")
    assert_failure(apis.operator().get("/metrics"), 401, "AUTH_REQUIRED")
    assert from_address(app, "203.0.113.7", Authorization=f"Bearer {TOKEN}") == 200
    response = apis.anonymous(Authorization=f"bearer {TOKEN}").get("/metrics")
    assert (response.status_code, "chatsupport_database_up 1.0" in response.text) == (200, True)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_without_a_token_this_machine_has_access(app: Flask, address: str) -> None:
    assert from_address(app, address) == 200


def test_the_metrics_have_only_one_path_for_a_proxy_to_hide(app: Flask) -> None:
    assert app.test_client().get("/metrics/").status_code == 404


@pytest.mark.parametrize("address", ["203.0.113.7", "10.0.0.1", "::ffff:203.0.113.7", "2001:db8::1", "", "localhost"])
def test_without_a_token_no_other_machine_has_access(app: Flask, address: str) -> None:
    assert from_address(app, address) == 403


@pytest.mark.parametrize("trusted_proxies", [0, 1])
@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Via", "X-Forwarded-Proto", "X-Forwarded-Host"]
)
@pytest.mark.parametrize("text", ["203.0.113.7", "127.0.0.1"])
def test_a_request_through_a_proxy_is_not_from_this_machine(
    make_app: MakeApp, trusted_proxies: int, header: str, text: str
) -> None:
    app = make_app(trusted_proxies=trusted_proxies)

    response = app.test_client().get("/metrics", headers={header: text})

    error = assert_failure(response, 403, "FORBIDDEN")
    assert "METRICS_TOKEN" in error["message"]


def test_a_trusted_proxy_does_not_make_a_stranger_local(make_app: MakeApp) -> None:
    app = make_app(trusted_proxies=1)

    assert from_address(app, "203.0.113.7", **{"X-Forwarded-For": "127.0.0.1"}) == 403
    assert from_address(app, "203.0.113.7") == 403
    assert from_address(app, "127.0.0.1") == 200


def test_production_takes_long_tokens_only() -> None:
    with pytest.raises(ConfigError, match=r"^METRICS_TOKEN must be one key of at least 16 printable ASCII characters$"):
        Config.from_env({**PRODUCTION, "METRICS_TOKEN": STRONG[:15]}, [METRICS_TOKEN])

    assert (
        Config.from_env({**PRODUCTION, "METRICS_TOKEN": STRONG[:16]}, [METRICS_TOKEN]).value(METRICS_TOKEN)
        == STRONG[:16]
    )


def test_a_token_has_no_spaces() -> None:
    with pytest.raises(ConfigError, match="METRICS_TOKEN"):
        Config.from_env({"JWT_SECRET": "test", "METRICS_TOKEN": "a b"}, [METRICS_TOKEN])
