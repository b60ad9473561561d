"""The keys by which push services know this server (VAPID, RFC 8292), and what they sign."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from chatsupport.database.clock import now, now_ms
from chatsupport.features.push.documents import PushKeys

LIFETIME = timedelta(hours=12)
_ID = "vapid"


@dataclass(frozen=True)
class Pair:
    """Both keys: PEM, and the point in base64 as browsers take it."""

    private: str
    public: str


_known: list[Pair] = []


def forget() -> None:
    """Read the keys again: another application begins."""
    _known.clear()


def pair() -> Pair:
    """Return the keys, made at the first call of all. Of processes that do so at once, one makes them."""
    if not _known:
        stored = PushKeys.collection().find_one({"_id": _ID}) or _store(_make())
        _known[:] = [Pair(stored["privateKey"], stored["publicKey"])]
    return _known[0]


def _store(made: Pair) -> dict[str, Any]:
    new = {"privateKey": made.private, "publicKey": made.public, "createdAt": now()}
    for _ in range(2):
        try:
            stored: Any = PushKeys.collection().find_one_and_update(
                {"_id": _ID}, {"$setOnInsert": new}, upsert=True, return_document=ReturnDocument.AFTER
            )
            break
        except DuplicateKeyError:
            continue  # Another process was faster. It is there now.
    return dict(stored)


def _make() -> Pair:
    # Loaded where it is needed: most servers push nothing.
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    point = private.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return Pair(pem.decode(), base64.urlsafe_b64encode(point).rstrip(b"=").decode())


def authorization(pair: Pair, origin: str, subject: str | None) -> str:
    """Return the header that says to a push service who is pushing."""
    import jwt

    claims = {"aud": origin, "exp": now_ms() // 1000 + int(LIFETIME.total_seconds())}
    token = jwt.encode({**claims, **({"sub": subject} if subject else {})}, pair.private, algorithm="ES256")
    return f"vapid t={token}, k={pair.public}"
