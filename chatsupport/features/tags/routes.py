"""Tags of sessions, for staff."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import STAFF, route
from chatsupport.contract.calls import Says
from chatsupport.contract.chat import Session
from chatsupport.contract.fields import SessionId
from chatsupport.features.tags import service as tags
from chatsupport.features.tags.models import NewTags, Tags

blueprint = Blueprint("tags", __name__, url_prefix="/api")

Json = dict[str, Any]


@route(
    blueprint.put("/chat/tags/<session_id>"), body=NewTags, answers={200: Says("Tags stored", Session)}, access=STAFF
)
def put_tags(session_id: SessionId, new: NewTags) -> Json:
    """Give a session these tags, in place of those it had.

    For staff only; users do not see tags.
    """
    return tags.put(caller(), session_id, new.tags)


@route(blueprint.get("/tags"), answers={200: Says("Tags", Tags)})
def list_tags() -> Json:
    """Read all tags and the number of sessions that have each.

    For agents, API keys and systems. The most used tag is first.
    """
    return tags.count_all(caller())
