"""The feed only refers to sessions, messages and notes. The only data of its own are copies of deleted agents."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from chatsupport.documents import Deletion
from chatsupport.identity import AGENT, Caller
from chatsupport.personal_data import Erasure, PersonalData


def export(person: Caller) -> dict[str, Any]:
    """Return the agent, if it was deleted."""
    if person.type != AGENT or not ObjectId.is_valid(person.id):
        return {}
    deletion = Deletion.collection().find_one({"_id": ObjectId(person.id)}, {"agent": 1})
    return {} if deletion is None else {"deletedAgent": deletion.get("agent")}


def erase(erasure: Erasure) -> None:
    """Forget what the agent was."""
    person = erasure.person
    if person.type == AGENT and ObjectId.is_valid(person.id):
        Deletion.collection().update_one({"_id": ObjectId(person.id)}, {"$unset": {"agent": ""}})


PERSONAL_DATA = PersonalData(export=export, erase=erase)
