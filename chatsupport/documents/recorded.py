"""The field of documents whose changes are recorded (`recording.py`)."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, EmbeddedDocument, EmbeddedDocumentListField, ObjectIdField, StringField

from chatsupport.documents.base import KEPT

UNRECORDED_INDEX: dict[str, Any] = {
    "name": "unrecorded",
    "fields": ["unrecorded.at"],
    "partialFilterExpression": {"unrecorded.at": {"$exists": True}},
}
"""Finds the documents with changes that are not recorded yet. Nearly always empty."""


class UnrecordedChange(EmbeddedDocument):
    """The mark of a change that is not recorded yet."""

    mark_id = ObjectIdField(db_field="id", required=True)
    kind = StringField(required=True)
    at = DateTimeField(required=True)

    meta: ClassVar[dict[str, Any]] = {"strict": False}


def unrecorded_field() -> Any:
    """Return the field for the marks of a document."""
    return EmbeddedDocumentListField(UnrecordedChange, db_field="unrecorded", erasure=KEPT)
