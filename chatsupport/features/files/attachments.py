"""The file of a message, as the message keeps it and as people see it. Addresses are made when a message is read."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from bson import ObjectId

from chatsupport.database.clock import timestamp
from chatsupport.documents import Message
from chatsupport.extensions import settings
from chatsupport.features.files.documents import READY
from chatsupport.features.files.options import FILE_URL_SECONDS, FILES

NAME = "files"
STORED = f"features.{NAME}"

STEPS, SHORT = 4, 60
"""An address stays the same for a quarter of its time, so that browsers find the file in their cache; but not one that
runs out soon.
"""

Document = Mapping[str, Any]


def show(message: Document) -> dict[str, Any]:
    """Return the fields that a message has if it has a file."""
    kept = message["features"].get(NAME)
    if kept is None:
        return {}
    shown = {"id": str(message["_id"]), "alt": None, **kept}
    thumbnail_id, file_id = shown.pop("thumbnailId", None), shown.pop("pictureId", None)
    if kept["state"] == READY and settings.config.value(FILES):
        shown["url"] = address(file_id or message["_id"])
        if thumbnail_id is not None:
            shown["thumbnailUrl"] = address(thumbnail_id)
    if file_id is None:
        return {"attachment": shown}
    return {"picture": {**shown, "id": str(file_id)}}


def picture(session_id: ObjectId, file_id: ObjectId) -> dict[str, Any] | None:
    """Return what a card's message keeps of a picture that was sent in its session, or None if there is none."""
    message = Message.collection().find_one({"_id": file_id, "sessionId": session_id}, {STORED: 1})
    kept = {} if message is None else message.get("features", {}).get(NAME, {})
    if "thumbnailId" not in kept or "pictureId" in kept or kept["state"] != READY:
        return None
    return {**kept, "pictureId": file_id}


def address(file_id: ObjectId) -> str:
    """Return a signed address of a file: absolute where PUBLIC_URL is set, else without scheme and host."""
    lifetime = settings.config.value(FILE_URL_SECONDS)
    time, step = timestamp(), lifetime // STEPS
    expires = f"{time + lifetime:.3f}" if lifetime < SHORT else str(int(time) // step * step + lifetime)
    base = settings.config.public_url or settings.config.base_path
    signature = _signature(_key(settings.config.jwt_secret), str(file_id), expires)
    return f"{base}/api/files/{file_id}?expires={expires}&signature={signature}"


def seconds_left(file_id: ObjectId, expires: str, signature: str) -> int | None:
    """Return for how long an address is still good, or None if it has run out or was not made here."""
    given = signature.encode("utf-8", "surrogatepass")
    secrets = [settings.config.jwt_secret, settings.config.jwt_secret_previous]
    expected = [_signature(_key(secret), str(file_id), expires) for secret in secrets if secret]
    if not any(hmac.compare_digest(given, each.encode()) for each in expected):
        return None
    left = float(expires) - timestamp()
    return int(left) if left > 0 else None


@lru_cache(maxsize=4)
def _key(secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"addresses of files", "sha256")


def _signature(key: bytes, file_id: str, expires: str) -> str:
    signed = f"{file_id} {expires}".encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(hmac.digest(key, signed, hashlib.sha256)).rstrip(b"=").decode()
