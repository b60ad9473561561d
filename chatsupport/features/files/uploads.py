"""Take a file into a session: read it, find out what it is, store it, and send its message.

The message goes through the log as every other one does, and has the id of its file. It is written after the file, so a
message never names a file that is not there; of two uploads with one clientMessageId, the log stores one, and the file
of the other is deleted.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import IO, Any

from bson import ObjectId
from pymongo.errors import PyMongoError

from chatsupport import addresses
from chatsupport.blueprints.forms import BrokenFormError, SentFile
from chatsupport.database.clock import elapsed, now
from chatsupport.database.connection import answer_within, wait_until_durable
from chatsupport.documents.session import ENDED
from chatsupport.errors import ChatSupportError, RateLimitedError, SessionEndedError
from chatsupport.extensions import settings, socketio
from chatsupport.features.files import attachments, naming, options, scanning, storage
from chatsupport.features.files.detection import detect
from chatsupport.features.files.documents import FILE, PENDING, THUMBNAIL
from chatsupport.features.files.models import FileTypeNotAllowedError, NewFile, TooManyFilesError, invalid
from chatsupport.features.files.options import FILE_TYPES, FILES_PER_SESSION, MAX_FILE_BYTES
from chatsupport.features.files.storage import Part
from chatsupport.identity import USER, Caller
from chatsupport.realtime.native_threads import encode_picture, examine_file
from chatsupport.services.messages import drafts, message_log, sending
from chatsupport.services.messages.drafts import Draft
from chatsupport.services.shared import access, rate_limits

logger = logging.getLogger(__name__)

Document = dict[str, Any]
Receive = Callable[[int], tuple[NewFile, SentFile]]

AT_ONCE, AT_ONCE_FROM = 64, 16
"""How many uploads a process takes at a time, and from one address: more than a caller may send in a minute."""
ROOM_SECONDS, LOOK_SECONDS = 2.0, 0.02
"""How long, and how often, an upload looks whether later ones have given way."""
STORE_SECONDS = 60.0
"""How long the database may take for the bytes of a file."""


class UnderWay:
    """The uploads in progress in this process, by address."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._from: Counter[str | None] = Counter()

    @contextlib.contextmanager
    def one(self, address: str | None) -> Iterator[None]:
        """Count an upload while the block runs. Raises `RateLimitedError` if there are too many.

        Those of operators have no address: a site's server may send the files of all its visitors.
        """
        with self._mutex:
            is_one_too_many = address is not None and self._from[address] >= AT_ONCE_FROM
            if is_one_too_many or self._from.total() >= AT_ONCE:
                raise RateLimitedError("uploads at once", 5)
            self._from[address] += 1
        try:
            yield
        finally:
            with self._mutex:
                self._from[address] -= 1
                self._from += Counter()  # Forgets the address.


_under_way = UnderWay()


def upload(
    caller: Caller, session_id: ObjectId, address: str, size: int | None, receive: Receive
) -> tuple[Document, str, bool]:
    """Store a file and its message, and tell the session's room. Returns the message, the session's status, and whether
    the message is new: a repeated `clientMessageId` gives the first one.

    `receive` reads the upload, with at most so many bytes of the file; `size` is its length, if it is known. It raises
    what `sending.send` raises, `TooManyFilesError`, `FileTypeNotAllowedError`, `FileTooLargeError`, `RateLimitedError`,
    and `InvalidInputError`.
    """
    options.require_files()
    most = settings.config.value(MAX_FILE_BYTES)
    with answer_within(message_log.MAX_WAIT_SECONDS):
        session = access.find_session(caller, session_id)
    rate_limits.check_caller(rate_limits.FILES, caller)
    if not caller.may_act_for_others:
        rate_limits.check_bytes(address, most if size is None else min(size, most))
    with _under_way.one(None if caller.may_act_for_others else addresses.counted(address)):
        try:
            new, sent = receive(most)
        except BrokenFormError as error:
            raise invalid(str(error)) from error
        with answer_within(message_log.MAX_WAIT_SECONDS):
            draft = sending.draft(caller, session_id, new.as_message())
            stored = drafts.find_stored(draft)
            if stored is not None:
                wait_until_durable()
                return stored, session["status"], False
            _check_room(session)
        # Native threads make no temporary files: the locks of `tempfile` are those of the greenlets.
        with tempfile.TemporaryFile() as cleaned, tempfile.TemporaryFile() as thumbnail:
            about, parts = _examine(new, sent, cleaned, thumbnail)
            draft.text = new.text or about["name"]
            draft.also = {"_id": parts[0].id, "features": {attachments.NAME: about}}
            _write(session, draft, about, parts)
        return _send(draft, parts[0].id)


def _check_room(session: Document) -> None:
    """Raise `SessionEndedError` or `TooManyFilesError`."""
    if session["status"] == ENDED:
        raise SessionEndedError
    most = settings.config.value(FILES_PER_SESSION)
    if storage.count(session["_id"], most) >= most:
        raise TooManyFilesError(most)


def _examine(new: NewFile, sent: SentFile, cleaned: IO[bytes], thumbnail: IO[bytes]) -> tuple[Document, list[Part]]:
    """Return what the message says of the file, and what is to be stored: the file, and a picture's thumbnail."""
    kind = examine_file(detect, sent.content, sent.name)
    allowed = settings.config.value(FILE_TYPES)
    if kind is None or kind not in allowed:
        raise FileTypeNotAllowedError(allowed)
    file_id = ObjectId()
    about: Document = {"name": naming.safe(sent.name, kind.endings[0]), "type": kind.media_type, "alt": new.alt or None}
    about["state"] = scanning.first_state()
    if not kind.is_picture:
        return {**about, "size": sent.size}, [Part(file_id, FILE, kind.media_type, sent.content)]
    from chatsupport.features.files import pictures  # Pillow is large, and many servers get no pictures.

    picture = encode_picture(pictures.clean, sent.content, kind, cleaned, thumbnail)
    size = cleaned.seek(0, os.SEEK_END)
    parts = [
        Part(file_id, FILE, kind.media_type, cleaned),
        Part(ObjectId(), THUMBNAIL, picture.thumbnail_type.media_type, thumbnail),
    ]
    about.update(size=size, width=picture.width, height=picture.height, thumbnailId=parts[1].id)
    return about, parts


def _write(session: Document, draft: Draft, about: Document, parts: list[Part]) -> None:
    """Store the bytes. Raises `SessionEndedError` if the session was erased meanwhile."""
    kept: Document = {"state": about["state"]}
    if about["state"] == PENDING:
        kept["scanAt"] = now()
    if (draft.sender_id, draft.sender_type) != (session["userId"], session.get("userType", USER)):
        kept |= {"senderId": draft.sender_id, "senderType": draft.sender_type}
    try:
        with answer_within(STORE_SECONDS):
            storage.reserve(draft.session_id, parts[0].id, parts)
            _wait_for_room(draft.session_id, parts[0].id)
            if not all(storage.write(part, about["name"], kept) for part in parts):
                raise SessionEndedError
    except Exception:
        _give_up(parts[0].id)
        raise


def _wait_for_room(session_id: ObjectId, file_id: ObjectId) -> None:
    """Raise `TooManyFilesError` if there is no room for this file, which is already counted.

    Others may have come at the same time, and each looks after it has written. The last ones give way at once, and the
    first ones wait for that: otherwise all would give way, and the session would have fewer files than it may.
    """
    most, until = settings.config.value(FILES_PER_SESSION), elapsed() + ROOM_SECONDS
    while storage.count(session_id, most + 1) > most:
        if storage.count(session_id, most, before=file_id) >= most or elapsed() > until:
            raise TooManyFilesError(most)
        socketio.sleep(LOOK_SECONDS)


def _send(draft: Draft, file_id: ObjectId) -> tuple[Document, str, bool]:
    """Store the message, and keep its file."""
    try:
        with answer_within(message_log.MAX_WAIT_SECONDS):
            message_log.log.append(draft)
    except ChatSupportError as error:
        # Otherwise nobody knows whether the message was stored, and `storage.sweep` finds out later.
        if error.status < 500:
            _give_up(file_id)
        raise
    if not draft.created:
        _give_up(file_id)
        return draft.message, draft.session_status, False
    try:
        storage.keep(file_id)
    except PyMongoError as error:
        logger.warning("A file will be marked as kept later", extra={"reason": type(error).__name__})
    if draft.message["features"][attachments.NAME]["state"] == PENDING:
        scanning.scan_soon()
    return draft.message, draft.session_status, True


def _give_up(file_id: ObjectId) -> None:
    try:
        storage.forget(file_id)
    except PyMongoError as error:
        logger.warning("A file will be deleted later", extra={"reason": type(error).__name__})
