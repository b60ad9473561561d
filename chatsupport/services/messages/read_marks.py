"""Read marks: the seq up to which each participant of a session has read.

Others hear of a mark at once. It is stored at most once a second a participant, because a client marks every message
it shows. A mark never moves back, in whatever order marks arrive and in whatever process.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne

from chatsupport import events
from chatsupport.background import Buffered
from chatsupport.documents import Message, Session
from chatsupport.events import MessagesRead
from chatsupport.identity import CALLER_TYPES, Caller
from chatsupport.services.messages import message_log, sequences
from chatsupport.services.people import tombstones
from chatsupport.services.presence import membership

STORE_SECONDS = 1.0
MAX_KNOWN = 20_000
"""The number of sessions whose marks are remembered."""
MAX_BATCH = 500
MAX_UNREAD = 1_000
"""Unread messages are counted among so many last ones of a session."""

Key = tuple[ObjectId, Caller]
Mark = tuple[int, float]
"""A seq, and when (by the monotonic clock) the first mark came that is not stored yet."""
_NONE: Mark = (0, 0.0)

_mutex = threading.Lock()
_known: OrderedDict[ObjectId, dict[Caller, int]] = OrderedDict()
"""The marks of the sessions whose events this process receives: those that somebody has joined here."""


def mark(session_id: ObjectId, person: Caller, seq: int) -> int:
    """Mark everything up to `seq` as read and tell the others. Returns the mark as it stands: never back, never past
    the session's last message.
    """
    key = (session_id, person)
    here = membership.connections_of(session_id, person)
    known = _known.get(session_id, {}).get(person) if here else None
    if known is None:
        known = max(_stored(session_id, person), _pending.get(key, _NONE)[0])
    # Most marks are for a message that this process has just stored.
    if seq > max(known, message_log.log.known_last_seqs([session_id]).get(session_id, 0)):
        seq = min(seq, sequences.last_seq(session_id))
    with _mutex:
        known = max(known, _known.get(session_id, {}).get(person, 0), _pending.get(key, _NONE)[0])
        moved = seq > known
        if here:
            _remember(key, max(seq, known))
        if moved:
            _pending.add(key, (seq, time.monotonic()))
    if moved:
        events.happened(MessagesRead(session_id, person, seq, here))
    return max(seq, known)


def heard(mark: Mapping[str, Any]) -> None:
    """Note a mark that another process announced, so that this one announces no older mark."""
    with _mutex:
        marks = _known.get(ObjectId(mark["sessionId"]), {})
        for caller_type in CALLER_TYPES:
            person = Caller(mark["userId"], caller_type)
            if person in marks:
                marks[person] = max(marks[person], mark["seq"])


def forget(session_id: str) -> None:
    """Forget a session whose events this process no longer receives."""
    with _mutex:
        _known.pop(ObjectId(session_id), None)


def count_unread(readers: Iterable[tuple[Mapping[str, Any], Caller, int]]) -> dict[ObjectId, int]:
    """Return for each session, its reader and its last seq how many messages of others the reader has not read.

    They are counted among the last `MAX_UNREAD`, for all sessions with one command. Sessions without any are left out.
    """
    unread = [
        {
            "sessionId": session["_id"],
            "seq": {"$gt": max(read, last_seq - MAX_UNREAD), "$lte": last_seq},
            "fence": sequences.NO_FENCE,
            "$nor": [{"senderId": reader.id, "senderType": reader.type}],
        }
        for session, reader, last_seq in readers
        if (read := _mark_in(session, reader)) < last_seq
    ]
    if not unread:
        return {}
    counts: list[dict[str, Any]] = [{"$match": {"$or": unread}}, {"$group": {"_id": "$sessionId", "n": {"$sum": 1}}}]
    return {row["_id"]: int(row["n"]) for row in Message.collection().aggregate(counts)}


def _store(marks: dict[Key, Mark]) -> None:
    """Store marks, and remove each one that is stored."""
    for batch in _batches(marks):
        updates = [_update(session_id, person, seq) for (session_id, person), (seq, _) in batch.items()]
        Session.collection().bulk_write(updates, ordered=False)
        _take_out_erased(batch)
        for key in batch:
            del marks[key]


def _batches(marks: dict[Key, Mark]) -> Iterator[dict[Key, Mark]]:
    items = list(marks.items())
    for start in range(0, len(items), MAX_BATCH):
        yield dict(items[start : start + MAX_BATCH])


def _take_out_erased(batch: dict[Key, Mark]) -> None:
    """Remove the marks of people who were erased while the marks waited, because this process was stopped."""
    before = time.monotonic() - tombstones.LATE_SECONDS
    late = [key for key, (_, marked_at) in batch.items() if marked_at < before]
    for person in tombstones.erased_among({person for _, person in late}) if late else ():
        theirs = {"userId": person.id, "userType": person.type}
        sessions = [session_id for session_id, reader in late if reader == person]
        Session.collection().update_many({"_id": {"$in": sessions}}, {"$pull": {"readSeq": theirs}})


def _further(older: Mark, newer: Mark) -> Mark:
    return max(older[0], newer[0]), older[1]


_pending: Buffered[Key, Mark] = Buffered(_store, STORE_SECONDS, merge=_further, at_once=True)
flush = _pending.flush
"""Store what is pending now: before somebody is renamed or erased."""


def _update(session_id: ObjectId, person: Caller, seq: int) -> UpdateOne:
    """Return the update that sets the person's mark to `seq`, unless another write has set it further."""
    marks = {"$ifNull": ["$readSeq", []]}
    is_mine = {
        "$and": [
            {"$eq": ["$$mark.userId", {"$literal": person.id}]},
            {"$eq": ["$$mark.userType", person.type]},
        ]
    }
    mine = {"$filter": {"input": marks, "as": "mark", "cond": is_mine}}
    others = {"$filter": {"input": marks, "as": "mark", "cond": {"$not": [is_mine]}}}
    new = {
        "userId": {"$literal": person.id},
        "userType": person.type,
        "seq": {"$max": [seq, {"$max": {"$map": {"input": mine, "as": "mark", "in": "$$mark.seq"}}}]},
    }
    return UpdateOne({"_id": session_id}, [{"$set": {"readSeq": {"$concatArrays": [others, [new]]}}}])


def _stored(session_id: ObjectId, person: Caller) -> int:
    session = Session.collection().find_one({"_id": session_id}, {"readSeq": 1})
    return 0 if session is None else _mark_in(session, person)


def _mark_in(session: Mapping[str, Any], person: Caller) -> int:
    for read in session.get("readSeq", ()):
        if read["userId"] == person.id and read["userType"] == person.type:
            return int(read["seq"])
    return 0


def _remember(key: Key, seq: int) -> None:
    session_id, person = key
    _known.setdefault(session_id, {})[person] = seq
    _known.move_to_end(session_id)
    if len(_known) > MAX_KNOWN:
        _known.popitem(last=False)
