"""Full-text search in sessions."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import AGENTS, route
from chatsupport.contract.calls import Says
from chatsupport.features.search import service
from chatsupport.features.search.models import SearchQuery, SearchResults

blueprint = Blueprint("search", __name__, url_prefix="/api/chat/search")


@route(blueprint.get(""), query=SearchQuery, answers={200: Says("Search results", SearchResults)}, access=AGENTS)
def search_sessions(wanted: SearchQuery) -> dict[str, Any]:
    """Search the sessions, newest first.

    An agent's own; all for supervisors, API keys and systems. All words of `q` must be in the session: in messages,
    names, ids or tags.
    """
    return service.search(caller(), wanted)
