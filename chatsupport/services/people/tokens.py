"""Issue tokens: for users to anybody (unless IDENTITY_SECRET is set), for agents and systems only with an API key.

A guest's id is made only here, so its first token needs no proof.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pymongo

from chatsupport import events, identity
from chatsupport.contract.people import TokenRequest
from chatsupport.database.connection import translate_errors
from chatsupport.errors import AuthenticationError, DatabaseUnavailableError, InvalidUserHashError
from chatsupport.events import TokenIssued
from chatsupport.extensions import settings
from chatsupport.services.people import denials, guests, sign_ins
from chatsupport.services.shared import rate_limits

logger = logging.getLogger(__name__)

LOOK_UP_SECONDS = 1.5


@dataclass(frozen=True)
class Asker:
    """The credentials and the address of a caller who asks for a token. None of it has been checked."""

    api_key: str | None
    authorization: str | None
    address: str
    is_on_this_machine: Callable[[], bool]


def issue(request: TokenRequest, asker: Asker) -> dict[str, Any]:
    """Return a token and its lifetime, with a new guest's id.

    Raises `AuthenticationError` if an API key is wrong or missing, `ForbiddenError` with INVALID_USER_HASH if the
    site's server did not vouch for the user, or if a guest shows no earlier token; `BlockedError`, and
    `RateLimitedError` by address.
    """
    caller = None if asker.api_key is None else identity.authenticate(None, asker.api_key)
    is_new_guest = request.user_id is None
    person = identity.Caller(request.user_id or identity.new_guest_id(), request.user_type)
    earlier: identity.Caller | None = None
    if is_new_guest:
        denials.note_new_guest(person)
    if caller is None:
        rate_limits.check_address(rate_limits.TOKENS, asker.address)
        _check_not_blocked(person, asker.address)
        if person.is_guest:
            earlier = None if is_new_guest else guests.earlier_token(person, asker.authorization, asker.address)
        elif person.type == identity.USER:
            _check_user_hash(person, request.user_hash)
        else:
            _check_freely_given(request, asker)
    if person.type != identity.USER:
        events.happened(TokenIssued(caller, person))
    is_vouched = not person.is_guest and (caller is not None or settings.config.identity_secret is not None)
    lifetime = identity.TOKEN_LIFETIME
    token = identity.issue_token(person.id, person.type, renewed=earlier, is_vouched=is_vouched)
    denials.note_new_token(token)
    return {
        **({"userId": person.id} if is_new_guest else {}),
        "token": token,
        "tokenType": "Bearer",
        "expiresInSeconds": int(lifetime.total_seconds()),
        "expiresInDays": lifetime.days,
    }


def _check_not_blocked(person: identity.Caller, address: str) -> None:
    """Raise `BlockedError` for a blocked caller. While the database is away, issue a token: no call accepts it then."""
    try:
        with translate_errors(), pymongo.timeout(LOOK_UP_SECONDS):
            denials.check_blocked(person, address)
    except DatabaseUnavailableError:
        logger.warning("A token was issued without a check for blocks: the database is unavailable")


def _check_user_hash(person: identity.Caller, user_hash: str | None) -> None:
    secret = settings.config.identity_secret
    if secret is None:
        return
    expected = identity.expected_user_hash(person.id, secret)
    given = user_hash or ""
    if not hmac.compare_digest(expected.encode(), given.lower().encode("utf-8", "surrogatepass")):
        raise InvalidUserHashError(
            "userHash is missing or wrong: your server must make it, hex HMAC-SHA256(IDENTITY_SECRET, userId)."
        )


def _check_freely_given(request: TokenRequest, asker: Asker) -> None:
    if not sign_ins.are_free(asker.is_on_this_machine()):
        raise AuthenticationError(f"A token for userType {request.user_type} needs a valid X-API-Key.")
    logger.warning(
        "A token was issued without an API key, because this is development and no API_KEY is set",
        extra={"event": "free_token", "user_type": request.user_type},
    )
