"""/api/auth. Getting a token and signing in need no authentication: this is where a token comes from. Revoking needs an
operator; identifying a guest and signing out, whoever does it.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from chatsupport import payloads, serializers
from chatsupport.blueprints.locality import is_on_this_machine
from chatsupport.blueprints.requests import api_key, caller, json_body, require_caller, success
from chatsupport.identity import RENEWABLE, SIGN_IN_LIFETIME
from chatsupport.services.people import denials, identification, sign_ins, tokens

blueprint = Blueprint("auth", __name__, url_prefix="/api/auth")


@blueprint.post("/token")
def create_token() -> tuple[Response, int]:
    """Give a token."""
    wanted = payloads.token_request(json_body())
    asker = tokens.Asker(
        api_key(), request.headers.get("Authorization"), request.remote_addr or "", is_on_this_machine()
    )
    return success("Token created", tokens.issue(wanted, asker), 201)


@blueprint.post("/login")
def sign_in() -> tuple[Response, int]:
    """Sign an agent in."""
    token, agent = sign_ins.sign_in(payloads.sign_in(json_body()), request.remote_addr or "")
    data = {
        "token": token,
        "tokenType": "Bearer",
        "expiresInSeconds": int(SIGN_IN_LIFETIME.total_seconds()),
        "agent": serializers.agent(agent),
    }
    return success("Signed in", data)


@blueprint.get("/sign-in-options")
def get_sign_in_options() -> tuple[Response, int]:
    """Say how an agent may sign in here."""
    return success("Sign-in options", sign_ins.options(is_on_this_machine=is_on_this_machine()))


@blueprint.post("/revoke")
def revoke_tokens() -> tuple[Response, int]:
    """Revoke all tokens of somebody."""
    require_caller()
    person = payloads.person(json_body())
    revoked_up_to = serializers.iso_of_ms(denials.revoke(caller(), person))
    data = {"userId": person.id, "userType": person.type, "revokedUpTo": revoked_up_to}
    return success("Tokens revoked", data)


@blueprint.post("/identify")
def identify_guest() -> tuple[Response, int]:
    """Carry a guest's sessions over to the caller."""
    require_caller()
    carried = identification.identify(caller(), payloads.guest_token(json_body()), request.remote_addr or "")
    return success("Identified", carried)


@blueprint.post("/logout")
def sign_out() -> tuple[Response, int]:
    """End the token that is shown. One that has expired would still renew a guest's."""
    require_caller(RENEWABLE)
    denials.sign_out(caller())
    return success("Signed out", {})
