"""Ratings of sessions, by their users."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import Access, route
from chatsupport.contract.calls import Says
from chatsupport.contract.fields import SessionId
from chatsupport.features.ratings import service as ratings
from chatsupport.features.ratings.models import NewRating, RatedSession, RatingClosedError

blueprint = Blueprint("ratings", __name__, url_prefix="/api/chat")


@route(
    blueprint.post("/rating/<session_id>"),
    body=NewRating,
    answers={201: Says("Session rated", RatedSession), 200: Says("Rating changed", RatedSession)},
    errors=[RatingClosedError],
    access=Access(check_session=ratings.find_session),
)
def rate_session(session_id: SessionId, new: NewRating) -> tuple[dict[str, Any], int]:
    """Rate a session.

    For its user, from the first message of an agent until 24 hours after the end. The rating may be changed. 30 a
    minute.
    """
    rated, is_new = ratings.rate(caller(), session_id, new)
    return rated, 201 if is_new else 200
