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
from bson import ObjectId
from flask_jwt_extended import create_access_token
from jwt import ExpiredSignatureError, ImmatureSignatureError, InvalidSignatureError, PyJWTError
from jwt.algorithms import HMACAlgorithm
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
"""How long after its expiry a guest's token can still be renewed."""

GUEST_PREFIX = "guest-"
"""The beginning of the ids that the server makes. Nobody can claim such an id."""

MAX_VERIFIED = 4096
"""How many tokens with a valid signature are remembered."""

_AGENT_ID = re.compile(r"[0-9A-Fa-f]{24}")
_BEARER = re.compile(r"Bearer[ \t]+(\S+)[ \t]*", re.IGNORECASE)


class _Hmac(HMACAlgorithm):
    """HS256 that checks a secret once, and not for each token: PyJWT tries to read it as several kinds of keys."""

    def __init__(self) -> None:
        super().__init__(HMACAlgorithm.SHA256)
        self._prepare = functools.lru_cache(maxsize=8)(super().prepare_key)

    def prepare_key(self, key: str | bytes) -> bytes:
        """Return the secret as bytes. Raises `InvalidKeyError` if it is a key of another algorithm."""
        return self._prepare(key)

    def sign(self, msg: bytes, key: bytes) -> bytes:
        """Return the signature, in one call in place of an object."""
        return hmac.digest(key, msg, "sha256")


jwt.unregister_algorithm("HS256")
jwt.register_algorithm("HS256", _Hmac())


@dataclass(frozen=True)
class Caller:
    """An authenticated caller. `id` is a user's id, an Agent's id, or a system's name.

    Only the id and the type identify the caller. The rest describes the token: when it was made (milliseconds since
    since the epoch), when it ends (seconds since the epoch), what tells it from others, and whether the site's server
    vouched for the id. None of an API key.
    """

    id: str
    type: str
    issued_at_ms: int | None = field(default=None, compare=False, repr=False)
    expires_at: float | None = field(default=None, compare=False, repr=False)
    token_id: str | None = field(default=None, compare=False, repr=False)
    is_vouched: bool = field(default=False, compare=False, repr=False)
    session_id: str | None = field(default=None, compare=False, repr=False)
    """The only session that the token opens, if it is one from a link. Such a token renews nothing."""

    def __post_init__(self) -> None:
        if self.type == AGENT:
            object.__setattr__(self, "id", canonical_id(self.id, AGENT))

    @property
    def is_guest(self) -> bool:
        """Whether the server made this user's id, so that a new token needs an earlier one."""
        return self.type == USER and self.id.startswith(GUEST_PREFIX)

    @property
    def may_act_for_others(self) -> bool:
        """Whether `senderId`, `senderType` and `userId` are believed from this caller."""
        return self.type == SYSTEM

    def __str__(self) -> str:
        return f"{self.type}:{self.id}"


API_KEY_CALLER = Caller("system", SYSTEM)


def canonical_id(person_id: str, person_type: str) -> str:
    """Return an id in its standard spelling: an agent's in small letters, others unchanged.

    Otherwise a token with an agent's id in capitals would survive its revocation.
    """
    return person_id.lower() if person_type == AGENT and _AGENT_ID.fullmatch(person_id) else person_id


def new_guest_id() -> str:
    """Return a new id that nobody can guess."""
    return GUEST_PREFIX + secrets.token_urlsafe(16)


def issue_token(
    user_id: str,
    user_type: str,
    lifetime: timedelta = TOKEN_LIFETIME,
    renewed: Caller | None = None,
    *,
    is_vouched: bool = False,
    session_id: str | None = None,
) -> str:
    """Return a JWT for this person, valid for the given time. Needs an application context.

    A token that renews another one keeps its issue time, so a revocation during the renewal ends both. With
    `session_id`, the token opens only this session.
    """
    issued_at_ms = clock.now_ms()
    issued_at = issued_at_ms // 1000
    token: str = create_access_token(
        identity=user_id,
        expires_delta=False,  # `exp` is below; it would look for the usual lifetime.
        additional_claims={
            "userType": user_type,
            **({"vouched": True} if is_vouched else {}),
            **({"session": session_id} if session_id is not None else {}),
            # `iat` is in seconds, but a token made after a revocation in the same second must be valid.
            "issuedAtMs": issued_at_ms if renewed is None else renewed.issued_at_ms,
            # Flask-JWT-Extended would use the clock of this machine for both.
            "iat": issued_at,
            "exp": issued_at + int(lifetime.total_seconds()),
        },
    )
    return token


def authenticate(token: str | None, api_key: str | None, expired_for: timedelta = timedelta(0)) -> Caller:
    """Return the owner of these credentials. A valid API key wins. Needs an application context.

    A token may have expired up to `expired_for` ago. All given credentials must be valid; otherwise this raises
    `AuthenticationError` with AUTH_REQUIRED, INVALID_API_KEY, INVALID_TOKEN or TOKEN_EXPIRED.
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
    """Return the caller that a JWT names, after checking signature, algorithm, type and expiry.

    It may have expired up to `expired_for` ago. Whether an agent still exists is known to `denials.check`.
    """
    config = settings.config
    try:
        caller, claims = _verified(token, config.jwt_secret, config.jwt_secret_previous)
        _check_times(claims, expired_for)
    except ExpiredSignatureError:
        raise TokenExpiredError("The token has expired. Get a new one with POST /api/auth/token.") from None
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        raise _invalid_token() from None
    return caller


@functools.lru_cache(maxsize=MAX_VERIFIED)
def _verified(token: str, secret: str, previous: str | None) -> tuple[Caller, Mapping[str, Any]]:
    """Return the caller and the claims of a token, after checking all but its times. A valid token stays valid."""
    claims = _claims(token, secret, previous)
    str(claims.get("sub")).encode()  # A lone surrogate cannot be stored or hashed.
    subject, caller_type = claims.get("sub"), claims.get("userType")
    if claims.get("type", "access") != "access" or not isinstance(subject, str) or not subject:
        raise _invalid_token()
    if caller_type not in CALLER_TYPES:
        raise _invalid_token()
    expires_at = claims.get("exp")
    if not isinstance(expires_at, (int, float)) or not math.isfinite(expires_at):
        raise _invalid_token()  # Our tokens always expire.
    session_id = claims.get("session")
    if session_id is not None and not ObjectId.is_valid(session_id):
        raise _invalid_token()
    caller = Caller(
        subject,
        caller_type,
        _issued_at_ms(claims),
        float(expires_at),
        id_of_token(token),
        is_vouched=claims.get("vouched") is True,
        session_id=session_id,
    )
    return caller, claims


def id_of_token(token: str) -> str:
    """Return what tells a token from others: not of its signature, whose last letter can be written in several ways."""
    return hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()


def _check_times(claims: Mapping[str, Any], expired_for: timedelta) -> None:
    """Check the times by the database's clock. Raises what PyJWT would, which uses the clock of this machine."""
    time_now = clock.timestamp()
    expires_at = claims.get("exp")
    if isinstance(expires_at, (int, float)) and expires_at + expired_for.total_seconds() <= time_now:
        raise ExpiredSignatureError
    if any(claims.get(name, 0) > time_now + clock.LEEWAY_SECONDS for name in ("iat", "nbf")):
        raise ImmatureSignatureError


def _claims(token: str, secret: str, previous: str | None) -> Mapping[str, Any]:
    """Return the claims of a token that was signed with the secret or with the previous one, whatever its times."""
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
    """Return when a token was made. A token without that time counts as older than any revocation."""
    in_ms, in_seconds = claims.get("issuedAtMs"), claims.get("iat")
    if isinstance(in_ms, int):
        return in_ms
    return int(in_seconds * 1000) if isinstance(in_seconds, (int, float)) and math.isfinite(in_seconds) else 0


def bearer_token(header: str | None) -> str | None:
    """Return the token of an Authorization header, or None if there is no header."""
    if header is None or not header.strip():
        return None
    match = _BEARER.fullmatch(header.strip())
    if match is None:
        raise InvalidTokenError("The Authorization header must be: Bearer <token>.")
    return match.group(1)


def expected_user_hash(user_id: str, identity_secret: str) -> str:
    """Return hex HMAC-SHA256(identity_secret, user_id), by which the site's own server vouches for a user."""
    return hmac.new(identity_secret.encode(), user_id.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _invalid_token() -> AuthenticationError:
    return InvalidTokenError("The token is not valid here. Get one with POST /api/auth/token.")
