"""One address cannot fill the log, and the log says how many lines were left out."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import pytest

from chatsupport.observability.logs import enter, flood, leave

logger = logging.getLogger("chatsupport.test.flood")


class Clock:
    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def written(clock: Clock) -> Iterator[list[logging.LogRecord]]:
    """Write lines with two handlers of one filter; return those of the second."""
    written: list[logging.LogRecord] = []
    limit = flood.LinesByAddress("3/minute")
    handlers = [logging.Handler(), logging.Handler()]
    root = logging.getLogger("chatsupport")
    level = root.level
    root.setLevel(logging.INFO)
    for handler, emit in zip(handlers, (lambda record: None, written.append), strict=True):
        handler.emit = emit  # type: ignore[method-assign]
        handler.addFilter(limit)
        root.addHandler(handler)
    yield written
    for handler in handlers:
        root.removeHandler(handler)
    root.setLevel(level)


def test_an_address_gets_a_limited_number_of_lines_and_the_rest_is_counted(
    written: list[logging.LogRecord], clock: Clock
) -> None:
    for number in range(10):
        # The address is in a field or in the context, and IPv6 counts by network.
        logger.info("a %d", number, extra={"address": f"2001:db8::{number}"})
        before = enter(lambda: {"address": "192.0.2.1"})
        logger.info("b %d", number)
        leave(before)

    assert [record.getMessage() for record in written] == ["a 0", "b 0", "a 1", "b 1", "a 2", "b 2"]

    written.clear()
    clock.now += 61
    logger.info("c", extra={"address": "192.0.2.1"})
    said = [record for record in written if record.name == flood.__name__]
    assert [(record.args, record.of) for record in said] == [((7,), "2001:db8::/64"), ((7,), "192.0.2.1")]  # type: ignore[attr-defined]
    assert written[-1].getMessage() == "c"


def test_lines_about_systems_or_no_address_are_not_counted(written: list[logging.LogRecord]) -> None:
    for _ in range(10):
        logger.info("about nobody")
        logger.info("of a site", extra={"address": "192.0.2.1", "caller": "system:system"})

    assert len(written) == 20


def test_many_addresses_use_bounded_memory(written: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flood, "MAX_ADDRESSES", 5)

    for number in range(50):
        logger.info("x", extra={"address": f"192.0.2.{number}"})

    assert len(written) == 5 + 3
