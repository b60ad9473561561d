"""Tokens: getting one, and ending them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from chatsupport import serializers
from chatsupport.blueprints.local_requests import is_on_this_machine
from chatsupport.blueprints.requests import api_key, caller
from chatsupport.blueprints.routing import ANYBODY, RENEWING_CALLER, route
from chatsupport.contract.calls import Says
from chatsupport.contract.people import (
    GuestToken,
    Identified,
    Nothing,
    Person,
    Revoked,
    SignedIn,
    SignIn,
    SignInOptions,
    Token,
    TokenRequest,
)
from chatsupport.errors import (
    AuthenticationError,
    BlockedError,
    CredentialsError,
    DatabaseUnavailableError,
    InvalidApiKeyError,
    InvalidUserHashError,
    RateLimitedError,
)
from chatsupport.identity import SIGN_IN_LIFETIME
from chatsupport.services.people import denials, sign_ins, tokens
from chatsupport.services.sessions import identification

blueprint = Blueprint("auth", __name__, url_prefix="/api/auth")

Json = dict[str, Any]


@route(
    blueprint.post("/token"),
    body=TokenRequest,
    answers={201: Says("Token created", Token)},
    errors=[
        AuthenticationError,
        InvalidApiKeyError,
        InvalidUserHashError,
        BlockedError,
        RateLimitedError,
        DatabaseUnavailableError,
    ],
    access=ANYBODY,
)
def create_token(wanted: TokenRequest) -> Json:
    """Get a token.

    For a user, or with `guest` for one whose id is made here; for an agent or a system only with an X-API-Key. An id
    that begins with `guest-` needs that guest's earlier token as a Bearer, which may have expired up to 90 days ago, or
    an X-API-Key. 30 a minute from one address.
    """
    asker = tokens.Asker(api_key(), request.headers.get("Authorization"), request.remote_addr or "", is_on_this_machine)
    return tokens.issue(wanted, asker)


@route(
    blueprint.post("/login"),
    body=SignIn,
    answers={200: Says("Signed in", SignedIn)},
    errors=[CredentialsError, BlockedError, RateLimitedError, DatabaseUnavailableError],
    access=ANYBODY,
)
def sign_in(credentials: SignIn) -> Json:
    """Sign an agent in, for 12 hours.

    Tries are counted: 5 a minute for one email, and 5 from one address.
    """
    token, agent = sign_ins.sign_in(credentials, request.remote_addr or "")
    return {
        "token": token,
        "tokenType": "Bearer",
        "expiresInSeconds": int(SIGN_IN_LIFETIME.total_seconds()),
        "agent": serializers.agent(agent),
    }


@route(
    blueprint.get("/sign-in-options"),
    answers={200: Says("Sign-in options", SignInOptions)},
    errors=[DatabaseUnavailableError],
    access=ANYBODY,
)
def get_sign_in_options() -> Json:
    """See how agents may sign in.

    In development without API_KEY anybody may get an agent's token; then here are the agents.
    """
    return sign_ins.options(is_on_this_machine=is_on_this_machine())


@route(
    blueprint.post("/revoke"),
    body=Person,
    answers={200: Says("Tokens revoked", Revoked)},
)
def revoke_tokens(person: Person) -> Json:
    """Revoke all tokens of somebody.

    By API key or system. At once, everywhere: its sockets are closed. Newer tokens are good.
    """
    who = person.caller
    revoked_up_to = serializers.iso_of_ms(denials.revoke(caller(), who))
    return {"userId": who.id, "userType": who.type, "revokedUpTo": revoked_up_to}


@route(
    blueprint.post("/identify"),
    body=GuestToken,
    answers={200: Says("Identified", Identified)},
)
def identify_guest(guest: GuestToken) -> Json:
    """Carry a guest's sessions over to the caller.

    By a user that is no guest. The guest's sessions become the user's, and the guest's tokens are refused from then on.
    If the user has an open session already, the guest's ends with the reason `merged`. Safe to repeat.
    """
    return identification.identify(caller(), guest.guest_token, request.remote_addr or "")


@route(
    blueprint.post("/logout"),
    answers={200: Says("Signed out", Nothing)},
    access=RENEWING_CALLER,
)
def sign_out() -> Json:
    """End the token that is shown.

    By users and agents. At once, everywhere; its sockets are closed. Other tokens stay good. One that expired up to 90
    days ago is taken too: a guest's would renew.
    """
    denials.sign_out(caller())
    return {}
