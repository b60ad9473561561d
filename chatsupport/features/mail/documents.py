"""The mails to be sent, and how many mails each address got."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import (
    DateTimeField,
    DictField,
    EmbeddedDocument,
    EmbeddedDocumentListField,
    IntField,
    ObjectIdField,
    StringField,
)
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from chatsupport.documents import Index
from chatsupport.documents.base import BaseDocument

NAME = "mail"
STORED = f"features.{NAME}"
"""What sessions keep for mails: `noted`, the seq of the last message of an agent; `dueAt`, when the visitor gets a mail
unless it has read that message; `through`, the seq up to which mails were made."""
EMAIL = "features.context.visitor.email"
"""Where sessions have the visitor's address. The feature `context` stores it."""

WAITING, SENT, FAILED, CANCELLED = "waiting", "sent", "failed", "cancelled"


class MailJob(BaseDocument):
    """A mail to be sent. Its `id` follows from its cause, so that the same mail is made once.

    A process that sends it sets `claim`, and moves `nextAt` ahead while it is sending. The address is
    removed when the job is done.
    """

    id = StringField(primary_key=True)
    kind = StringField(required=True)
    session_id = ObjectIdField(db_field="sessionId")
    to = StringField(max_length=254)
    details = DictField()
    """What the letter of this kind needs."""
    state = StringField(required=True)
    reason = StringField()
    """Why it was cancelled or has failed."""
    attempts = IntField()
    next_at = DateTimeField(db_field="nextAt", required=True)
    claim = StringField()
    created_at = DateTimeField(db_field="createdAt", required=True)
    give_up_at = DateTimeField(db_field="giveUpAt", required=True)
    expires_at = DateTimeField(db_field="expiresAt", required=True)

    meta: ClassVar[dict[str, Any]] = {
        "collection": "mail_jobs",
        "runs_out": True,
        "indexes": [
            {"name": "next", "fields": ["state", "next_at"]},
            {"name": "by_session", "fields": ["session_id"]},
            {"name": "run_out", "fields": ["expires_at", "_id"]},
        ],
    }


class MailSent(EmbeddedDocument):
    """One mail to an address."""

    job = StringField(required=True)
    at = DateTimeField(required=True)

    meta: ClassVar[dict[str, Any]] = {"strict": False}


class MailAddress(BaseDocument):
    """An address that got mails in the last day, or wants none. `id` is a digest of it."""

    id = StringField(primary_key=True)
    sent = EmbeddedDocumentListField(MailSent)
    unsubscribed_at = DateTimeField(db_field="unsubscribedAt")
    expires_at = DateTimeField(db_field="expiresAt")
    """When it can be forgotten. An address that wants no mails is remembered."""

    meta: ClassVar[dict[str, Any]] = {
        "collection": "mail_addresses",
        "runs_out": True,
        "indexes": [{"name": "run_out", "fields": ["expires_at", "_id"]}],
    }


def insert_or_update(document: type[BaseDocument], document_id: str, change: Any) -> dict[str, Any]:
    """Change a document, which is made if there is none. Returns it. Another process may make it at the same time."""
    collection = document.collection()
    for _ in range(2):
        try:
            stored: Any = collection.find_one_and_update(
                {"_id": document_id}, change, upsert=True, return_document=ReturnDocument.AFTER
            )
            break
        except DuplicateKeyError:
            continue  # Now there is one.
    return dict(stored)


INDEXES = (
    # The sessions whose visitor may get a mail soon. Nearly always empty.
    Index(
        "sessions",
        "mail_due",
        ((f"{STORED}.dueAt", 1),),
        {"partialFilterExpression": {f"{STORED}.dueAt": {"$exists": True}}},
    ),
    # The open and the recently ended sessions whose visitor has an address.
    Index(
        "sessions",
        "with_email",
        (("endedAt", 1), ("_id", 1)),
        {"partialFilterExpression": {EMAIL: {"$exists": True}}},
    ),
)
