"""Notes are erased with the person they are about, and with their author. Only the author's export has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bson import ObjectId

from chatsupport.features.notes.documents import Note
from chatsupport.features.notes.service import serialize
from chatsupport.identity import AGENT, Caller
from chatsupport.personal_data import Erasure, PersonalData


def export(person: Caller) -> dict[str, Any]:
    """Return the notes that an agent has written. A user's export has none, because notes are for staff only."""
    if person.type != AGENT:
        return {}
    return {"notes": [serialize(note) for note in Note.collection().find(_by(person))]}


def erase(erasure: Erasure) -> None:
    """Delete the notes that the person wrote."""
    Note.collection().delete_many({**_by(erasure.person), "createdAt": erasure.not_later})


def delete_in_sessions(session_ids: Sequence[ObjectId]) -> None:
    """Delete the notes on these sessions."""
    Note.collection().delete_many({"sessionId": {"$in": list(session_ids)}})


def _by(person: Caller) -> dict[str, Any]:
    return {"authorId": person.id, "authorType": person.type}


PERSONAL_DATA = PersonalData(
    export=export,
    erase=erase,
    erase_in_sessions=lambda _, session_ids: delete_in_sessions(session_ids),
    delete_with_sessions=delete_in_sessions,
)
