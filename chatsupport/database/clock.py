"""The database's time: the only time that processes compare.

Each machine has a clock of its own, and some are wrong. So a process measures the difference between the database's
clock and its own monotonic clock, which cannot be set, and counts on from there. The wall clock has no influence. The
primary's answer to `hello` has its time. That time belongs to some moment between the question and the answer, so the
quickest of the last answers is the most exact. Until the first answer, a process uses its wall clock.

The monotonic clock runs on while the machine is suspended. The wall clock is used in log lines only.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from pymongo.monitoring import (
    ServerHeartbeatFailedEvent,
    ServerHeartbeatListener,
    ServerHeartbeatStartedEvent,
    ServerHeartbeatSucceededEvent,
)

from chatsupport.observability import metrics

logger = logging.getLogger(__name__)

OFF_SECONDS = 5.0
"""A clock that differs by more than this from the database's is wrong."""
LEEWAY_SECONDS = 5.0
"""How far in the future a token's issue time may be, because its issuer's clock may be ahead."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SAMPLES = 8
_RESOLUTION = 0.001
_DRIFT = 0.02
"""Monotonic clocks drift apart by no more than this while the samples are kept. Seconds."""
_MEMBER_SECONDS = 60.0
"""How long a measurement of a member's clock stays valid."""
_NEVER_SET = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed() -> float:
    """Return the seconds since some moment. The clock cannot be set, and runs while the machine is suspended."""
    return time.clock_gettime(_NEVER_SET)


@dataclass(frozen=True)
class Sample:
    """One measurement: the difference between the database's time and the monotonic clock, give or take `error`."""

    offset: float
    error: float


class Clock:
    """The database's time in one process."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=_SAMPLES)
        self._offset: float | None = None
        self._latest = 0.0
        self._members: dict[str, tuple[float, float]] = {}
        self._is_off = False

    def timestamp(self) -> float:
        """Return the seconds since the epoch."""
        offset = self._offset
        if offset is None:
            return time.time()
        # A better measurement may correct the time by some milliseconds. Time then stands still, but never goes back.
        self._latest = max(self._latest, elapsed() + offset)
        return self._latest

    def take(self, theirs: datetime, asked: float, answered: float) -> float:
        """Record the time of the primary's clock, read between two moments of the monotonic clock.

        Returns the seconds by which its time has jumped since the last measurement, because somebody set its clock or
        there is another primary; 0 if it has not.
        """
        sample = Sample(_seconds(theirs) - (asked + answered) / 2, (answered - asked) / 2 + _RESOLUTION)
        jump = 0.0 if self._agrees(sample) else sample.offset - self._best().offset
        if jump:
            self._samples.clear()
            self._latest = 0.0
        self._samples.append(sample)
        self._offset = self._best().offset
        self._compare_own()
        return jump

    def take_member(self, address: str, theirs: datetime | None) -> None:
        """Record what the clock of a member of the replica set says now; None if it does not answer."""
        if theirs is None:
            self._members.pop(address, None)
        else:
            self._members[address] = (_seconds(theirs) - elapsed(), elapsed())

    def forget(self) -> None:
        """Start again without measurements."""
        self._samples.clear()
        self._members.clear()
        self._offset, self._latest, self._is_off = None, 0.0, False

    def own_offset(self) -> float | None:
        """Return the seconds by which this machine's wall clock is ahead of the database's; None if not measured."""
        return None if self._offset is None else time.time() - self.timestamp()

    def wrong_members(self) -> dict[str, float]:
        """Return the members whose clock is wrong, and the seconds by which each is ahead of the primary's."""
        if self._offset is None:
            return {}
        oldest = elapsed() - _MEMBER_SECONDS
        ahead = {name: offset - self._offset for name, (offset, at) in list(self._members.items()) if at >= oldest}
        return {name: seconds for name, seconds in ahead.items() if abs(seconds) > OFF_SECONDS}

    def _agrees(self, sample: Sample) -> bool:
        if not self._samples:
            return True
        best = self._best()
        return abs(sample.offset - best.offset) <= sample.error + best.error + _DRIFT

    def _best(self) -> Sample:
        return min(self._samples, key=lambda kept: kept.error)

    def _compare_own(self) -> None:
        ahead = self.own_offset() or 0.0
        if is_off(ahead) == self._is_off:
            return
        self._is_off = not self._is_off
        details = {"event": "clock_off" if self._is_off else "clock_right", "seconds": round(ahead, 1)}
        if self._is_off:
            logger.warning(
                "The clock of this machine is %s the database's: set it by NTP", described(ahead), extra=details
            )
        else:
            logger.info("The clock of this machine agrees with the database's again", extra=details)


class MemberClocks(ServerHeartbeatListener):
    """Records the clocks of the replica set's members from their heartbeats to the driver."""

    def started(self, event: ServerHeartbeatStartedEvent) -> None:
        """Wait for the answer."""

    def succeeded(self, event: ServerHeartbeatSucceededEvent) -> None:
        """Compare the member's clock."""
        _clock.take_member(_name(event), event.reply.document.get("localTime"))

    def failed(self, event: ServerHeartbeatFailedEvent) -> None:
        """Forget what its clock said."""
        _clock.take_member(_name(event), None)


_clock = Clock()


def now() -> datetime:
    """Return the database's time in UTC, in whole milliseconds as MongoDB keeps it: what we send is what we stored."""
    return _EPOCH + timedelta(milliseconds=now_ms())


def now_ms() -> int:
    """Return the database's time in milliseconds since the epoch."""
    return int(_clock.timestamp() * 1000)


def timestamp() -> float:
    """Return the database's time in seconds since the epoch."""
    return _clock.timestamp()


def forget() -> None:
    """Use the wall clock until the database's time is measured again: there is another database."""
    _clock.forget()


def measure(client: Any) -> float:
    """Measure the database's time: one small command to the primary. Returns the seconds by which it has jumped."""
    asked = elapsed()
    theirs = client.admin.command("hello")["localTime"]
    return _clock.take(theirs, asked, elapsed())


def own_offset() -> float | None:
    """Return the seconds by which this machine's wall clock is ahead of the database's; None if not measured yet."""
    return _clock.own_offset()


def wrong_members() -> dict[str, float]:
    """Return the members of the replica set whose clock is wrong, and how far ahead of the primary's each is."""
    return _clock.wrong_members()


def is_off(ahead: float) -> bool:
    """Tell whether a clock that is this many seconds ahead is wrong."""
    return abs(ahead) > OFF_SECONDS


def described(ahead: float) -> str:
    """Return how far a clock is off, as "12.0 s ahead of"."""
    return f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'}"


def _seconds(moment: datetime) -> float:
    """Return the seconds since the epoch of a time of the driver's, which is in UTC and may not say so."""
    return moment.replace(tzinfo=timezone.utc).timestamp()


def _name(event: ServerHeartbeatSucceededEvent | ServerHeartbeatFailedEvent) -> str:
    host, port = event.connection_id
    return host if port is None else f"{host}:{port}"


metrics.CLOCK_OFFSET.read_by(own_offset)
