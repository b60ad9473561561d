"""Requests and answers about ratings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chatsupport.contract.base import Answer, Code, Request, absent, example, record
from chatsupport.contract.fields import Id, Line, Time
from chatsupport.contract.socket_events import Emitted
from chatsupport.errors import ConflictError

CODE = "INVALID_RATING"
MAX_COMMENT = 500


class RatingClosedError(ConflictError):
    """The session cannot be rated now."""

    code = "RATING_CLOSED"

    def __init__(self) -> None:
        super().__init__("You can rate a session after an agent's first message, and until 24 hours after its end.")


class NewRating(Request):
    """A user's rating of a session."""

    score: Annotated[int, Field(ge=1, le=5), Code(CODE)] = Field(description="A whole number. 5 is the best.")
    comment: Annotated[str | None, Line(MAX_COMMENT), Code(CODE)] = None

    model_config = example(score=5, comment="Quick and kind.")


class Rating(Answer):
    """The rating of a session."""

    score: Annotated[int, Field(ge=1, le=5)]
    comment: str | None
    at: Time


class ShownRating(Answer):
    """The rating in a session."""

    rating: Rating | None = absent("For staff only. Null if the user has not rated the session.")


RatedSession = record("RatedSession", session_id=Id, rating=Rating)

EMITTED = {"session_rated": Emitted("staff in the room, all sockets of its agent", RatedSession)}
