"""Files are erased and deleted with their sessions, and with the agent that sent them. Messages export them."""

from __future__ import annotations

from collections.abc import Sequence

from bson import ObjectId

from chatsupport.features.files import storage
from chatsupport.personal_data import Erasure, PersonalData


def erase(erasure: Erasure) -> None:
    """Delete the files that the person sent to the sessions of others."""
    person = erasure.person
    sent = {"metadata.senderId": person.id, "metadata.senderType": person.type}
    storage.delete({**sent, "uploadDate": erasure.not_later})


def delete_in_sessions(session_ids: Sequence[ObjectId]) -> None:
    """Delete the files of these sessions."""
    storage.delete({"metadata.sessionId": {"$in": list(session_ids)}})


PERSONAL_DATA = PersonalData(
    export=lambda _: {},
    erase=erase,
    erase_in_sessions=lambda _, session_ids: delete_in_sessions(session_ids),
    delete_with_sessions=delete_in_sessions,
)
