"""What consoles show besides sessions and agents. For agents, supervisors, API keys and systems."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import route
from chatsupport.contract.calls import Says
from chatsupport.features.consoles import service as consoles
from chatsupport.features.consoles.models import Queue

blueprint = Blueprint("consoles", __name__, url_prefix="/api/chat")


@route(blueprint.get("/queue"), answers={200: Says("Queue", Queue)})
def get_queue() -> dict[str, Any]:
    """Read the queue.

    For agents, supervisors, API keys and systems. Agents do not get `sessionId`.
    """
    return consoles.queue_overview(caller())
