"""Limits on mails to visitors that staff did not ask for: few a day to an address, and none if it has unsubscribed."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from itsdangerous import BadSignature, URLSafeSerializer

from chatsupport.database.clock import now
from chatsupport.errors import InvalidTokenError
from chatsupport.extensions import settings
from chatsupport.features.mail.documents import MailAddress, insert_or_update

MOST_A_DAY = 3
DAY = timedelta(days=1)
UNSUBSCRIBED, TOO_MANY = "unsubscribed", "too many"


def refusal(address: str, job_id: str, *, counted_as: str = "", most: int = MOST_A_DAY) -> str | None:
    """Count a mail to this address. Returns why it must not be sent, or None. A repeat for the same job counts once.

    Mails that are `counted_as` something else have a limit of their own.
    """
    if counted_as and _is_unsubscribed(address):
        return UNSUBSCRIBED
    time = now()
    recent = {"$filter": {"input": {"$ifNull": ["$sent", []]}, "as": "one", "cond": {"$gt": ["$$one.at", time - DAY]}}}
    counted = {"$concatArrays": ["$sent", [{"job": {"$literal": job_id}, "at": time}]]}
    has_room = {"$and": [{"$lt": [{"$size": "$sent"}, most]}, {"$not": [{"$in": [{"$literal": job_id}, "$sent.job"]}]}]}
    forget_at = {"$cond": [{"$gt": ["$unsubscribedAt", None]}, "$$REMOVE", time + DAY]}
    stored = insert_or_update(
        MailAddress,
        digest(f"{counted_as}{address}"),
        [
            {"$set": {"sent": recent}},
            {"$set": {"sent": {"$cond": [has_room, counted, "$sent"]}, "expiresAt": forget_at}},
        ],
    )
    if stored.get("unsubscribedAt") is not None:
        return UNSUBSCRIBED
    return None if any(one["job"] == job_id for one in stored["sent"]) else TOO_MANY


def _is_unsubscribed(address: str) -> bool:
    found = MailAddress.collection().find_one({"_id": digest(address)}, {"unsubscribedAt": 1})
    return found is not None and found.get("unsubscribedAt") is not None


def digest(address: str) -> str:
    """Return the digest under which an address is stored."""
    return hashlib.sha256(f"mail:{address.lower()}".encode("utf-8", "surrogatepass")).hexdigest()


def unsubscribe_token(address: str) -> str:
    """Return the token with which the owner of an address unsubscribes. It does not expire."""
    token: str | bytes = signer("unsubscribe").dumps(digest(address))
    return token.decode() if isinstance(token, bytes) else token


def unsubscribe(token: str) -> None:
    """Send no more mails that others cause to the address of this token. Raises `InvalidTokenError`."""
    try:
        address_id = signer("unsubscribe").loads(token)
    except (BadSignature, UnicodeError):
        raise InvalidTokenError("This link is not complete. Copy the whole link from the mail.") from None
    insert_or_update(MailAddress, str(address_id), {"$set": {"unsubscribedAt": now()}, "$unset": {"expiresAt": ""}})


def signer(purpose: str) -> URLSafeSerializer:
    """Return what signs tokens for a purpose, and reads them."""
    config = settings.config
    secrets = [secret for secret in (config.jwt_secret_previous, config.jwt_secret) if secret is not None]
    return URLSafeSerializer(secrets, salt=purpose)
