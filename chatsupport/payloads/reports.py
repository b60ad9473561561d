"""Which time a report is about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from bson import ObjectId

from chatsupport.database.clock import now
from chatsupport.errors import InvalidInputError
from chatsupport.payloads import fields
from chatsupport.payloads.fields import Payload

BUCKETS = HOUR, DAY = ("hour", "day")
DEFAULT_DAYS, MAX_DAYS = 30, 366

_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=timezone.utc), datetime(9000, 1, 1, tzinfo=timezone.utc)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)


@dataclass(frozen=True)
class ReportQuery:
    """Query string of a report: from when to when, in hours or days, of one agent or of all."""

    start: datetime
    end: datetime
    bucket: str
    agent_id: ObjectId | None


def report_query(query: Payload) -> ReportQuery:
    """Read which time a report is about. Raises INVALID_RANGE, INVALID_BUCKET, INVALID_AGENT, AGENT_NOT_FOUND."""
    end = _time(query, "to") or now()
    start = _time(query, "from") or end - timedelta(days=DEFAULT_DAYS)
    if start >= end:
        raise InvalidInputError("INVALID_RANGE", "from must be before to.")
    if end - start > timedelta(days=MAX_DAYS):
        raise InvalidInputError("INVALID_RANGE", f"from and to must be at most {MAX_DAYS} days apart.")
    return ReportQuery(
        start=start,
        end=end,
        bucket=fields.optional_choice(query, "bucket", BUCKETS, "INVALID_BUCKET") or DAY,
        agent_id=fields.optional_agent_id(query),
    )


def _time(query: Payload, name: str) -> datetime | None:
    """Return a time in UTC, None where it is not given. Without an offset it is UTC, without a time the day begins."""
    value = query.get(name)
    if value is None:
        return None
    error = InvalidInputError(
        "INVALID_RANGE",
        f"{name} must be a date or time as in ISO 8601, like 2026-11-22 or 2026-11-22T09:00:00Z (and + sent as %2B).",
    )
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise error
    text = match[0].replace("Z", "+00:00")
    if match[3]:
        text = text.replace(match[3], f"{match[3]:0<7}")  # Python 3.10 reads 3 or 6 digits only.
    try:
        time = datetime.fromisoformat(text)
        time = time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise error from None
    if not _EARLIEST <= time <= _LATEST:
        raise error
    return time
