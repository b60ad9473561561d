"""Identify the caller: a `Caller`, from a JWT or an API key."""

from __future__ import annotations

import functools
import hashlib
import hmac
import math
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import jwt
from flask_jwt_extended import create_access_token
from jwt import ExpiredSignatureError, ImmatureSignatureError, InvalidSignatureError, PyJWTError
from jwt.types import Options

from chatsupport.database import clock
from chatsupport.errors import AuthenticationError, InvalidApiKeyError, InvalidTokenError, TokenExpiredError
from chatsupport.extensions import settings

USER, AGENT, SYSTEM = "user", "agent", "system"
CALLER_TYPES = (USER, AGENT, SYSTEM)
TOKEN_LIFETIME = timedelta(days=30)
SIGN_IN_LIFETIME = timedelta(hours=12)
"""An agent signs in once a working day."""
RENEWABLE = timedelta(days=90)
"""For how long after its end a guest's token still gets a new one."""

GUEST_PREFIX = "guest-"
"""What the ids begin with that the server makes: nobody can claim one."""

MAX_VERIFIED = 4096
"""Of so many tokens it is remembered that their signature is good."""

_AGENT_ID = re.compile(r"[0-9A-Fa-f]{24}")
_BEARER = re.compile(r"Bearer[ \t]+(\S+)[ \t]*", re.IGNORECASE)


@dataclass(frozen=True)
class Caller:
    """Somebody we know. `id` is a user's own id, an Agent's id, or a system's name.

    Who it is, is the id and the type alone; the rest says of what token it came: when that was made (milliseconds
    since the epoch), when it ends (seconds since the epoch), what tells it from others, and whether the site's server
    vouched for the id. None of an API key.
    """

    id: str
    type: str
    issued_at_ms: int | None = field(default=None, compare=False, repr=False)
    expires_at: float | None = field(default=None, compare=False, repr=False)
    token_id: str | None = field(default=None, compare=False, repr=False)
    is_vouched: bool = field(default=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.type == AGENT:
            object.__setattr__(self, "id", canonical_id(self.id, AGENT))

    @property
    def is_guest(self) -> bool:
        """Whether the server made this user's id, so that only its own tokens vouch for it."""
        return self.type == USER and self.id.startswith(GUEST_PREFIX)

    @property
    def may_act_for_others(self) -> bool:
        """Whether `senderId`, `senderType` and `userId` are believed from this caller."""
        return self.type == SYSTEM

    def __str__(self) -> str:
        return f"{self.type}:{self.id}"


API_KEY_CALLER = Caller("system", SYSTEM)


def canonical_id(person_id: str, person_type: str) -> str:
    """Return an id in its one form: of an agent in small letters, of anybody else as it is.

    An agent has one id, in whatever letters somebody writes it: else a token in capitals would outlive its revocation.
    """
    return person_id.lower() if person_type == AGENT and _AGENT_ID.fullmatch(person_id) else person_id


def new_guest_id() -> str:
    """Return an id that nobody can guess."""
    return GUEST_PREFIX + secrets.token_urlsafe(16)


def issue_token(
    user_id: str,
    user_type: str,
    lifetime: timedelta = TOKEN_LIFETIME,
    renewed: Caller | None = None,
    *,
    is_vouched: bool = False,
) -> str:
    """Return a JWT for this person, valid for so long. Needs an application context.

    One that renews another is as old as that: whoever revokes the other while it is renewed revokes both.
    """
    issued_at_ms = clock.now_ms()
    issued_at = issued_at_ms // 1000
    token: str = create_access_token(
        identity=user_id,
        additional_claims={
            "userType": user_type,
            **({"vouched": True} if is_vouched else {}),
            # `iat` is in seconds; a token made in the second of a revocation, but after it, is good.
            "issuedAtMs": issued_at_ms if renewed is None else renewed.issued_at_ms,
            # Flask-JWT-Extended would take both from the clock of this machine.
            "iat": issued_at,
            "exp": issued_at + int(lifetime.total_seconds()),
        },
    )
    return token


def authenticate(token: str | None, api_key: str | None, expired_for: timedelta = timedelta(0)) -> Caller:
    """Return who these credentials belong to; a right API key wins. Needs an application context.

    A token may have expired up to `expired_for` ago. Whichever is given must be right: raises `AuthenticationError`
    with AUTH_REQUIRED, INVALID_API_KEY, INVALID_TOKEN or TOKEN_EXPIRED.
    """
    if api_key is not None:
        if not is_api_key(api_key):
            raise InvalidApiKeyError("The X-API-Key is not one of this server's.")
        return API_KEY_CALLER
    if token is not None:
        return caller_from_token(token, expired_for)
    raise AuthenticationError(
        "Send Authorization: Bearer <token> (POST /api/auth/token gives one) or X-API-Key: <key>."
    )


def is_api_key(candidate: str) -> bool:
    """Compare with every configured key in constant time."""
    given = hashlib.sha256(candidate.encode("utf-8", "surrogatepass")).digest()
    matches = [hmac.compare_digest(given, hashlib.sha256(key.encode()).digest()) for key in settings.config.api_keys]
    return any(matches)


def caller_from_token(token: str, expired_for: timedelta = timedelta(0)) -> Caller:
    """Return the caller a JWT names, after signature, algorithm, type and expiry are checked.

    It may have expired up to `expired_for` ago. Whether an agent still exists is known to `denials.check`.
    """
    try:
        claims = _claims(token, expired_for)
    except ExpiredSignatureError:
        raise TokenExpiredError("The token has expired. Get a new one with POST /api/auth/token.") from None
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        raise _invalid_token() from None
    subject, caller_type = claims.get("sub"), claims.get("userType")
    if claims.get("type", "access") != "access" or not isinstance(subject, str) or not subject:
        raise _invalid_token()
    if caller_type not in CALLER_TYPES:
        raise _invalid_token()
    expires_at = claims.get("exp")
    if not isinstance(expires_at, (int, float)) or not math.isfinite(expires_at):
        raise _invalid_token()  # One that never ends is none of ours.
    is_vouched = claims.get("vouched") is True
    return Caller(subject, caller_type, _issued_at_ms(claims), float(expires_at), id_of_token(token), is_vouched)


def id_of_token(token: str) -> str:
    """Return what tells a token from others: not of its signature, whose last letter can be written in several ways."""
    return hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()


def _claims(token: str, expired_for: timedelta) -> Mapping[str, Any]:
    """Return what a token says, signed with the secret or with the one before it."""
    config = settings.config
    claims = _verified_claims(token, config.jwt_secret, config.jwt_secret_previous)
    _check_times(claims, expired_for)
    return claims


def _check_times(claims: Mapping[str, Any], expired_for: timedelta) -> None:
    """Raise what PyJWT would, which looks at the clock of this machine. Another server's may be ahead of ours."""
    time_now = clock.timestamp()
    expires_at = claims.get("exp")
    if isinstance(expires_at, (int, float)) and expires_at + expired_for.total_seconds() <= time_now:
        raise ExpiredSignatureError
    if any(claims.get(name, 0) > time_now + clock.LEEWAY_SECONDS for name in ("iat", "nbf")):
        raise ImmatureSignatureError


@functools.lru_cache(maxsize=MAX_VERIFIED)
def _verified_claims(token: str, secret: str, previous: str | None) -> Mapping[str, Any]:
    """Return a token's claims once its signature is checked: a good one stays good. Its times are not checked."""
    try:
        return _decode(token, secret)
    except InvalidSignatureError:
        if previous is None:
            raise
        return _decode(token, previous)


def _decode(token: str, secret: str) -> Mapping[str, Any]:
    options: Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    return MappingProxyType(jwt.decode(token, secret, algorithms=["HS256"], options=options))


def _issued_at_ms(claims: Mapping[str, Any]) -> int:
    """Return when a token was made. Of one that does not say, anything may be revoked."""
    in_ms, in_seconds = claims.get("issuedAtMs"), claims.get("iat")
    if isinstance(in_ms, int):
        return in_ms
    return int(in_seconds * 1000) if isinstance(in_seconds, (int, float)) and math.isfinite(in_seconds) else 0


def bearer_token(header: str | None) -> str | None:
    """Return the token of an Authorization header, None where there is no header."""
    if header is None or not header.strip():
        return None
    match = _BEARER.fullmatch(header.strip())
    if match is None:
        raise InvalidTokenError("The Authorization header must be: Bearer <token>.")
    return match.group(1)


def expected_user_hash(user_id: str, identity_secret: str) -> str:
    """Return hex HMAC-SHA256(identity_secret, user_id): what the site's own server vouches with."""
    return hmac.new(identity_secret.encode(), user_id.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _invalid_token() -> AuthenticationError:
    return InvalidTokenError("The token is not valid here. Get one with POST /api/auth/token.")
