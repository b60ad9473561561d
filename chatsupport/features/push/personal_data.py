"""The browsers of an agent are exported and erased with it. Visitors have none."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from chatsupport import serializers
from chatsupport.features.push.documents import PushSubscription
from chatsupport.identity import AGENT, Caller
from chatsupport.personal_data import Erasure, PersonalData


def export(person: Caller) -> dict[str, Any]:
    """Return the browsers of an agent, without their keys."""
    if not _is_agent(person):
        return {}
    rows = PushSubscription.collection().find({"agentId": ObjectId(person.id)})
    return {
        "pushSubscriptions": [
            {"endpoint": row["endpoint"], "createdAt": serializers.iso(row["createdAt"])} for row in rows
        ]
    }


def erase(erasure: Erasure) -> None:
    """Forget the browsers of an agent."""
    if _is_agent(erasure.person):
        by_agent = {"agentId": ObjectId(erasure.person.id), "updatedAt": erasure.not_later}
        PushSubscription.collection().delete_many(by_agent)


def _is_agent(person: Caller) -> bool:
    return person.type == AGENT and ObjectId.is_valid(person.id)


PERSONAL_DATA = PersonalData(export=export, erase=erase)
