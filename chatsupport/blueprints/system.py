"""What the service is and how it is. No authentication: balancers and people with a browser come here."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify, url_for

from chatsupport import __version__, serializers
from chatsupport.blueprints.errors import endpoints
from chatsupport.blueprints.requests import success
from chatsupport.database.clock import now
from chatsupport.errors import DatabaseUnavailableError
from chatsupport.services.server import statistics

blueprint = Blueprint("system", __name__)


@blueprint.get("/")
def index() -> tuple[Response, int]:
    """Say what this is."""
    data = {
        "message": "Chat Support System API",
        "version": __version__,
        "documentation": url_for("docs.get_page"),
        "timestamp": serializers.iso(now()),
        "endpoints": endpoints(),
    }
    return success("Chat Support System API", data)


@blueprint.get("/api/health")
def health() -> tuple[Response, int]:
    """Say whether the service works: 200, or 503 while the database does not answer."""
    state, alive = statistics.health()
    if alive:
        return success("Healthy", state)
    error = DatabaseUnavailableError()
    g.error_code = error.code
    response = jsonify({**error.envelope(g.request_id), "data": state})
    response.headers["Retry-After"] = str(error.retry_after)
    return response, error.status
