"""Answers about the service itself."""

from __future__ import annotations

from typing import Literal

from chatsupport.contract.base import about, record
from chatsupport.contract.fields import Count, Time

Index = record(
    "Index",
    message=str,
    version=str,
    documentation=about(str, "The path of the page that documents this API."),
    timestamp=Time,
    endpoints=list[str],
)
_SESSIONS = record("OpenSessions", active=Count | None, total=Count | None)
_MISSING = record("MissingIndex", name=str, reason=str | None)
_INDEXES = record("Indexes", status=Literal["ready", "building"], missing=list[_MISSING])  # type: ignore[valid-type]
_CLOCK = record("Clock", status=Literal["right", "wrong", "unknown"], offset=float | None)
Health = record(
    "Health",
    status=Literal["healthy", "degraded", "unhealthy"],
    timestamp=Time,
    uptime=about(float, "Seconds."),
    environment=str,
    version=str,
    services=record(
        "Services",
        database=Literal["connected", "disconnected"],
        sessions=about(_SESSIONS, "Null while the database does not answer."),
        indexes=_INDEXES,
        clock=about(_CLOCK, "How many seconds this machine's clock is ahead of the database's."),
    ),
)
