"""The keys by which push services recognize this server (VAPID, RFC 8292), and the signed header."""

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
    """Both keys: PEM, and the point in base64 as browsers expect it."""

    private: str
    public: str


_known: list[Pair] = []


def forget() -> None:
    """Read the keys again, because another application begins."""
    _known.clear()


def pair() -> Pair:
    """Return the keys. The very first call makes them; of concurrent processes, one does."""
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
            continue  # Another process was faster, and the key exists now.
    return dict(stored)


def _make() -> Pair:
    # Imported only here, because most servers push nothing.
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    point = private.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return Pair(pem.decode(), base64.urlsafe_b64encode(point).rstrip(b"=").decode())


def authorization(pair: Pair, origin: str, subject: str | None) -> str:
    """Return the header that identifies this server to a push service."""
    import jwt

    claims = {"aud": origin, "exp": now_ms() // 1000 + int(LIFETIME.total_seconds())}
    token = jwt.encode({**claims, **({"sub": subject} if subject else {})}, pair.private, algorithm="ES256")
    return f"vapid t={token}, k={pair.public}"
