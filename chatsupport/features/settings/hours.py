"""Opening hours. The chat is open while the clocks of their time zone show a time within a span of that day.

Nothing else needs to be known about changes of the clocks: a time that does not exist is never shown, and one that is
shown twice counts twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chatsupport.features.settings import service
from chatsupport.services.assignment.staffing import Opening

logger = logging.getLogger(__name__)

Spans = list[tuple[int, int]]
"""Minutes since midnight: of each beginning, and of each end."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LOOK_AHEAD_DAYS = 400
_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)
_KEPT_UNKNOWN = timedelta(hours=1)
"""How long to remember that the chat does not open within the days that are looked at."""
_OPEN = Opening()


class Hours:
    """Opening hours, as they are stored."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self.stored = stored
        self.zone = _zone(stored["timeZone"])
        self._weekly = [_minutes(stored["weekly"].get(day, ())) for day in DAYS]
        self._exceptions = {date.fromisoformat(day["date"]): _minutes(day["spans"]) for day in stored["exceptions"]}
        self._found: tuple[datetime, datetime, Opening] | None = None

    def is_open(self, at: datetime) -> bool:
        """Tell whether the chat is open at this time."""
        local = at.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        return any(begin <= minute < end for begin, end in self._spans(local.date()))

    def opens_at(self, after: datetime) -> datetime | None:
        """Return when the chat opens after this time in UTC, at which it is closed. None if that is too far away."""
        for number in range(LOOK_AHEAD_DAYS):
            start = after + number * _DAY
            end = start + _DAY
            found = [at for at in self._candidates(start, end) if start <= at < end and self.is_open(at)]
            if found:
                return min(found)
        return None

    def opening(self, at: datetime) -> Opening:
        """Return whether the chat is open at this time, and otherwise when it opens."""
        if self.is_open(at):
            return _OPEN
        if self._found is None or not self._found[0] <= at < self._found[1]:
            opens_at = self.opens_at(at)
            self._found = (at, opens_at or at + _KEPT_UNKNOWN, Opening(False, opens_at, self.zone))
        return self._found[2]

    def _spans(self, day: date) -> Spans:
        spans = self._exceptions.get(day)
        return self._weekly[day.weekday()] if spans is None else spans

    def _candidates(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Yield all times in this day at which the chat may open, and others."""
        first, last = start.astimezone(self.zone).date(), end.astimezone(self.zone).date()
        # One more on each side, because clocks that are set back may show the day before again.
        days = [first + number * _DAY for number in range(-1, (last - first).days + 2)]
        begins = [(day, begin) for day in days for begin, _ in self._spans(day)]
        for day, begin in begins:
            local = datetime.combine(day, time(begin // 60, begin % 60), self.zone)
            for fold in (0, 1):
                yield local.replace(fold=fold).astimezone(timezone.utc)
        if begins and self._offset(start) != self._offset(end):
            yield self._change(start.replace(microsecond=0))

    def _change(self, start: datetime) -> datetime:
        """Return the second of this day in which the clocks are changed. It may be in the middle of a span."""
        before, after = 0, 86_401
        while after - before > 1:
            middle = (before + after) // 2
            is_before = self._offset(start + middle * _SECOND) == self._offset(start)
            before, after = (middle, after) if is_before else (before, middle)
        return start + after * _SECOND

    def _offset(self, at: datetime) -> timedelta | None:
        return at.astimezone(self.zone).utcoffset()


def opening(at: datetime) -> Opening:
    """Return whether the chat is open at this time by the settings. Sends no command."""
    stored = service.current()["hours"]
    if stored is None:
        return _OPEN
    hours = _in_use[0]
    if hours is None or (hours.stored is not stored and hours.stored != stored):
        hours = _in_use[0] = Hours(stored)
    return hours.opening(at)


_in_use: list[Hours | None] = [None]


def _minutes(spans: list[list[str]]) -> Spans:
    return [(_minute(begin), _minute(end)) for begin, end in spans]


def _minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        logger.warning("The time zone of the opening hours is unknown here; using UTC", extra={"time_zone": name})
        return ZoneInfo("UTC")
