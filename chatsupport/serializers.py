"""Turn documents into JSON, the same for REST, acknowledgements and events.

The functions work on documents from PyMongo (plain mappings with the stored field names), because the hot path and the
lists read these.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from bson import ObjectId

from chatsupport import session_parts
from chatsupport.documents.agent import HUMAN, departments_of, is_bot, role_of

Document = Mapping[str, Any]


def iso(time: datetime | str | None) -> str | None:
    """Return a time as ISO 8601 with milliseconds and `Z`. It must be in UTC, as all our times are.

    A text is one of these already (`WITH_TEXTS`).
    """
    return time if time is None or type(time) is str else _iso(time)


@functools.lru_cache(maxsize=16)
def _iso(time: datetime) -> str:
    # A batch of messages has one time, which each broadcast and each acknowledgement repeats.
    return time.isoformat(timespec="milliseconds")[:23] + "Z"


def iso_of_ms(milliseconds: int) -> str:
    """Return ISO 8601 of milliseconds since the epoch."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"


WITH_TEXTS: dict[str, Any] = {
    "$set": {
        "_id": {"$toString": "$_id"},
        "sessionId": {"$toString": "$sessionId"},
        "timestamp": {"$dateToString": {"date": "$timestamp", "format": "%Y-%m-%dT%H:%M:%S.%LZ"}},
    }
}
"""Has MongoDB write the ids and times of messages as `message` does: in a page of 50, that saves half of the CPU."""


def message(document: Document) -> dict[str, Any]:
    """Serialize a message, which may have been read `WITH_TEXTS`."""
    data = {
        "id": str(document["_id"]),
        "sessionId": str(document["sessionId"]),
        "seq": document["seq"],
        "senderId": document["senderId"],
        "senderType": document["senderType"],
        "message": document["message"],
        "timestamp": iso(document["timestamp"]),
    }
    if "clientMessageId" in document:
        data["clientMessageId"] = document["clientMessageId"]
    if "content" in document:
        data["content"] = document["content"]
    if "replyTo" in document:
        data["replyTo"] = document["replyTo"]
    if "erased" in document:
        data["erased"] = True
    if "features" in document:
        data.update(session_parts.shown_of_message(document))
    return data


def sent_message(document: Document, session_status: str) -> dict[str, Any]:
    """Serialize a message for its sender, with the session's status."""
    data = message(document)
    return {"messageId": data["id"], "sessionId": data["sessionId"], "message": data, "sessionStatus": session_status}


def agent_summary(document: Document | None) -> dict[str, Any] | None:
    """Serialize what a visitor may know about an agent. The agent is online if it is set to online and is present."""
    if document is None:
        return None
    return {"id": str(document["_id"]), "name": document["name"], "isOnline": is_there(document), **_kind(document)}


def _kind(document: Document) -> dict[str, Any]:
    return {"isBot": True} if is_bot(document) else {}


def is_there(document: Document) -> bool:
    """Tell whether an agent is set to online and not away."""
    return document.get("isOnline", True) and not document.get("isAway", False)


def agent(document: Document) -> dict[str, Any]:
    """Serialize an agent for callers who manage agents."""
    return {
        "id": str(document["_id"]),
        "name": document["name"],
        "kind": document.get("kind", HUMAN),
        "maxUsers": document["maxUsers"],
        "activeUsers": list(document.get("activeUsers", ())),
        "isOnline": document.get("isOnline", True),
        "isAway": document.get("isAway", False),
        "email": document.get("email"),
        "role": role_of(document),
        "departmentIds": department_ids(document),
        "createdAt": iso(document.get("createdAt")),
    }


def department_ids(document: Document) -> list[str] | None:
    """Serialize the departments of an agent; None stands for all."""
    own = departments_of(document)
    return None if own is None else [str(one) for one in own]


def agent_load(document: Document) -> dict[str, Any]:
    """Serialize an agent for the statistics."""
    active, capacity = len(document.get("activeUsers", ())), document["maxUsers"]
    return {
        "id": str(document["_id"]),
        "name": document["name"],
        "kind": document.get("kind", HUMAN),
        "activeUsers": active,
        "maxUsers": capacity,
        "isOnline": is_there(document),
        "utilizationRate": percentage(active, capacity),
    }


def percentage(part: int, whole: int) -> str:
    """Return `part` of `whole` as `"50%"`; `"0%"` of nothing."""
    return f"{round(100 * part / whole) if whole else 0}%"


def session(
    document: Document,
    agent_document: Document | None,
    queue_position: int | None,
    last_seq: int,
    now: datetime,
    *,
    for_staff: bool = False,
) -> dict[str, Any]:
    """Serialize a session, for its user or for staff. `duration` is in milliseconds, up to `now` while it is open."""
    ended_at = document.get("endedAt")
    return {
        "id": str(document["_id"]),
        "userId": document["userId"],
        "userType": document.get("userType", "user"),
        **session_state(document, agent_document, queue_position),
        "createdAt": iso(document["createdAt"]),
        "firstAssignedAt": iso(document.get("firstAssignedAt")),
        **({"handedOverAt": iso(document["handedOverAt"])} if "handedOverAt" in document else {}),
        "updatedAt": iso(document.get("updatedAt")),
        "endedAt": iso(ended_at),
        "endReason": document.get("endReason"),
        "departmentId": id_or_none(document.get("departmentId")),
        **({"assignment": assignment(document.get("assignment"))} if for_staff else {}),
        **({"internalReason": document["internalReason"]} if for_staff and "internalReason" in document else {}),
        "messageCount": last_seq,
        "lastSeq": last_seq,
        "readSeq": read_marks(document),
        "duration": milliseconds_between(document["createdAt"], ended_at or now),
        **session_parts.shown_of(document, for_staff=for_staff),
    }


def assignment(document: Document | None) -> dict[str, Any] | None:
    """Serialize why a session went to its agent."""
    if document is None:
        return None
    return {"reason": document["reason"], "at": iso(document["at"]), "load": document["load"]}


def id_or_none(document_id: ObjectId | None) -> str | None:
    """Serialize an id that may be missing."""
    return None if document_id is None else str(document_id)


def read_marks(document: Document) -> list[dict[str, Any]]:
    """Serialize the seq up to which each participant of a session has read."""
    return [
        {"userId": mark["userId"], "userType": mark["userType"], "seq": mark["seq"]}
        for mark in document.get("readSeq", ())
    ]


def session_state(document: Document, agent_document: Document | None, queue_position: int | None) -> dict[str, Any]:
    """Serialize the state of a session: its agent, or its place in the queue."""
    agent_id = document.get("agentId")
    return {
        "status": document["status"],
        "agentId": None if agent_id is None else str(agent_id),
        "agent": agent_summary(agent_document),
        "queuePosition": queue_position,
    }


def session_end(document: Document) -> dict[str, Any]:
    """Serialize how a session ended. `duration` is in milliseconds, `averageResponseTime` in seconds."""
    return {
        "sessionId": str(document["_id"]),
        "endedAt": iso(document["endedAt"]),
        "reason": document.get("endReason"),
        "statistics": {
            "duration": milliseconds_between(document["createdAt"], document["endedAt"]),
            "totalMessages": document.get("totalMessages", 0),
            "averageResponseTime": document.get("averageResponseTime"),
        },
    }


def block(document: Document) -> dict[str, Any]:
    """Serialize a block, of a person or of an address."""
    return {
        "id": str(document["blockId"]),
        "userId": document.get("userId"),
        "userType": document.get("userType"),
        "address": document.get("address"),
        "reason": document.get("reason"),
        "createdAt": iso(document["createdAt"]),
        "expiresAt": iso(document.get("expiresAt")),
    }


def audit_entry(document: Document) -> dict[str, Any]:
    """Serialize an entry of the audit log."""
    session_id, agent_id = document.get("sessionId"), document.get("agentId")
    return {
        "id": str(document["_id"]),
        "at": iso(document["at"]),
        "action": document["action"],
        "callerId": document.get("callerId"),
        "callerType": document.get("callerType"),
        "address": document.get("address"),
        "requestId": document.get("requestId"),
        "sessionId": None if session_id is None else str(session_id),
        "agentId": None if agent_id is None else str(agent_id),
        "userId": document.get("userId"),
        "userType": document.get("userType"),
        "details": dict(document.get("details", {})),
    }


def page(name: str, rows: list[dict[str, Any]], next_cursor: str | None) -> dict[str, Any]:
    """Serialize one page of a list under its name, with the cursor of the next."""
    return {name: rows, "hasMore": next_cursor is not None, "nextCursor": next_cursor}


def milliseconds_between(start: datetime, end: datetime) -> int:
    """Return the whole milliseconds from `start` to `end`, never less than 0."""
    return max(0, round((end - start).total_seconds() * 1000))
