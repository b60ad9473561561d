"""What the law gives people: to have what is kept of them, and to have it erased."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from typing import Any

from bson import ObjectId

from chatsupport import serializers
from chatsupport.database.clock import now
from chatsupport.documents import Agent, AuditEntry, Denial, Message, Session
from chatsupport.documents.session import NEWEST_FIRST, OPEN
from chatsupport.identity import AGENT, Caller
from chatsupport.payloads import SessionEnd
from chatsupport.services import access, audit, denials, sequences, sessions
from chatsupport.services.pages import Document

logger = logging.getLogger(__name__)

ERASED_REASON = "User erased"
BATCH = 500


def export(caller: Caller, person: Caller) -> dict[str, Any]:
    """Return everything kept of a person: sessions with their messages, an agent's own messages, audit entries, blocks.

    For operators only.
    """
    access.require_operator(caller)
    audit.flush()
    time = now()
    exported: list[Document] = []
    for session in Session._get_collection().find(_own(person), sort=NEWEST_FIRST):
        messages = list(
            Message._get_collection().find(
                {"sessionId": session["_id"], "fence": sequences.NO_FENCE}, sort=[("seq", 1)]
            )
        )
        last_seq = messages[-1]["seq"] if messages else 0
        exported.append(
            {
                **serializers.session(session, sessions.agent_of(session), None, last_seq, time),
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
            for row in Denial._get_collection().find({"_id": f"block:{person}"})
            if row.get("blockId") is not None
        ],
        "auditEntries": [
            serializers.audit_entry(entry)
            for entry in AuditEntry._get_collection().find({"$or": _traces(person)}, sort=[("at", -1), ("_id", -1)])
        ],
    }
    audit.record(audit.EXPORT, caller, user_id=person.id, user_type=person.type)
    return data


def erase(caller: Caller, person: Caller) -> dict[str, Any]:
    """Take a person out of everything that is kept: texts become empty, the id becomes a random one; counts stay.

    Open sessions end first, and the person's tokens with them. Safe to repeat: what an interrupted call left over, the
    next one erases. For operators only.
    """
    access.require_operator(caller)
    pseudonym = f"erased-{secrets.token_hex(16)}"
    denials.revoke(caller, person)
    erased, emptied = 0, 0
    # Until there is none left: a request that was under way may have started another.
    while session_ids := _some_sessions(person):
        for session_id in session_ids:
            sessions.end_now({"_id": session_id}, SessionEnd(ERASED_REASON), caller.id, caller)
        emptied += _empty_messages({"sessionId": {"$in": session_ids}}, person, pseudonym)
        _rename_in_sessions(session_ids, person, pseudonym)
        erased += len(session_ids)
    if person.type == AGENT:
        emptied += _empty_messages({"senderId": person.id, "senderType": AGENT}, person, pseudonym)
        _rename_marks(person, pseudonym)
    _rename_in_audit(person, pseudonym)
    data = {"pseudonym": pseudonym, "sessions": erased, "messages": emptied}
    audit.record(audit.ERASE, caller, user_id=pseudonym, user_type=person.type, sessions=erased, messages=emptied)
    logger.info("A person was erased", extra={"event": "erased", "sessions": erased, "count": emptied})
    return data


def _own(person: Caller) -> Document:
    """Return the condition on the sessions in which the person is the visitor."""
    types: list[str | None] = [person.type]
    if person.type == "user":
        types.append(None)  # Those of the Node.js system may not say.
    return {"userId": person.id, "userType": {"$in": types}}


def _some_sessions(person: Caller) -> list[ObjectId]:
    rows = Session._get_collection().find(_own(person), {"_id": 1}, limit=BATCH)
    return [row["_id"] for row in rows]


def _empty_messages(which: Document, person: Caller, pseudonym: str) -> int:
    """Empty the texts and rename the sender. What was erased before stays as it is."""
    messages = Message._get_collection()
    not_yet = {**which, "fence": sequences.NO_FENCE}
    # The client's own id of a message may say anything.
    result = messages.update_many(
        {**not_yet, "erased": {"$ne": True}},
        {"$set": {"message": "", "erased": True}, "$unset": {"clientMessageId": ""}},
    )
    messages.update_many(
        {**not_yet, "senderId": person.id, "senderType": person.type}, {"$set": {"senderId": pseudonym}}
    )
    return int(result.modified_count)


def _rename_in_sessions(session_ids: list[ObjectId], person: Caller, pseudonym: str) -> None:
    collection = Session._get_collection()
    these = {"_id": {"$in": session_ids}}
    collection.update_many(
        {**these, "endedBy": person.id}, {"$set": {"endedBy": pseudonym, "endReason": ERASED_REASON}}
    )
    # What staff wrote about the person.
    collection.update_many({**these, "internalReason": {"$ne": None}}, {"$unset": {"internalReason": ""}})
    collection.update_many(
        {**these, "readSeq.userId": person.id},
        {"$set": {"readSeq.$[mark].userId": pseudonym}},
        array_filters=[{"mark.userId": person.id, "mark.userType": person.type}],
    )
    Agent._get_collection().update_many(
        {"activeUsers": person.id, "activeSessions": {"$in": session_ids}},
        {"$set": {"activeUsers.$[user]": pseudonym}},
        array_filters=[{"user": person.id}],
    )
    # The last: by this the next call finds what an interrupted one left. None is open, so that none is met twice.
    collection.update_many({**these, "status": {"$nin": list(OPEN)}}, {"$set": {"userId": pseudonym, "erased": True}})


def _rename_marks(agent: Caller, pseudonym: str) -> None:
    """Rename an agent where it has read the sessions of others."""
    Session._get_collection().update_many(
        {"readSeq": {"$elemMatch": {"userId": agent.id, "userType": agent.type}}},
        {"$set": {"readSeq.$[mark].userId": pseudonym}},
        array_filters=[{"mark.userId": agent.id, "mark.userType": agent.type}],
    )


def _rename_in_audit(person: Caller, pseudonym: str) -> None:
    audit.flush()
    entries = AuditEntry._get_collection()
    as_subject, as_caller = _traces(person)
    # A reason is what somebody wrote, and may say who.
    entries.update_many(as_subject, {"$set": {"userId": pseudonym}, "$unset": {"details.reason": ""}})
    entries.update_many(as_caller, {"$set": {"callerId": pseudonym, "address": None}, "$unset": {"details.reason": ""}})


def _traces(person: Caller) -> list[Document]:
    """Return the conditions on the audit entries about the person, and by the person."""
    return [
        {"userId": person.id, "userType": person.type},
        {"callerId": person.id, "callerType": person.type},
    ]


def _agent(person: Caller) -> Document | None:
    if person.type != AGENT or not ObjectId.is_valid(person.id):
        return None
    agent: Document | None = Agent._get_collection().find_one({"_id": ObjectId(person.id)})
    return agent


def _sent_elsewhere(person: Caller) -> Iterator[Document]:
    """Yield what an agent wrote in the sessions of others. No index serves this, as nothing else ever asks it."""
    if person.type == AGENT:
        yield from Message._get_collection().find({"senderId": person.id, "senderType": AGENT})
