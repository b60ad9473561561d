"""Search: what clients ask for, and what they get."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from chatsupport.contract.base import Answer, Code, Request, page, refused
from chatsupport.contract.chat import Session
from chatsupport.contract.fields import (
    DEFAULT_PAGE,
    AgentId,
    Bound,
    Cursor,
    Limit,
    PersonType,
    Place,
    Status,
    Text,
    Time,
)

MAX_QUERY, MAX_MATCHES = 200, 3


class SearchQuery(Request):
    """What to look for, and where."""

    q: Annotated[str, Text(MAX_QUERY), Code("INVALID_QUERY")] = Field(
        description="Sessions that have all these words are found. Capitals and accents do not matter."
    )
    start: Bound | None = Field(
        default=None,
        validation_alias="from",
        description="Only sessions that began at this time or later: a date or time as in ISO 8601.",
    )
    end: Bound | None = Field(
        default=None, validation_alias="to", description="Only sessions that began before this time."
    )
    agent_id: AgentId | None = Field(default=None, description="Only the sessions of this agent.")
    status: Annotated[Status, Code("INVALID_STATUS")] | None = None
    limit: Limit = DEFAULT_PAGE
    cursor: Cursor | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> SearchQuery:
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise refused("from", "INVALID_RANGE", "from must be before to.")
        return self


class Match(Answer):
    """A message that has words of the query."""

    seq: Place
    sender_type: PersonType
    snippet: str = Field(description="The part of the message around the first of the words. Text, not HTML.")
    at: Time


class SearchResult(Answer):
    """A session that was found."""

    session: Session
    matches: Annotated[list[Match], Field(max_length=MAX_MATCHES)] = Field(
        description="The messages with the most of the words, in the order of their seq. None if ids, names or tags "
        "alone have the words."
    )


SearchResults = page("SearchResults", "results", SearchResult)
