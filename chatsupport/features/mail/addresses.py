"""Addresses that mails go to: at most `MOST_A_DAY` a day of those that others cause, and none if unsubscribed."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from itsdangerous import BadSignature, URLSafeSerializer
from pymongo import ReturnDocument

from chatsupport.database.clock import now
from chatsupport.errors import InvalidTokenError
from chatsupport.extensions import settings
from chatsupport.features.mail.documents import MailAddress

MOST_A_DAY = 3
DAY = timedelta(days=1)
UNSUBSCRIBED, TOO_MANY = "unsubscribed", "too many"


def refusal(address: str, job_id: str) -> str | None:
    """Count a mail to this address. Returns why it must not be sent, or None. A repeat for the same job counts once."""
    time = now()
    recent = {"$filter": {"input": {"$ifNull": ["$sent", []]}, "as": "one", "cond": {"$gt": ["$$one.at", time - DAY]}}}
    counted = {"$concatArrays": ["$sent", [{"job": {"$literal": job_id}, "at": time}]]}
    has_room = {
        "$and": [{"$lt": [{"$size": "$sent"}, MOST_A_DAY]}, {"$not": [{"$in": [{"$literal": job_id}, "$sent.job"]}]}]
    }
    forget_at = {"$cond": [{"$gt": ["$unsubscribedAt", None]}, "$$REMOVE", time + DAY]}
    stored: Any = MailAddress.collection().find_one_and_update(
        {"_id": digest(address)},
        [
            {"$set": {"sent": recent}},
            {"$set": {"sent": {"$cond": [has_room, counted, "$sent"]}, "expiresAt": forget_at}},
        ],
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    if stored.get("unsubscribedAt") is not None:
        return UNSUBSCRIBED
    return None if any(one["job"] == job_id for one in stored["sent"]) else TOO_MANY


def digest(address: str) -> str:
    """Return the digest under which an address is stored."""
    return hashlib.sha256(f"mail:{address.lower()}".encode("utf-8", "surrogatepass")).hexdigest()


def unsubscribe_token(address: str) -> str:
    """Return the token with which the owner of an address unsubscribes. It does not expire."""
    token: str | bytes = _signer().dumps(digest(address))
    return token.decode() if isinstance(token, bytes) else token


def unsubscribe(token: str) -> None:
    """Send no more mails that others cause to the address of this token. Raises `InvalidTokenError`."""
    try:
        address_id = _signer().loads(token)
    except BadSignature:
        raise InvalidTokenError("This link is not complete. Copy the whole link from the mail.") from None
    MailAddress.collection().update_one(
        {"_id": address_id}, {"$set": {"unsubscribedAt": now()}, "$unset": {"expiresAt": ""}}, upsert=True
    )


def _signer() -> URLSafeSerializer:
    config = settings.config
    secrets = [secret for secret in (config.jwt_secret_previous, config.jwt_secret) if secret is not None]
    return URLSafeSerializer(secrets, salt="unsubscribe")
