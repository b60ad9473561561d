"""Files and their bytes in MongoDB, in the layout of GridFS.

The driver's own GridFS keeps up to 48 MB in memory before it writes, and up to 16 MB when it reads. Here it keeps one
chunk at a time.

A file's document is written first, and empty. It becomes whole after the last chunk, and is kept once the message is
stored. So whatever a killed process leaves has a document, by which `sweep` finds it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, Any

from bson import Binary, ObjectId

from chatsupport.database.clock import now
from chatsupport.database.connection import answer_within
from chatsupport.documents import Message
from chatsupport.features.files.documents import FILE, FileChunk, StoredFile
from chatsupport.services.messages import message_log

logger = logging.getLogger(__name__)

Document = dict[str, Any]

CHUNK = 255 * 1024
ABANDONED_AFTER = timedelta(minutes=10)
"""An upload that began to write so long ago has ended. Writing a file takes seconds."""
BATCH = 100


@dataclass(frozen=True)
class Part:
    """A file to be written, or its thumbnail, as a context of bytes: its id, kind and media type."""

    id: ObjectId
    kind: str
    media_type: str
    content: IO[bytes]


def count(session_id: ObjectId, most: int, before: ObjectId | None = None) -> int:
    """Return the number of files that a session has or is about to have, thumbnails not included; at most `most`.

    With `before`, only those that came before this file.
    """
    which: Document = {"metadata.sessionId": session_id, "metadata.kind": FILE, "metadata.isDeleted": None}
    if before is not None:
        which["_id"] = {"$lt": before}
    return int(StoredFile.collection().count_documents(which, limit=most))


def reserve(session_id: ObjectId, message_id: ObjectId, parts: Sequence[Part]) -> None:
    """Store the empty documents of these files."""
    about = {"sessionId": session_id, "messageId": message_id, "isKept": False}
    time = now()
    StoredFile.collection().insert_many(
        [{"_id": part.id, "uploadDate": time, "metadata": {**about, "kind": part.kind}} for part in parts]
    )


def write(part: Part, filename: str, about: Mapping[str, Any]) -> bool:
    """Write the bytes of a reserved file, and what it is. Returns False if it was deleted meanwhile."""
    chunks = FileChunk.collection()
    part.content.seek(0)
    length = number = 0
    while data := part.content.read(CHUNK):
        chunks.insert_one({"files_id": part.id, "n": number, "data": Binary(data)})
        length, number = length + len(data), number + 1
    whole: Document = {"filename": filename, "length": length, "chunkSize": CHUNK, "metadata.type": part.media_type}
    whole.update({f"metadata.{name}": value for name, value in about.items()})
    this = {"_id": part.id, "metadata.isDeleted": None}
    return bool(StoredFile.collection().update_one(this, {"$set": whole}).matched_count)


def keep(message_id: ObjectId) -> None:
    """Note that the message is stored, unless the files were deleted meanwhile."""
    these = {"metadata.messageId": message_id, "metadata.isDeleted": None}
    StoredFile.collection().update_many(these, {"$set": {"metadata.isKept": True}})


def find(file_id: ObjectId) -> Document | None:
    """Return a file's document, or None."""
    return StoredFile.collection().find_one({"_id": file_id, "metadata.isDeleted": None})


def forget(message_id: ObjectId) -> None:
    """Delete the files of an upload that has failed. Nothing else writes them."""
    which = {"metadata.messageId": message_id}
    ids = [row["_id"] for row in StoredFile.collection().find(which, {"_id": 1})]
    FileChunk.collection().delete_many({"files_id": {"$in": ids}})
    StoredFile.collection().delete_many({"_id": {"$in": ids}})


def delete(which: Document) -> None:
    """Delete these files. Those that are just being uploaded keep an empty document for `sweep`."""
    files = StoredFile.collection()
    # The documents go last: a process that is killed in between leaves nothing that cannot be found.
    while ids := [row["_id"] for row in files.find({**which, "metadata.isDeleted": None}, {"_id": 1}, limit=BATCH)]:
        these = {"_id": {"$in": ids}}
        FileChunk.collection().delete_many({"files_id": {"$in": ids}})
        files.delete_many({**these, "metadata.isKept": True})
        empty = dict.fromkeys(("filename", "length", "metadata.senderId", "metadata.senderType"), "")
        # An upload may have ended meanwhile. Without `isKept`, the sweep finds what it has written since.
        deleted = {"metadata.isDeleted": True, "metadata.isKept": False}
        files.update_many(these, {"$unset": empty, "$set": deleted})


def delete_bytes(message_id: ObjectId) -> None:
    """Delete the bytes of a message's file, and keep what is known of it."""
    ids = [row["_id"] for row in StoredFile.collection().find({"metadata.messageId": message_id}, {"_id": 1})]
    FileChunk.collection().delete_many({"files_id": {"$in": ids}})


def sweep() -> None:
    """Delete what uploads of killed processes have left, and keep what only lacks the mark."""
    files = StoredFile.collection()
    left = {"metadata.isKept": False, "uploadDate": {"$lt": now() - ABANDONED_AFTER}}
    rows = list(files.find(left, {"metadata.messageId": 1, "metadata.isDeleted": 1}, limit=BATCH))
    for row in rows:
        message_id = row["metadata"]["messageId"]
        if not row["metadata"].get("isDeleted") and _has_message(message_id):
            keep(message_id)
            continue
        FileChunk.collection().delete_many({"files_id": row["_id"]})
        files.delete_one({"_id": row["_id"], "metadata.isKept": False})
        logger.info("A file without a message was deleted", extra={"event": "file_swept"})


def _has_message(message_id: ObjectId) -> bool:
    return Message.collection().find_one({"_id": message_id, "erased": None}, {"_id": 1}) is not None


class Reader(Iterator[bytes]):
    """The bytes of a file, chunk by chunk, from any place on."""

    def __init__(self, file: Document) -> None:
        self._file = file
        self._at = 0

    def seekable(self) -> bool:
        """Tell that `seek` works."""
        return True

    def seek(self, place: int) -> None:
        """Go on with the byte at this place."""
        self._at = place

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._at

    def __next__(self) -> bytes:
        """Return the rest of the current chunk. Raises `LookupError` if the file was deleted meanwhile."""
        if self._at >= self._file["length"]:
            raise StopIteration
        number, begin = divmod(self._at, self._file["chunkSize"])
        with answer_within(message_log.MAX_WAIT_SECONDS):
            chunk = FileChunk.collection().find_one({"files_id": self._file["_id"], "n": number})
        if chunk is None:
            raise LookupError("A file was deleted while it was sent.")
        data: bytes = bytes(chunk["data"])[begin:]
        self._at += len(data)
        return data
