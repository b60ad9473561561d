"""Files in MongoDB, as GridFS lays them out, so that its tools can read them."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import (
    BinaryField,
    BooleanField,
    DateTimeField,
    EmbeddedDocument,
    EmbeddedDocumentField,
    IntField,
    LongField,
    ObjectIdField,
    StringField,
)

from chatsupport.documents.base import BaseDocument

FILE, THUMBNAIL = "file", "thumbnail"
READY, PENDING, BLOCKED = "ready", "pending", "blocked"
STATES = (READY, PENDING, BLOCKED)


class FileData(EmbeddedDocument):
    """What we keep of a file beside its bytes."""

    session_id = ObjectIdField(db_field="sessionId", required=True)
    message_id = ObjectIdField(db_field="messageId", required=True)
    """Its message, which also has the id of the file, but not of its thumbnail."""
    kind = StringField(choices=(FILE, THUMBNAIL))
    is_kept = BooleanField(db_field="isKept")
    """Whether the message is stored. Other files are from uploads in progress, or from killed ones."""
    is_deleted = BooleanField(db_field="isDeleted")
    """Whether the file was deleted while it was being uploaded."""
    type = StringField()
    state = StringField(choices=STATES)
    sender_id = StringField(db_field="senderId")
    """The sender, unless it is the session's user."""
    sender_type = StringField(db_field="senderType")
    scan_at = DateTimeField(db_field="scanAt")
    scans = IntField()

    meta: ClassVar[dict[str, Any]] = {"strict": False}


class StoredFile(BaseDocument):
    """A file, or the thumbnail of a picture."""

    id = ObjectIdField(primary_key=True)
    length = LongField()
    chunk_size = IntField(db_field="chunkSize")
    upload_date = DateTimeField(db_field="uploadDate", required=True)
    filename = StringField(max_length=120)
    metadata = EmbeddedDocumentField(FileData, required=True)

    meta: ClassVar[dict[str, Any]] = {
        "collection": "fs.files",
        "indexes": [
            {"name": "by_session", "fields": ["metadata.session_id"]},
            {"name": "by_message", "fields": ["metadata.message_id"]},
            # For the erasure of an agent.
            {
                "name": "by_sender",
                "fields": ["metadata.sender_id", "metadata.sender_type"],
                "partialFilterExpression": {"metadata.senderId": {"$exists": True}},
            },
            # Nearly always empty.
            {
                "name": "not_kept",
                "fields": ["upload_date"],
                "partialFilterExpression": {"metadata.isKept": False},
            },
            {
                "name": "to_be_scanned",
                "fields": ["metadata.scan_at"],
                "partialFilterExpression": {"metadata.state": PENDING},
            },
        ],
    }


class FileChunk(BaseDocument):
    """A part of a file's bytes."""

    files_id = ObjectIdField(db_field="files_id", required=True)
    n = IntField(required=True)
    data = BinaryField(required=True)

    meta: ClassVar[dict[str, Any]] = {
        "collection": "fs.chunks",
        # As every driver makes it.
        "indexes": [{"name": "files_id_1_n_1", "fields": ["files_id", "n"], "unique": True}],
    }
