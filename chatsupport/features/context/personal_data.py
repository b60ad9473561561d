"""Erase the details of a visitor. A person's export has them with the sessions."""

from __future__ import annotations

from collections.abc import Sequence

from bson import ObjectId

from chatsupport.documents import Session
from chatsupport.features.context.service import STORED
from chatsupport.personal_data import Erasure, PersonalData


def erase_in_sessions(_: Erasure, session_ids: Sequence[ObjectId]) -> None:
    """Delete the details of the visitor of these sessions."""
    Session.collection().update_many({"_id": {"$in": list(session_ids)}}, {"$unset": {STORED: ""}})


PERSONAL_DATA = PersonalData(export=lambda _: {}, erase_in_sessions=erase_in_sessions)
