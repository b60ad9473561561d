"""Requests and answers about the feed."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field

from chatsupport.contract.base import Answer, Code, Reads, Request, absent
from chatsupport.contract.fields import Time
from chatsupport.features.events.contents import TYPES

MOST_EVENTS, MOST_SECONDS = 100, 25
LARGEST_POSITION = 2**53 - 1

_NUMBER = re.compile(r"[0-9]{1,16}")


def _number(low: int, high: int) -> Reads:
    def read(value: Any) -> int:
        if not isinstance(value, str) or not _NUMBER.fullmatch(value) or not low <= int(value) <= high:
            raise ValueError
        return int(value)

    return Reads(read, f"a whole number from {low} to {high}", type="integer", minimum=low, maximum=high)


def _types(value: Any) -> tuple[str, ...]:
    if not isinstance(value, str):
        raise ValueError
    names = [name.strip() for name in value.split(",")]
    if not set(names) <= set(TYPES):
        raise ValueError
    return tuple(dict.fromkeys(names))


EventType = Literal[TYPES]  # type: ignore[valid-type]
Position = Annotated[int, _number(0, LARGEST_POSITION), Code("INVALID_CURSOR")]


class EventPage(Request):
    """The events to be read."""

    after: Position = Field(
        default=0, description="The position of the last event that you have. 0 stands before the oldest one."
    )
    types: (
        Annotated[
            tuple[str, ...],
            Reads(_types, f"some of {', '.join(TYPES)}, separated by commas", examples=["message.created"]),
            Code("INVALID_TYPES"),
        ]
        | None
    ) = absent("Only these types, separated by commas.")
    wait: Annotated[int, _number(0, MOST_SECONDS), Code("INVALID_WAIT")] = Field(
        default=0, description="If there is no event yet, wait so many seconds for one."
    )
    limit: Annotated[int, _number(1, MOST_EVENTS), Code("INVALID_LIMIT")] = 50


class FeedEvent(Answer):
    """Something that has happened."""

    position: int = Field(description="Its place in the feed. Positions grow, and are not contiguous.")
    id: str = Field(pattern="^evt_[0-9a-f]+$", description="It stays the same, however often the event is sent.")
    type: EventType
    timestamp: Time
    data: dict[str, Any] = Field(
        description="The session, message, note or agent as staff see it in REST, at or after the event. Empty if it "
        "was erased or deleted since."
    )


class Events(Answer):
    """A part of the feed."""

    events: list[FeedEvent]
    has_more: bool
    position: int = absent(
        "For bots: continue after this position. It is that of the last event that was looked at, perhaps of another "
        "session."
    )
