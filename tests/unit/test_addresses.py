"""An address has one spelling, and an IPv6 household counts as one address."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.middleware.proxy_fix import ProxyFix

from chatsupport.addresses import PlainAddresses, counted, plain

SPELLINGS = [
    ("192.0.2.1", "192.0.2.1"),
    (" 192.0.2.1 ", "192.0.2.1"),
    ("1.2.3.4:5678", "1.2.3.4"),
    ("::ffff:192.0.2.1", "192.0.2.1"),
    ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
    ("::FFFF:C000:201", "192.0.2.1"),
    ("[2001:DB8::1]", "2001:db8::1"),
    ("[2001:db8:0:0::1]:443", "2001:db8::1"),
    ("fe80::1%eth0", "fe80::1"),
    ("[fe80::1%25eth0]:443", "fe80::1"),
]
NONE = ["", "unknown", "_hidden", "192.0.2", "1.2.3.4:x", "[::1", "::1]", "1.2.3.4, 5.6.7.8", "01.2.3.4", "1" * 9000]


@pytest.mark.parametrize(("said", "address"), SPELLINGS)
def test_an_address_is_normalized(said: str, address: str) -> None:
    assert plain(said) == address
    assert plain(address) == address


@pytest.mark.parametrize("said", NONE)
def test_an_invalid_address_is_none(said: str) -> None:
    assert plain(said) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8:0:0:ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "/run/chat.sock", False),
    ],
)
def test_ipv6_counts_by_the_network_of_a_household(one: str, other: str, same: bool) -> None:
    assert (counted(one) == counted(other)) is same


@pytest.mark.parametrize(
    ("forwarded", "seen"),
    [
        ("1.2.3.4:5678", "1.2.3.4"),
        ("9.9.9.9, [2001:DB8::1]:443", "2001:db8::1"),
        ("unknown", "192.0.2.9"),
        ("x" * 9000, "192.0.2.9"),
        (None, "192.0.2.9"),
    ],
)
def test_the_application_sees_the_normalized_address(forwarded: str | None, seen: str) -> None:
    environs: list[dict[str, Any]] = []
    app: Any = ProxyFix(PlainAddresses(lambda environ, _: environs.append(environ) or []))  # type: ignore[func-returns-value]
    environ = {"REMOTE_ADDR": "::ffff:192.0.2.9", "wsgi.url_scheme": "http"}
    if forwarded is not None:
        environ["HTTP_X_FORWARDED_FOR"] = forwarded

    app(environ, None)

    assert environs[0]["REMOTE_ADDR"] == seen
