"""POST /api/auth/token. No authentication: this is where one comes from."""

from __future__ import annotations

from flask import Blueprint, Response, request

from chatsupport import payloads
from chatsupport.blueprints.requests import api_key, json_body, success
from chatsupport.services import tokens

blueprint = Blueprint("auth", __name__, url_prefix="/api/auth")


@blueprint.post("/token")
def create_token() -> tuple[Response, int]:
    """Give a token."""
    token = tokens.issue(payloads.token_request(json_body()), api_key(), request.remote_addr or "")
    return success("Token created", token, 201)
