"""Opening hours: compared with a naive oracle that asks minute by minute, over ten years in forty zones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatsupport.features.settings.hours import DAYS, Hours

UTC = timezone.utc
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2034, 1, 1, tzinfo=UTC)
ZONES = """
Africa/Cairo Africa/Casablanca Africa/Johannesburg America/Asuncion America/Bogota America/Chicago America/Havana
America/Los_Angeles America/New_York America/Noronha America/Nuuk America/Phoenix America/Santiago America/Sao_Paulo
America/Scoresbysund America/St_Johns Antarctica/Troll Asia/Beirut Asia/Gaza Asia/Jerusalem Asia/Kathmandu Asia/Kolkata
Asia/Shanghai Asia/Tehran Asia/Tokyo Atlantic/Azores Australia/Eucla Australia/Lord_Howe Australia/Sydney Europe/Berlin
Europe/Dublin Europe/Istanbul Europe/Lisbon Europe/London Pacific/Apia Pacific/Auckland Pacific/Chatham Pacific/Easter
Pacific/Kiritimati UTC
""".split()

TIMES = st.integers(0, 96).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
SPANS = st.lists(TIMES, max_size=6, unique=True).map(
    lambda times: [list(pair) for pair in zip(sorted(times)[::2], sorted(times)[1::2], strict=False)]
)
WEEKS = st.fixed_dictionaries(dict.fromkeys(DAYS, SPANS))


def hours(zone: str, weekly: dict[str, list[list[str]]], **exceptions: list[list[str]]) -> Hours:
    """Make opening hours. The names of exceptions are dates, such as d2026_12_24."""
    days = [{"date": day[1:].replace("_", "-"), "spans": spans} for day, spans in exceptions.items()]
    return Hours({"timeZone": zone, "weekly": weekly, "exceptions": days})


def every_day(*spans: list[str]) -> dict[str, list[list[str]]]:
    return {day: list(spans) for day in DAYS}


def is_open_by_the_clock(stored: Any, at: datetime) -> bool:
    """Tell whether the chat is open, as a person would who looks at a clock and a calendar."""
    clock = at.astimezone(ZoneInfo(stored["timeZone"]))
    exception = [day["spans"] for day in stored["exceptions"] if day["date"] == clock.strftime("%Y-%m-%d")]
    spans = exception[0] if exception else stored["weekly"][DAYS[clock.weekday()]]
    return any(begin <= clock.strftime("%H:%M") < end for begin, end in spans)


def minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += MINUTE


@cache
def changes(zone: str) -> list[datetime]:
    """Return the days in ten years on which the zone's clocks are changed."""
    days = [FIRST + number * DAY for number in range((LAST - FIRST).days)]
    offsets = [day.astimezone(ZoneInfo(zone)).utcoffset() for day in days]
    return [day for day, before, after in zip(days, offsets, offsets[1:], strict=False) if before != after]


def check(found: Hours, start: datetime, end: datetime) -> None:
    """Compare each minute. The time of opening is asked once in each gap, and again somewhere in the middle of it."""
    closed: list[datetime] = []
    for at in minutes(start, end):
        expected = is_open_by_the_clock(found.stored, at)
        assert found.is_open(at) == expected, at
        if expected and closed:
            for asked in (closed[0], closed[len(closed) // 2] + timedelta(seconds=17.5), closed[-1]):
                assert found.opens_at(asked) == at, asked
        closed = [] if expected else [*closed, at]


@settings(max_examples=40, deadline=None)
@given(zone=st.sampled_from(ZONES), weekly=WEEKS, data=st.data())
def test_the_chat_is_open_when_the_clock_says_so(zone: str, weekly: dict[str, list[list[str]]], data: Any) -> None:
    days = changes(zone) or [FIRST + 300 * DAY]
    day = data.draw(st.sampled_from(days)) - data.draw(st.integers(0, 1)) * DAY
    exceptions = {
        f"d{(day + number * DAY):%Y_%m_%d}": data.draw(SPANS) for number in data.draw(st.sets(st.integers(0, 2)))
    }

    check(hours(zone, weekly, **exceptions), day - DAY / 24, day + 1.5 * DAY)


def test_each_change_of_clocks_is_right_in_every_zone() -> None:
    chance = random.Random(18)
    for zone in ZONES:
        for day in chance.sample(changes(zone), min(2, len(changes(zone)))):
            starts = sorted(chance.sample(range(24 * 12), 4))
            times = [f"{start // 12:02}:{start % 12 * 5:02}" for start in starts]
            check(hours(zone, every_day(times[:2], times[2:])), day, day + DAY)


def at(zone: str, text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


@pytest.mark.parametrize(
    ("weekly", "asked", "opens"),
    [
        # The clocks go from 02:00 to 03:00 on March 29.
        (every_day(["02:30", "02:45"]), at(BERLIN, "2026-03-29 01:00"), at(BERLIN, "2026-03-30 02:30")),
        (every_day(["02:30", "04:00"]), at(BERLIN, "2026-03-29 01:00"), at(BERLIN, "2026-03-29 03:00")),
        # They go from 03:00 back to 02:00 on October 25.
        (every_day(["02:30", "02:45"]), at(BERLIN, "2026-10-25 02:50"), at(BERLIN, "2026-10-25 02:30", fold=1)),
        (every_day(["02:30", "02:45"]), at(BERLIN, "2026-10-25 02:50", fold=1), at(BERLIN, "2026-10-26 02:30")),
        (every_day(["01:00", "02:15"]), at(BERLIN, "2026-10-25 02:20"), at(BERLIN, "2026-10-25 02:00", fold=1)),
        # The day ends at 24:00, and the next begins then.
        (every_day(["00:00", "24:00"]) | {"sun": []}, at(BERLIN, "2026-11-29 00:00"), at(BERLIN, "2026-11-30 00:00")),
        (
            {**every_day(), "mon": [["09:00", "17:00"]]},
            at(NEW_YORK, "2026-11-27 12:00"),
            at(BERLIN, "2026-11-30 09:00"),
        ),
    ],
)
def test_opening_times_around_changes_of_clocks(weekly: Any, asked: datetime, opens: datetime) -> None:
    found = hours(BERLIN, weekly)

    assert not found.is_open(asked)
    assert found.opens_at(asked) == opens
    assert found.is_open(opens)


def test_the_chat_opens_after_the_holidays() -> None:
    weekdays = every_day(["09:00", "17:00"]) | {"sat": [], "sun": []}
    holidays = {f"d2026_12_{day}": [] for day in (24, 25, 31)} | {
        "d2027_01_01": [],
        "d2026_12_27": [["10:00", "11:00"]],
    }
    found = hours(BERLIN, weekdays, **holidays)

    assert found.opens_at(at(BERLIN, "2026-12-23 17:00")) == at(BERLIN, "2026-12-27 10:00")
    assert found.opens_at(at(BERLIN, "2026-12-30 17:00")) == at(BERLIN, "2027-01-04 09:00")


def test_hours_that_do_not_come_within_a_year_are_not_known() -> None:
    never = hours(BERLIN, every_day())
    far = hours(BERLIN, every_day(), d2030_01_01=[["09:00", "10:00"]])
    next_year = hours(BERLIN, every_day(), d2027_12_01=[["09:00", "10:00"]])
    asked = at(BERLIN, "2026-11-27 12:00")

    assert never.opens_at(asked) is far.opens_at(asked) is None
    assert next_year.opens_at(asked) == at(BERLIN, "2027-12-01 09:00")


def test_a_clock_that_goes_back_is_asked_anew() -> None:
    found = hours("UTC", every_day(["09:00", "10:00"]))
    day = datetime(2026, 11, 27, tzinfo=UTC)

    openings = [found.opening(day + timedelta(hours=hour)).opens_at for hour in (12, 11, 8, 9, 12)]

    assert openings == [day + timedelta(hours=33)] * 2 + [day + timedelta(hours=9), None, day + timedelta(hours=33)]


def test_an_unknown_zone_counts_as_utc(caplog: pytest.LogCaptureFixture) -> None:
    found = hours("Mars/Olympus", every_day(["09:00", "10:00"]))

    assert found.is_open(datetime(2026, 11, 27, 9, tzinfo=UTC))
    assert "Mars/Olympus" in str(caplog.records[0].__dict__)


def test_dates_are_those_of_the_zone() -> None:
    found = hours("Pacific/Kiritimati", every_day(), d2026_12_25=[["00:00", "24:00"]])
    opens = found.opens_at(datetime(2026, 12, 1, tzinfo=UTC))

    assert opens == datetime(2026, 12, 24, 10, tzinfo=UTC)
