"""An event calls every reaction, in order, whatever the others do."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

import pytest
from pymongo.errors import AutoReconnect

from chatsupport import events


@dataclass(frozen=True, slots=True)
class Rang:
    """A bell rang."""

    times: int


heard: list[str] = []


def first(event: Rang) -> None:
    heard.append(f"first {event.times}")


def second(event: Rang) -> None:
    heard.append(f"second {event.times}")


def failing(event: Rang) -> NoReturn:
    raise RuntimeError("cannot")


def unavailable(event: Rang) -> NoReturn:
    raise AutoReconnect("away")


@pytest.fixture(autouse=True)
def nothing_bound() -> Iterator[None]:
    bound = events.bound()
    heard.clear()
    events.bind({})
    yield
    events.bind(bound)


def test_reactions_are_called_in_order() -> None:
    events.bind({Rang: [second, first]})

    assert events.happened(Rang(1)) is True
    assert heard == ["second 1", "first 1"]


def test_an_event_without_reactions_does_nothing() -> None:
    assert events.happened(Rang(1)) is True
    assert heard == []


def test_a_failing_reaction_is_logged_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    events.bind({Rang: [failing, second]})

    assert events.happened(Rang(2)) is True, "to repeat it would not help"

    assert heard == ["second 2"]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.__dict__["reaction"].endswith("test_events.failing")


def test_a_reaction_that_fails_because_of_the_database_is_logged_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    events.bind({Rang: [unavailable]})

    assert events.happened(Rang(1)) is False

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.exc_info is None


def test_tables_are_joined_in_order() -> None:
    merged = events.merge([{Rang: [first]}, {Rang: [second], str: [first]}])

    assert merged == {Rang: [first, second], str: [first]}
