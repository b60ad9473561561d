"""Requests and answers of reports."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from chatsupport.contract.base import Answer, Code, Request, absent, refused
from chatsupport.contract.fields import AgentId, Bound, Count, Id, Time
from chatsupport.database.clock import now

DEFAULT_DAYS, MAX_DAYS = 30, 366


class ReportQuery(Request):
    """The time of a report, divided into hours or days, and the agent, unless it is about all."""

    end: Bound = Field(
        default_factory=lambda: now(),
        validation_alias="to",
        description=f"By default now; at most {MAX_DAYS} days after `from`. Rounded up to the bucket.",
    )
    start: Bound = Field(
        default_factory=lambda data: data["end"] - timedelta(days=DEFAULT_DAYS),
        validation_alias="from",
        description=f"A date or time as in ISO 8601, in UTC if it has no offset; by default "
        f"{DEFAULT_DAYS} days before `to`. "
        "Rounded down to the bucket. Send + as %2B.",
    )
    bucket: Annotated[Literal["hour", "day"], Code("INVALID_BUCKET")] = Field(
        default="day", description="Days begin at midnight UTC."
    )
    agent_id: AgentId | None = absent("Only sessions that this agent had when they ended.")

    @model_validator(mode="after")
    def _is_a_range(self) -> ReportQuery:
        if self.start >= self.end:
            raise refused("from", "INVALID_RANGE", "from must be before to.")
        if self.end - self.start > timedelta(days=MAX_DAYS):
            raise refused("from", "INVALID_RANGE", f"from and to must be at most {MAX_DAYS} days apart.")
        return self


class Durations(Answer):
    """How long something took, in seconds. Percentiles are off by at most 2 %."""

    count: Count
    mean: float | None
    p50: float | None = Field(alias="p50")
    p95: float | None = Field(alias="p95")


class Figures(Answer):
    """The figures of sessions."""

    sessions: Count = Field(description="Sessions that ended.")
    abandoned: Count = Field(description="Of these, the sessions that ended while waiting, without an agent.")
    messages: Count
    messages_per_session: float | None
    waiting: Durations = Field(description="From the start, or from a bot's hand-over, to the first person.")
    first_response: Durations = Field(
        description="From the start, or from a bot's hand-over, to the first message of a person."
    )
    handling: Durations = Field(description="From the first person to the end.")


class Ratings(Answer):
    """How users rated sessions, from 1 to 5."""

    count: Count
    mean: float | None


class TagFigures(Answer):
    """How many of the sessions have a tag."""

    tag: str
    sessions: Count


class FullFigures(Figures):
    """The figures of sessions, how users rated them, and their tags."""

    rating: Ratings = absent("The ratings that were given or changed in the period.")
    tags: list[TagFigures] = absent(
        "The tags of these sessions, the most used first, at most 100. Deleted sessions are not counted."
    )


class AgentFigures(FullFigures):
    """The figures of an agent. A deleted agent has no name."""

    agent_id: Id
    name: str | None
    kind: Literal["human", "bot"] = Field(description="Also `human` for an agent that was deleted.")


class BucketFigures(Figures):
    """The figures of an hour or a day."""

    start: Time


class Report(Answer):
    """The figures of the sessions that ended in a time."""

    from_: Time = Field(alias="from")
    to: Time
    bucket: Literal["hour", "day"]
    agent_id: Id | None
    complete: bool = Field(description="False while a server is still adding up earlier hours.")
    total: FullFigures
    agents: list[AgentFigures] = Field(description="Agents with the most sessions come first.")
    buckets: list[BucketFigures] = Field(description="Every hour or day (UTC) of the report's time, up to now.")
