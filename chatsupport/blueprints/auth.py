"""Get tokens, and end them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from chatsupport import serializers
from chatsupport.blueprints.local_requests import is_on_this_machine
from chatsupport.blueprints.requests import caller, current
from chatsupport.blueprints.routing import ANYBODY, OPERATORS, RENEWING_CALLER, Access, route
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

    For a user, or with `guest` for a new guest whose id the server makes. Tokens for agents and systems need an
    X-API-Key. An id that begins with `guest-` needs an X-API-Key, or that guest's earlier token as a Bearer, which may
    have expired up to 90 days ago. 30 a minute from one address.
    """
    asked = current()
    key, authorization = asked.headers.get("X-API-Key"), asked.headers.get("Authorization")
    return tokens.issue(wanted, tokens.Asker(key, authorization, asked.remote_addr or "", is_on_this_machine))


@route(
    blueprint.post("/login"),
    body=SignIn,
    answers={200: Says("Signed in", SignedIn)},
    errors=[CredentialsError, BlockedError, RateLimitedError, DatabaseUnavailableError],
    access=ANYBODY,
)
def sign_in(credentials: SignIn) -> Json:
    """Sign an agent in, for 12 hours.

    5 attempts a minute for one email, and 5 a minute from one address.
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

    In development without API_KEY, anybody may get an agent's token. The answer then lists the agents.
    """
    return sign_ins.options(is_on_this_machine=is_on_this_machine())


@route(
    blueprint.post("/revoke"),
    body=Person,
    answers={200: Says("Tokens revoked", Revoked)},
    access=OPERATORS,
)
def revoke_tokens(person: Person) -> Json:
    """Revoke all tokens of a person.

    For API keys and systems. It takes effect at once and everywhere, and closes the person's sockets. Tokens made later
    are valid.
    """
    who = person.caller
    revoked_up_to = serializers.iso_of_ms(denials.revoke(caller(), who))
    return {"userId": who.id, "userType": who.type, "revokedUpTo": revoked_up_to}


@route(
    blueprint.post("/identify"),
    body=GuestToken,
    answers={200: Says("Identified", Identified)},
    access=Access(check=identification.require_known_user),
)
def identify_guest(guest: GuestToken) -> Json:
    """Carry a guest's sessions over to the caller.

    For users who are not guests. The guest's sessions become the user's, and the guest's tokens are refused from then
    on. If the user already has an open session, the guest's ends with the reason `merged`. Safe to repeat.
    """
    return identification.identify(caller(), guest.guest_token, request.remote_addr or "")


@route(
    blueprint.post("/logout"),
    answers={200: Says("Signed out", Nothing)},
    access=RENEWING_CALLER,
)
def sign_out() -> Json:
    """Sign out: end the token of the request.

    For users and agents. It takes effect at once and everywhere, and closes the token's sockets. Other tokens stay
    valid. A token that expired up to 90 days ago is accepted too, because a guest's could still be renewed.
    """
    denials.sign_out(caller())
    return {}
