"""/api/auth. Getting a token needs no authentication: this is where one comes from. Revoking needs an operator."""

from __future__ import annotations

from flask import Blueprint, Response, request

from chatsupport import payloads, serializers
from chatsupport.blueprints.requests import api_key, caller, json_body, require_caller, success
from chatsupport.services import denials, tokens

blueprint = Blueprint("auth", __name__, url_prefix="/api/auth")


@blueprint.post("/token")
def create_token() -> tuple[Response, int]:
    """Give a token."""
    token = tokens.issue(payloads.token_request(json_body()), api_key(), request.remote_addr or "")
    return success("Token created", token, 201)


@blueprint.post("/revoke")
def revoke_tokens() -> tuple[Response, int]:
    """Revoke all tokens of somebody."""
    require_caller()
    person = payloads.person(json_body())
    revoked_up_to = serializers.iso_of_ms(denials.revoke(caller(), person))
    data = {"userId": person.id, "userType": person.type, "revokedUpTo": revoked_up_to}
    return success("Tokens revoked", data)
