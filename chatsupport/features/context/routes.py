"""The details of a visitor."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import MEMBERS, route
from chatsupport.contract.calls import Says
from chatsupport.contract.chat import Session
from chatsupport.contract.fields import SessionId
from chatsupport.errors import SessionEndedError
from chatsupport.features.context import service as context
from chatsupport.features.context.models import SessionUpdate

blueprint = Blueprint("context", __name__, url_prefix="/api/chat")


@route(
    blueprint.patch("/session/<session_id>"),
    body=SessionUpdate,
    answers={200: Says("Session updated", Session)},
    errors=[SessionEndedError],
    access=MEMBERS,
)
def update_session(session_id: SessionId, told: SessionUpdate) -> dict[str, Any]:
    """Change the details of a visitor.

    For the session's user and staff. Missing fields stay as they are, and null removes a field. 30 a minute.
    """
    return context.update(caller(), session_id, told, request.headers.get("User-Agent", ""))
