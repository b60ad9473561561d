"""Have files scanned by clamd before anybody gets them.

A file of a message stays `pending` until the scanner has said something about it: then it is `ready`, or `blocked` and
its bytes are deleted. A scanner that is away, or that fails, is asked again. A file's state is written after its
message's, so that whatever a killed process leaves is scanned once more.
"""

from __future__ import annotations

import logging
import re
import socket
import struct
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from pymongo import ReturnDocument

from chatsupport import broadcasts, serializers
from chatsupport.background import Throttled
from chatsupport.config import Variable
from chatsupport.database.clock import now
from chatsupport.documents import Message
from chatsupport.extensions import settings
from chatsupport.features.files import storage
from chatsupport.features.files.attachments import STORED
from chatsupport.features.files.documents import BLOCKED, FILE, PENDING, READY, StoredFile

logger = logging.getLogger(__name__)

Document = dict[str, Any]

TIMEOUT_SECONDS = 30.0
"""How long the scanner may take to connect, to read a part, or to answer."""
LEASE = timedelta(minutes=5)
"""How long a process has for one file, before another one tries."""
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (5, 10, 30, 60, 300))
"""When to try again, after the first, second, … failure."""
MAX_ANSWER = 4096


class ScannerError(Exception):
    """The scanner is away, or has said nothing about the file."""


def _scan_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_good = (parts.scheme == "tcp" and parts.hostname and parts.port and not parts.path.strip("/")) or (
            parts.scheme == "unix" and not parts.netloc and re.fullmatch(r"/[^\0]{1,100}", parts.path)
        )
    except ValueError:
        is_good = False
    if not is_good:
        raise ValueError("the address of clamd, such as tcp://localhost:3310 or unix:///run/clamav/clamd.ctl")
    return text


SCAN_URL: Variable[str | None] = Variable("SCAN_URL", _scan_url, None)


def first_state() -> str:
    """Return the state of a new file."""
    return READY if settings.config.value(SCAN_URL) is None else PENDING


def look() -> None:
    """Scan the files that are due, one after the other."""
    url = settings.config.value(SCAN_URL)
    if url is None:
        return
    while (file := _claim()) is not None:
        attempt = file["metadata"].get("scans", 1)
        try:
            is_clean = _is_clean(url, file)
        except LookupError:
            is_clean = False  # Its bytes are gone: a killed process had blocked it, or it was erased just now.
        except (OSError, ScannerError) as error:
            pause = PAUSES[min(attempt, len(PAUSES)) - 1]
            StoredFile.collection().update_one({"_id": file["_id"]}, {"$set": {"metadata.scanAt": now() + pause}})
            about = {"event": "scan_failed", "reason": repr(error)}
            logger.warning("A file could not be scanned and stays pending", extra=about)
            return  # The others would fail too, most likely.
        _settle(file, READY if is_clean else BLOCKED)


scan_soon = Throttled(look, seconds=0.1)


def _claim() -> Document | None:
    """Return a kept file that is due, which no other process scans for a while."""
    due = {"metadata.state": PENDING, "metadata.scanAt": {"$lte": now()}}
    which = {**due, "metadata.kind": FILE, "metadata.isKept": True, "metadata.isDeleted": None}
    change = {"$set": {"metadata.scanAt": now() + LEASE}, "$inc": {"metadata.scans": 1}}
    claimed: Document | None = StoredFile.collection().find_one_and_update(
        which, change, sort=[("metadata.scanAt", 1)], return_document=ReturnDocument.AFTER
    )
    return claimed


def _settle(file: Document, state: str) -> None:
    """Note what the scanner has said, and tell the session's room."""
    message_id = file["metadata"]["messageId"]
    if state == BLOCKED:
        storage.delete_bytes(message_id)
        logger.warning("The scanner has found something in a file", extra={"event": "file_blocked"})
    # An erased message has no file any more.
    message = Message.collection().find_one_and_update(
        {"_id": message_id, f"{STORED}.state": PENDING},
        {"$set": {f"{STORED}.state": state}},
        return_document=ReturnDocument.AFTER,
    )
    StoredFile.collection().update_many({"metadata.messageId": message_id}, {"$set": {"metadata.state": state}})
    if message is not None:
        room = broadcasts.session_room(message["sessionId"])
        broadcasts.emit("message_updated", serializers.message(message), to=room)


def _is_clean(url: str, file: Mapping[str, Any]) -> bool:
    """Send a file to the scanner. Raises `OSError` or `ScannerError`."""
    with _connected(url) as scanner:
        scanner.sendall(b"zINSTREAM\0")
        for part in storage.Reader(dict(file)):
            scanner.sendall(struct.pack(">I", len(part)) + part)
        scanner.sendall(struct.pack(">I", 0))
        answer = b""
        while not answer.endswith(b"\0") and len(answer) < MAX_ANSWER and (more := scanner.recv(MAX_ANSWER)):
            answer += more
    said = answer.rstrip(b"\0\n").decode("utf-8", "replace")
    if said.endswith("OK"):
        return True
    if said.endswith("FOUND"):
        return False
    raise ScannerError(said or "no answer")


def _connected(url: str) -> socket.socket:
    parts = urlsplit(url)
    if parts.scheme == "tcp":
        return socket.create_connection((parts.hostname or "", parts.port or 0), TIMEOUT_SECONDS)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.connect(parts.path)
    except BaseException:
        connection.close()
        raise
    return connection
