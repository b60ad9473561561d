"""How far each participant of a session has read.

Others hear of a mark at once. It is stored at most once a second a participant, because a client marks every message
it shows. A mark never moves back, in whatever order marks arrive and in whatever process.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne

from chatsupport import broadcasts
from chatsupport.database import connection
from chatsupport.documents import Message, Session
from chatsupport.errors import DatabaseUnavailableError
from chatsupport.extensions import socketio
from chatsupport.identity import AGENT, CALLER_TYPES, Caller
from chatsupport.services.messages import sequences
from chatsupport.services.people import tombstones
from chatsupport.services.presence import membership

logger = logging.getLogger(__name__)

STORE_SECONDS = 1.0
MAX_KNOWN = 20_000
"""Of so many sessions marks are known."""
MAX_BATCH = 500
MAX_UNREAD = 1_000
"""Unread messages are counted up to here."""

Key = tuple[ObjectId, Caller]

_mutex = threading.Lock()
_one_stores = threading.Lock()
_known: OrderedDict[ObjectId, dict[Caller, int]] = OrderedDict()
"""The marks of sessions that this process hears of, which it does while somebody is in them here."""
_pending: dict[Key, int] = {}
_pending_since: float | None = None
"""When the oldest of them came."""
_storing = False


def mark(session_id: ObjectId, person: Caller, seq: int) -> int:
    """Mark everything up to `seq` as read and tell the others. Returns the mark as it stands: never back, never past
    the session's last message.
    """
    global _pending_since, _storing
    key = (session_id, person)
    here = membership.connections_of(session_id, person)
    known = _known.get(session_id, {}).get(person) if here else None
    if known is None:
        known = max(_stored(session_id, person), _pending.get(key, 0))
    if seq > known:
        seq = min(seq, sequences.last_seq(session_id))
    with _mutex:
        known = max(known, _known.get(session_id, {}).get(person, 0), _pending.get(key, 0))
        moved = seq > known
        if here:
            _remember(key, max(seq, known))
        if moved:
            _pending[key] = seq
            _pending_since = _pending_since or time.monotonic()
        start_storing = moved and not _storing
        _storing = _storing or start_storing
    if moved:
        broadcasts.messages_read(session_id, person.id, seq, skip_sid=here)
        if person.type == AGENT:
            broadcasts.session_read(session_id, person.id, seq)
    if start_storing:
        socketio.start_background_task(_store_all)
    return max(seq, known)


def heard(mark: Mapping[str, Any]) -> None:
    """Take note of what another process told everybody, so that no older mark is told from here."""
    with _mutex:
        marks = _known.get(ObjectId(mark["sessionId"]), {})
        for caller_type in CALLER_TYPES:
            person = Caller(mark["userId"], caller_type)
            if person in marks:
                marks[person] = max(marks[person], mark["seq"])


def forget(session_id: str) -> None:
    """Forget a session that this process hears of no more."""
    with _mutex:
        _known.pop(ObjectId(session_id), None)


def unread(session: Mapping[str, Any], person: Caller, last_seq: int) -> int:
    """Return how many messages of others the person has not read, counted up to `MAX_UNREAD`."""
    read = _mark_in(session, person)
    if read >= last_seq:
        return 0
    unread_messages = {
        "sessionId": session["_id"],
        "seq": {"$gt": read},
        "fence": sequences.NO_FENCE,
        "$nor": [{"senderId": person.id, "senderType": person.type}],
    }
    return int(Message._get_collection().count_documents(unread_messages, limit=MAX_UNREAD))


def flush() -> None:
    """Store what is pending now, and wait for what is being stored: on leaving, and before somebody is renamed.

    Raises `DatabaseUnavailableError` where nothing was begun.
    """
    global _pending_since
    with connection.one_at_a_time(_one_stores):
        with _mutex:
            pending, since = dict(_pending), _pending_since
            _pending.clear()
            _pending_since = None
        marks = list(pending.items())
        for start in range(0, len(marks), MAX_BATCH):
            _store(marks[start : start + MAX_BATCH])
        if since is not None and time.monotonic() - since > tombstones.LATE_SECONDS:
            _take_out_erased([key for key, _ in marks])


def _store(batch: list[tuple[Key, int]]) -> None:
    try:
        updates = [_update(session_id, person, seq) for (session_id, person), seq in batch]
        Session._get_collection().bulk_write(updates, ordered=False)
    except Exception:
        # Not lost for good: the client marks the next message it shows.
        logger.warning("Read marks could not be stored", extra={"marks": len(batch)}, exc_info=True)
        with _mutex:
            for (session_id, person), _ in batch:
                _known.get(session_id, {}).pop(person, None)


def _take_out_erased(keys: list[Key]) -> None:
    """Remove the marks of those who were erased while these waited for long: this process was stopped."""
    for person in tombstones.erased_among({person for _, person in keys}):
        theirs = {"userId": person.id, "userType": person.type}
        sessions = [session_id for session_id, reader in keys if reader == person]
        Session._get_collection().update_many({"_id": {"$in": sessions}}, {"$pull": {"readSeq": theirs}})


def _store_all() -> None:
    """Store every second what came, until nothing comes any more."""
    global _storing
    while True:
        try:
            flush()
        except DatabaseUnavailableError:
            logger.warning("Read marks wait for the database")
        socketio.sleep(STORE_SECONDS)
        with _mutex:
            if not _pending:
                _storing = False
                return


def _update(session_id: ObjectId, person: Caller, seq: int) -> UpdateOne:
    """Return what sets the person's mark to `seq`, or leaves it where it is further on, whoever else stores."""
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
    session = Session._get_collection().find_one({"_id": session_id}, {"readSeq": 1})
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
