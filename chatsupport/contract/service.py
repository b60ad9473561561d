"""What the service says of itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from chatsupport.contract.base import Answer
from chatsupport.contract.fields import Count, Time


class Index(Answer):
    """What this is."""

    message: str
    version: str
    documentation: str = Field(description="The path of the page that documents this API.")
    timestamp: Time
    endpoints: list[str]


class OpenSessions(Answer):
    """How many sessions there are; null while the database does not answer."""

    active: Count | None
    total: Count | None


class MissingIndex(Answer):
    """An index that is being built."""

    name: str
    reason: str | None


class Indexes(Answer):
    """Whether all indexes are there."""

    status: Literal["ready", "building"]
    missing: list[MissingIndex]


class Clock(Answer):
    """By how many seconds this machine's clock is ahead of the database's."""

    status: Literal["right", "wrong", "unknown"]
    offset: float | None


class Services(Answer):
    """What the service stands on."""

    database: Literal["connected", "disconnected"]
    sessions: OpenSessions
    indexes: Indexes
    clock: Clock


class Health(Answer):
    """How the service is."""

    status: Literal["healthy", "degraded", "unhealthy"]
    timestamp: Time
    uptime: float = Field(description="Seconds.")
    environment: str
    version: str
    services: Services
