"""Connections without a known caller: how many are allowed, and which is closed first."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from chatsupport.errors import RateLimitedError
from chatsupport.extensions import Settings
from chatsupport.sockets import strangers


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    config = SimpleNamespace(rate_limits=True, max_unfinished_sockets=4, max_unfinished_sockets_per_address=3)
    monkeypatch.setattr(Settings, "config", config)
    monkeypatch.setattr(strangers, "_from", {})
    monkeypatch.setattr(strangers, "_by_address", type(strangers._by_address)())


def test_connections_are_limited_for_each_address_and_ipv6_network() -> None:
    for number in range(3):
        assert strangers.make_room(f"2001:db8::{number}") is None
        strangers.add(f"e{number}", f"2001:db8::{number}")

    with pytest.raises(RateLimitedError):
        strangers.make_room("2001:db8::9")
    strangers.remove("e1")
    assert strangers.make_room("2001:db8::9") is None


def test_beyond_the_total_limit_the_oldest_connection_is_closed() -> None:
    for number in range(4):
        strangers.add(f"e{number}", f"192.0.2.{number}")

    assert strangers.make_room("192.0.2.9") == "e0"
    strangers.remove("e0")
    assert strangers.make_room("192.0.2.9") is None


def test_a_connection_added_or_removed_twice_counts_once() -> None:
    strangers.add("e1", "192.0.2.1")
    strangers.add("e1", "192.0.2.1")
    assert strangers.count() == 1
    strangers.remove("e1")
    strangers.remove("e1")
    assert strangers.count() == 0
    assert not strangers._by_address
