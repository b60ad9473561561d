"""Tags, kept with the session (`features.tags`): each as it was written, and the key by which it is found."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument

from chatsupport import events, recording
from chatsupport.contract.chat import Session as ShownSession
from chatsupport.contract.chat import SessionFilter
from chatsupport.contract.fields import MAX_TAGS
from chatsupport.database.clock import now
from chatsupport.documents import Index, Session
from chatsupport.errors import ForbiddenError, SessionNotFoundError
from chatsupport.events import HandedOver, SessionUpdated
from chatsupport.features.tags.models import ShownTags, TagFilter
from chatsupport.identity import Caller
from chatsupport.personal_data import Erasure, PersonalData
from chatsupport.services.people import tombstones
from chatsupport.services.sessions import reading
from chatsupport.services.shared import access
from chatsupport.session_parts import SessionPart

Document = dict[str, Any]

NAME = "tags"
STORED = f"features.{NAME}"
KEY = f"{STORED}.key"
OF_BOT = "features.tagsOfBot"
"""The hand-over whose tags were added."""
MOST_LISTED = 1000
MOST_REPORTED = 100

INDEXES = [
    # Sessions without tags are not in it.
    Index(
        "sessions",
        "newest_by_tag",
        ((KEY, 1), ("createdAt", -1), ("_id", -1)),
        {"partialFilterExpression": {KEY: {"$exists": True}}},
    ),
    Index("sessions", "tagged_by_end", (("endedAt", 1),), {"partialFilterExpression": {KEY: {"$exists": True}}}),
]


def put(caller: Caller, session_id: ObjectId, tags: Sequence[str]) -> Document:
    """Give a session these tags in place of those it had. Returns the session. For staff only."""
    session = access.find_session_of_staff(caller, session_id)
    time = now()
    kept = _kept(tags)
    stored = {"$set": {STORED: kept, "updatedAt": time}}
    removed = {"$unset": {STORED: ""}, "$set": {"updatedAt": time}}
    change = stored if kept else removed
    marks = recording.marks(recording.SESSION_UPDATED)
    still = access.still_of_bot(caller, session)
    updated = Session.collection().find_one_and_update(
        {"_id": session_id, **still}, {**change, **recording.pushed(marks)}, return_document=ReturnDocument.AFTER
    )
    if updated is None:
        raise access.refusal() if still else SessionNotFoundError
    recording.look_after(Session.collection(), session_id, recording.SESSION_UPDATED, marks)
    if tombstones.is_erased_meanwhile(session, time):
        _take_away([session_id])
        raise ForbiddenError("This person has just been erased. Nothing is stored about them any more.")
    events.happened(SessionUpdated(updated))
    return reading.describe_stored(session_id).for_staff


def add_of_bot(event: HandedOver) -> None:
    """Add the tags that a bot leaves with its session, as far as there is room: once, because staff may remove them."""
    session = event.session
    if not event.tags:
        return
    is_new = {"$not": {"$in": ["$$this.key", {"$ifNull": [f"${KEY}", []]}]}}
    new = {"$filter": {"input": {"$literal": _kept(event.tags)}, "cond": is_new}}
    kept = {"$slice": [{"$concatArrays": [{"$ifNull": [f"${STORED}", []]}, new]}, MAX_TAGS]}
    marks = recording.marks(recording.SESSION_UPDATED)
    updated = Session.collection().find_one_and_update(
        {"_id": session["_id"], "erased": {"$ne": True}, OF_BOT: {"$exists": False}},
        [{"$set": {STORED: kept, OF_BOT: event.id, "updatedAt": "$$NOW", **recording.added(marks)}}],
        return_document=ReturnDocument.AFTER,
    )
    if updated is not None:
        recording.look_after(Session.collection(), session["_id"], recording.SESSION_UPDATED, marks)
        if tombstones.is_erased_meanwhile(session, event.at):
            _take_away([session["_id"]])
        events.happened(SessionUpdated(updated))


def count_all(caller: Caller) -> Document:
    """Return all tags with the number of their sessions, the most used first. For agents, not bots, and operators."""
    access.require_agent(caller)
    access.refuse_bots(caller)
    stages: list[Mapping[str, Any]] = [
        {"$match": {KEY: {"$gt": ""}}},
        {"$unwind": f"${STORED}"},
        {"$group": {"_id": f"${KEY}", "tag": {"$min": f"${STORED}.tag"}, "count": {"$sum": 1}}},
        {"$sort": {"count": -1, "_id": 1}},
        {"$limit": MOST_LISTED},
        {"$project": {"_id": 0}},
    ]
    return {"tags": list(Session.collection().aggregate(stages, hint=INDEXES[0].name))}


def report(start: datetime, end: datetime) -> Callable[[ObjectId | None], Document]:
    """Return a function that returns the tags of an agent's sessions that ended in a time; with None, of all."""
    stages: list[Mapping[str, Any]] = [
        {"$match": {"endedAt": {"$gte": start, "$lt": end}, KEY: {"$exists": True}}},
        {"$unwind": f"${STORED}"},
        {
            "$group": {
                "_id": {"key": f"${KEY}", "agentId": "$agentId"},
                "tag": {"$min": f"${STORED}.tag"},
                "sessions": {"$sum": 1},
            }
        },
    ]
    counts: dict[ObjectId | None, Counter[str]] = defaultdict(Counter)
    spelled: dict[str, str] = {}
    for row in Session.collection().aggregate(stages, hint=INDEXES[1].name):
        key = row["_id"]["key"]
        spelled[key] = min(row["tag"], spelled.get(key, row["tag"]))
        # Sessions that ended without an agent count in the total.
        for agent_id in {None, row["_id"].get("agentId")}:
            counts[agent_id][key] += row["sessions"]

    def of_agent(agent_id: ObjectId | None) -> Document:
        used = sorted(counts.get(agent_id, {}).items(), key=lambda one: (-one[1], one[0]))[:MOST_REPORTED]
        return {"tags": [{"tag": spelled[key], "sessions": sessions} for key, sessions in used]}

    return of_agent


def _kept(tags: Iterable[str]) -> list[Document]:
    """Return tags as they are stored: of those that differ only in capitals, the first."""
    first: dict[str, str] = {}
    for tag in tags:
        first.setdefault(_key(tag), tag)
    return [{"key": key, "tag": tag} for key, tag in first.items()]


def _key(tag: str) -> str:
    return unicodedata.normalize("NFC", tag.casefold())


def _of(session: Mapping[str, Any]) -> list[str]:
    return [tag["tag"] for tag in session.get("features", {}).get(NAME, ())]


def _condition(wanted: SessionFilter) -> Document:
    tag = wanted.more(TagFilter).tag
    return {} if tag is None else {KEY: _key(tag)}


def _take_away(session_ids: Iterable[ObjectId]) -> None:
    Session.collection().update_many({"_id": {"$in": list(session_ids)}}, {"$unset": {STORED: ""}})


def _erase_in_sessions(_: Erasure, session_ids: Sequence[ObjectId]) -> None:
    _take_away(session_ids)


SESSION_PART = SessionPart(
    fields={SessionFilter: TagFilter, ShownSession: ShownTags},
    condition=_condition,
    show=lambda session, for_staff: {"tags": _of(session)} if for_staff else {},
    texts=_of,
)
PERSONAL_DATA = PersonalData(export=lambda _: {}, erase_in_sessions=_erase_in_sessions)
"""What staff wrote about somebody's chats may say who it was."""
