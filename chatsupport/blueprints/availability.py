"""Whether somebody is there. No authentication: a page asks before anybody writes. Credentials get a longer answer."""

from __future__ import annotations

from flask import Blueprint, Response, request

from chatsupport.blueprints.requests import caller, require_caller, success
from chatsupport.services.assignment import staffing

blueprint = Blueprint("availability", __name__)


@blueprint.get("/api/chat/availability")
def get_availability() -> tuple[Response, int]:
    """Say whether somebody is there to answer."""
    is_stranger = not ("Authorization" in request.headers or "X-API-Key" in request.headers)
    if not is_stranger:
        require_caller()
    return success("Availability", staffing.describe(None if is_stranger else caller()))
