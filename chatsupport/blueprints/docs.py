"""Descriptions of the calls and events, for tools and for people. Open to everybody: they have no personal data."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify, request
from werkzeug.wrappers import Response as AnyResponse

from chatsupport.blueprints.headers import PAGE_POLICY
from chatsupport.blueprints.local_requests import is_on_this_machine
from chatsupport.blueprints.routing import ANYBODY, openapi, route
from chatsupport.blueprints.web import page
from chatsupport.contract import socket_events
from chatsupport.contract.calls import File
from chatsupport.extensions import settings

blueprint = Blueprint("docs", __name__)

JSON = "application/json"


@route(
    blueprint.get("/api/openapi.json"),
    answers={200: File("OpenAPI 3.1", (JSON,), {"type": "object", "required": ["openapi", "paths"]})},
    access=ANYBODY,
)
def get_open_api() -> Response:
    """Read the description of the REST API.

    OpenAPI 3.1, not in an envelope.
    """
    document = openapi(current_app._get_current_object())  # type: ignore[attr-defined]
    return _document({**document, "servers": [{"url": _url()}]})


@route(
    blueprint.get("/api/asyncapi.json"),
    answers={200: File("AsyncAPI 3", (JSON,), {"type": "object", "required": ["asyncapi", "channels"]})},
    access=ANYBODY,
)
def get_async_api() -> Response:
    """Read the description of the Socket.IO events.

    AsyncAPI 3, not in an envelope.
    """
    return _document(socket_events.document())


@route(blueprint.get("/api/docs"), answers={200: File("The page", ("text/html",))}, access=ANYBODY)
def get_docs() -> AnyResponse:
    """Read the description of the REST API as a page, and try its calls."""
    return page("docs", PAGE_POLICY)


def _url() -> str:
    """Return the address of the calls for tools: complete if it is certain, so that an imported call works at once."""
    here = request.url_root.rstrip("/") if is_on_this_machine() else None
    return settings.config.public_url or here or request.script_root or "/"


def _document(content: dict[str, object]) -> Response:
    response = jsonify(content)
    response.headers["Cache-Control"] = "no-cache"
    return response
