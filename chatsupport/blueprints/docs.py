"""/api/openapi.json and /api/docs. No authentication: they say what the calls are, and nothing of anybody."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, jsonify, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from chatsupport import openapi
from chatsupport.blueprints.headers import PAGE_POLICY
from chatsupport.extensions import settings

blueprint = Blueprint("docs", __name__)

_FILES = {
    name: (Path(openapi.__file__).parent / "page" / name).read_bytes() for name in ("page.html", "page.js", "page.css")
}


@blueprint.get("/api/openapi.json")
def get_document() -> Response:
    """Return the OpenAPI document."""
    response = jsonify(
        {**openapi.document(), "servers": [{"url": settings.config.public_url or request.script_root or "/"}]}
    )
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.get("/api/docs")
def get_page() -> AnyResponse:
    """Return the page that shows the document."""
    if request.path.endswith("/"):
        return redirect("../docs")
    return _file("page.html", "text/html")


@blueprint.get("/api/docs/page.js")
def get_script() -> Response:
    """Return the page's script."""
    return _file("page.js", "text/javascript")


@blueprint.get("/api/docs/page.css")
def get_style() -> Response:
    """Return the page's style."""
    return _file("page.css", "text/css")


def _file(name: str, media_type: str) -> Response:
    response = Response(_FILES[name], mimetype=media_type)
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    response.headers["Cache-Control"] = "no-cache"
    return response
