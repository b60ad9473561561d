"""The description and the health of the service. Open to everybody, because load balancers and browsers use it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, jsonify, url_for

from chatsupport import __version__, serializers
from chatsupport.blueprints.errors import endpoints
from chatsupport.blueprints.routing import ANYBODY, route
from chatsupport.contract.calls import Says
from chatsupport.contract.service import Health, Index
from chatsupport.database.clock import now
from chatsupport.errors import DatabaseUnavailableError
from chatsupport.services.server import overview

blueprint = Blueprint("system", __name__)


@route(blueprint.get("/"), answers={200: Says("Chat Support System API", Index)}, access=ANYBODY)
def get_index() -> dict[str, Any]:
    """Read the name and version of the API, with its endpoints."""
    return {
        "message": "Chat Support System API",
        "version": __version__,
        "documentation": url_for("docs.get_docs"),
        "timestamp": serializers.iso(now()),
        "endpoints": endpoints(),
    }


@route(
    blueprint.get("/api/health"),
    answers={200: Says("Healthy", Health)},
    errors=[DatabaseUnavailableError],
    access=ANYBODY,
)
def get_health() -> dict[str, Any] | Response:
    """Read the health of the service.

    It always answers within 2 s: with 503, and the state as `data`, while the database does not answer.
    """
    state, alive = overview.health()
    if alive:
        return state
    error = DatabaseUnavailableError()
    g.error_code = error.code
    response = jsonify({**error.envelope(g.request_id), "data": state})
    response.status_code = error.status
    response.headers["Retry-After"] = str(error.retry_after)
    return response
