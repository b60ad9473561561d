"""Canned replies. Agents read them; supervisors, API keys and systems write them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import AGENTS, MANAGERS, route
from chatsupport.contract.calls import Says
from chatsupport.features.replies import service as replies
from chatsupport.features.replies.models import (
    NewReply,
    Replies,
    Reply,
    ReplyChanges,
    ReplyId,
    ReplyPage,
    ShortcutTakenError,
)

blueprint = Blueprint("replies", __name__, url_prefix="/api/replies")

Json = dict[str, Any]


@route(blueprint.get(""), query=ReplyPage, answers={200: Says("Replies", Replies)}, access=AGENTS)
def list_replies(page: ReplyPage) -> Json:
    """List the canned replies, sorted by shortcut.

    For agents, API keys and systems.
    """
    return replies.list_page(caller(), page)


@route(
    blueprint.post(""),
    body=NewReply,
    answers={201: Says("Reply created", Reply)},
    errors=[ShortcutTakenError],
    access=MANAGERS,
)
def create_reply(new: NewReply) -> Json:
    """Make a canned reply."""
    return replies.create(caller(), new)


@route(
    blueprint.patch("/<reply_id>"),
    body=ReplyChanges,
    answers={200: Says("Reply changed", Reply)},
    errors=[ShortcutTakenError],
    access=MANAGERS,
)
def update_reply(reply_id: ReplyId, changes: ReplyChanges) -> Json:
    """Change the given fields of a canned reply."""
    return replies.change(caller(), reply_id, changes)


@route(blueprint.delete("/<reply_id>"), answers={200: Says("Reply deleted", Reply)}, access=MANAGERS)
def delete_reply(reply_id: ReplyId) -> Json:
    """Delete a canned reply."""
    return replies.delete(caller(), reply_id)
