"""The mails about a visitor's sessions are exported and erased with the sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bson import ObjectId

from chatsupport import serializers
from chatsupport.documents import Session
from chatsupport.features.mail.documents import STORED, MailJob
from chatsupport.identity import Caller
from chatsupport.personal_data import Erasure, PersonalData


def export(person: Caller) -> dict[str, Any]:
    """Return the mails that were made for a visitor, as long as they are kept."""
    theirs = {"userId": person.id, "userType": person.type}
    ids = [row["_id"] for row in Session.collection().find(theirs, {"_id": 1})]
    rows = MailJob.collection().find({"sessionId": {"$in": ids}}, sort=[("createdAt", 1)])
    mails = [
        {
            "kind": row["kind"],
            "to": row.get("to"),
            "sessionId": str(row["sessionId"]),
            "state": row["state"],
            "createdAt": serializers.iso(row["createdAt"]),
        }
        for row in rows
    ]
    return {"mails": mails} if mails else {}


def erase_in_sessions(_: Erasure, session_ids: Sequence[ObjectId]) -> None:
    """Delete the mails about these sessions, also those that wait."""
    Session.collection().update_many({"_id": {"$in": list(session_ids)}}, {"$unset": {STORED: ""}})
    delete_with_sessions(session_ids)


def delete_with_sessions(session_ids: Sequence[ObjectId]) -> None:
    """Delete the mails about these sessions."""
    MailJob.collection().delete_many({"sessionId": {"$in": list(session_ids)}})


PERSONAL_DATA = PersonalData(
    export=export, erase_in_sessions=erase_in_sessions, delete_with_sessions=delete_with_sessions
)
