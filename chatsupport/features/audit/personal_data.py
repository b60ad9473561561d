"""Find the audit entries about a person, and take the person out of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bson import ObjectId

from chatsupport import serializers
from chatsupport.features.audit import service as audit
from chatsupport.features.audit.documents import AuditEntry
from chatsupport.identity import AGENT, Caller
from chatsupport.personal_data import Erasure, PersonalData, ranges


def export(person: Caller) -> dict[str, Any]:
    """Return the entries about the person, and those of what the person did, newest first."""
    audit.flush()
    rows = AuditEntry.collection().find(
        {
            "$or": [
                {"userId": person.id, "userType": person.type},
                {"callerId": person.id, "callerType": person.type},
            ]
        },
        sort=[("at", -1), ("_id", -1)],
    )
    return {"auditEntries": [serializers.audit_entry(row) for row in rows]}


def erase(erasure: Erasure) -> None:
    """Take the person out of the entries that an index finds."""
    audit.flush()
    person = erasure.person
    _unname(erasure, {"userId": person.id, "userType": person.type})
    if person.type == AGENT and ObjectId.is_valid(person.id):
        # Entries about the agent's visitors are not about the agent.
        _unname(erasure, {"agentId": ObjectId(person.id), "sessionId": None})


def erase_in_sessions(erasure: Erasure, session_ids: Sequence[ObjectId]) -> None:
    """Take the person out of the entries about these sessions."""
    audit.flush()
    _unname(erasure, {"sessionId": {"$in": list(session_ids)}})


def erase_elsewhere(erasure: Erasure) -> None:
    """Take the person out of the entries of the person's own actions, and of the guest that became this user."""
    person = erasure.person
    theirs = [{"callerId": person.id, "callerType": person.type}, {"details.guest_id": person.id}]
    for bounds in ranges(AuditEntry.collection()):
        _unname(erasure, {**bounds, "$or": theirs})


def _unname(erasure: Erasure, which: dict[str, Any]) -> None:
    audit.unname({**which, "at": erasure.not_later}, erasure.person, erasure.pseudonym)


PERSONAL_DATA = PersonalData(
    export=export, erase=erase, erase_in_sessions=erase_in_sessions, erase_elsewhere=erase_elsewhere
)
