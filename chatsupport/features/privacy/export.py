"""Export everything stored about a person. For erasure, see `features/privacy/erasure.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bson import ObjectId

from chatsupport import events, feature, serializers
from chatsupport.database.clock import now
from chatsupport.documents import Agent, Denial, Message, Session
from chatsupport.documents.session import NEWEST_FIRST
from chatsupport.events import PersonExported
from chatsupport.identity import AGENT, Caller
from chatsupport.services.messages import sequences
from chatsupport.services.people import tombstones
from chatsupport.services.sessions import reading
from chatsupport.services.shared import access
from chatsupport.services.shared.pages import Document


def export(caller: Caller, person: Caller) -> dict[str, Any]:
    """Return everything stored about a person: sessions with messages, an agent's messages, audit entries, blocks.

    For operators only.
    """
    access.require_operator(caller)
    time = now()
    exported: list[Document] = []
    for session in Session.collection().find(_own(person), sort=NEWEST_FIRST):
        messages = list(
            Message.collection().find({"sessionId": session["_id"], "fence": sequences.NO_FENCE}, sort=[("seq", 1)])
        )
        last_seq = messages[-1]["seq"] if messages else 0
        exported.append(
            {
                **serializers.session(session, reading.agent_of(session), None, last_seq, time),
                "messages": [serializers.message(message) for message in messages],
            }
        )
    agent = _agent(person)
    data = {
        "userId": person.id,
        "userType": person.type,
        "exportedAt": serializers.iso(time),
        "sessions": exported,
        "agent": None if agent is None else serializers.agent(agent),
        "sentMessages": [serializers.message(message) for message in _sent_elsewhere(person)],
        "blocks": [
            serializers.block(row)
            for row in Denial.objects(id=f"block:{person}").as_pymongo()
            if row.get("blockId") is not None
        ],
    }
    for each in feature.installed():
        if each.personal_data is not None:
            data.update(each.personal_data.export(person))
    # The export of an erased person is not recorded, because that would store the id again.
    user_id = None if not exported and tombstones.is_erased(person) else person.id
    events.happened(PersonExported(caller, user_id, person.type))
    return data


def _own(person: Caller) -> Document:
    """Return the condition on the sessions in which the person is the visitor."""
    types: list[str | None] = [person.type]
    if person.type == "user":
        types.append(None)  # Sessions of the Node.js system may have no type.
    return {"userId": person.id, "userType": {"$in": types}}


def _agent(person: Caller) -> Document | None:
    if person.type != AGENT or not ObjectId.is_valid(person.id):
        return None
    agent: Document | None = Agent.objects(id=person.id).as_pymongo().first()
    return agent


def _sent_elsewhere(person: Caller) -> Iterator[Document]:
    """Yield an agent's messages in the sessions of others. No index serves this, because nothing else asks for it."""
    if person.type == AGENT:
        yield from Message.objects(sender_id=person.id, sender_type=AGENT).as_pymongo()
