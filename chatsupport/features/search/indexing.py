"""The index of the search: one entry for each session, with all its words.

Nothing is written on a message's way in. Each process notes which sessions it changed, and three seconds later
reads what is new in them. An entry says up to which seq it has the messages. Because these commit in the order of their
seqs, nothing is skipped. `sweeps.py` finds what a killed or stalled process has left.

Writing an entry costs MongoDB more than storing a message, and more the longer the entry is. A hundred entries at once
would hold up all messages. So those that are due are written a few at a time, in turns.

An entry is made before anything of the session is read, and a write holds only for the revision of the entry that was
read first. So what an erasure deletes meanwhile is not written again by whoever has read the texts before it, and two
processes do each other no harm.

A busy session is not read again: this process stored its new messages, and remembers what it wrote to the
entry. If the entry has another revision now, or a seq is missing, the session is read all the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError
from pymongo.write_concern import WriteConcern

from chatsupport import session_parts
from chatsupport.database.connection import already_there
from chatsupport.documents import Session
from chatsupport.events import MessageStored, SessionChange, SessionUpdated
from chatsupport.extensions import socketio
from chatsupport.features.search import words
from chatsupport.features.search.documents import SearchEntry
from chatsupport.features.search.memory import Inbox, Known, KnownEntries, Noted
from chatsupport.identity import Caller
from chatsupport.observability import metrics
from chatsupport.services.messages import sequences
from chatsupport.services.people import tombstones

Document = dict[str, Any]
_Write = tuple[UpdateOne, int]
"""A write to an entry, and the number of its words."""

COLLECT_SECONDS = 3.0
"""How long a session waits for more of its messages."""
SPREAD_SECONDS, TURN_SECONDS = 1.2, 0.2
"""Sessions that are due at the same time are spread over the first, in turns that are the second apart."""
BATCH = 100
"""How many sessions are read at once."""
MOST_COST, COST_OF_ENTRY = 2000, 200
"""How much is written at once, in words. The second is what an entry costs besides its words."""
WRITE_PAUSE_SECONDS = 0.005
MOST_MESSAGES = 2000
"""How many messages are read at once."""
MOST_READS = 10
"""How many times one round reads on in sessions that have more messages than it reads at once."""
MOST_WORDS = 5000
"""How many words of a session are kept."""
PAUSE_AFTER = 200
"""After how many messages other work may go on."""

NEEDED = dict.fromkeys("userId userType agentId status createdAt updatedAt erased features".split(), 1)
"""What is read of a session."""

_waiting = Inbox()
_under_way: set[ObjectId] = set()
_known = KnownEntries()


def note_message(event: MessageStored) -> None:
    """Have the message indexed soon."""
    message = event.message
    _waiting.add_message(message["sessionId"], message["seq"], message["message"])


def note_session(event: SessionChange | SessionUpdated) -> None:
    """Have the session read soon."""
    note(event.session["_id"])


def note(session_id: ObjectId) -> None:
    """Have a session read soon."""
    _waiting.add(session_id)


def is_noted(session_id: ObjectId) -> bool:
    """Tell whether this process will index the session soon."""
    return session_id in _waiting or session_id in _under_way


def take_turn() -> None:
    """Index some of the sessions that are due, so that all of them are done in time."""
    time_now = time.monotonic()
    due = _waiting.queued_before(time_now - COLLECT_SECONDS)
    if due:
        turns_left = (due[0] + COLLECT_SECONDS + SPREAD_SECONDS - time_now) / TURN_SECONDS
        index_waiting(math.ceil(len(due) / max(1.0, turns_left)))


def index_waiting(most: int | None = None) -> None:
    """Index what is new in the sessions that wait now, each once: in those that have waited longest, or in all.

    A session that gets messages meanwhile waits for another round, and so does one that could not be read whole.
    """
    waiting = _waiting.take(most)
    sessions = list(waiting)
    _under_way.update(sessions)
    try:
        for start in range(0, len(sessions), BATCH):
            batch = sessions[start : start + BATCH]
            unfinished = _add_said({session_id: waiting[session_id] for session_id in batch})
            for _ in range(MOST_READS):
                if not unfinished:
                    break
                unfinished = index(list(unfinished), are_busy=True)
                socketio.sleep(0)
            for session_id in set(batch) - unfinished:
                metrics.SEARCH_DELAY.observe(time.monotonic() - waiting.pop(session_id).since)
    finally:
        _under_way.difference_update(sessions)
        _waiting.put_back(waiting)


def _add_said(noted: Mapping[ObjectId, Noted]) -> set[ObjectId]:
    """Add what was said to the entries that this process wrote last. Returns the sessions that must be read."""
    entries: dict[ObjectId, Known] = {}
    writes: list[_Write] = []
    read_since_pause = 0
    for session_id, one in noted.items():
        before = _known.get(session_id)
        if before is None or one.must_be_read:
            continue
        new = {seq: text for seq, text in one.texts.items() if seq > before.through}
        through = max(new, default=before.through)
        if len(new) < through - before.through:
            continue  # Another process has stored the others.
        room = MOST_WORDS - len(before.words)
        more = _words_of(new.values()) - before.words if room > 0 else set()
        added = sorted(more)[:room]
        entries[session_id] = Known(ObjectId(), through, before.words.union(added))
        unchanged = {"_id": session_id, "revision": before.revision}
        values = {"through": through, "revision": entries[session_id].revision}
        push = {"$push": {"words": {"$each": added}}} if added else {}
        writes.append((UpdateOne(unchanged, {"$set": values, **push}), len(entries[session_id].words)))
        read_since_pause += len(new)
        if read_since_pause >= PAUSE_AFTER:
            read_since_pause = 0
            socketio.sleep(0)
    if not _write(writes):
        for session_id in entries:
            _known.forget(session_id)  # Some of them were written or deleted by somebody else.
        return set(noted)
    for session_id, entry in entries.items():
        _known.keep(session_id, entry)
    return noted.keys() - entries.keys()


def index(session_ids: Sequence[ObjectId], *, are_busy: bool = False) -> set[ObjectId]:
    """Bring the entries of these sessions up to date. Returns those where something is left to do.

    What is written to busy ones is remembered.
    """
    if not session_ids:
        return set()
    entries = _entries(session_ids)
    sessions = {row["_id"]: row for row in Session.collection().find({"_id": {"$in": list(entries)}}, NEEDED)}
    forget(entries.keys() - sessions.keys())
    unfinished = _being_erased(sessions.values())
    reads = {
        session_id: _Reading(entries[session_id], sessions[session_id]) for session_id in sessions.keys() - unfinished
    }
    unfinished |= _read_messages(reads)
    writes = [write for reading in reads.values() if (write := reading.write()) is not None]
    if not _write(writes):
        return unfinished | reads.keys()  # Somebody else was at some of them.
    if are_busy:
        for session_id in reads.keys() - unfinished:
            _known.keep(session_id, reads[session_id].known())
    return unfinished


def own_words(session: Mapping[str, Any]) -> list[str]:
    """Return the words of a session that are not of messages, in order."""
    own = {str(session["_id"])}
    for text in (session["userId"], *session_parts.texts_of(session)):
        own |= words.of(text)
    return sorted(own)


def _words_of(texts: Iterable[str]) -> set[str]:
    """Return the words of messages. Others are served while these are long."""
    found: set[str] = set()
    unread: list[str] = []
    characters = 0
    for text in texts:
        unread.append(text)
        characters += len(text)
        if characters >= words.CHARACTERS_AT_ONCE:
            found |= words.of("\n".join(unread))
            unread, characters = [], 0
            socketio.sleep(0)
    return found | words.of("\n".join(unread))


def forget(session_ids: Iterable[ObjectId]) -> None:
    """Delete the entries of these sessions."""
    ids = list(session_ids)
    if ids:
        SearchEntry.collection().delete_many({"_id": {"$in": ids}})


class _Reading:
    """What was read of a session, to be written to its entry."""

    def __init__(self, entry: Document, session: Document) -> None:
        self.entry, self.session = entry, session
        self.own = own_words(session)
        # Words are only ever added, so where a name or a tag has changed all is read again.
        self.is_new = entry.get("own") != self.own
        self.through: int = 0 if self.is_new else entry["through"]
        self.said: set[str] = set()
        self.written: Document = {}

    @property
    def unread(self) -> Document:
        """The condition on the messages that were not read yet."""
        return {"sessionId": self.session["_id"], "seq": {"$gt": self.through}}

    def take(self, texts: Sequence[str], through: int) -> None:
        """Take the texts of the next messages, up to this seq."""
        self.through = through
        self.said = _words_of(texts)

    def write(self) -> _Write | None:
        """Return the write that brings the entry up to date; None if it is."""
        known = () if self.is_new else self.entry["words"]
        more = self.said.difference(known)
        values: Document = {
            "through": self.through,
            "agentId": self.session.get("agentId"),
            "status": self.session["status"],
            "createdAt": self.session["createdAt"],
            "changedAt": self.session.get("updatedAt"),
        }
        if not self.is_new and not more and values.items() <= self.entry.items():
            return None
        if self.is_new:
            values["own"] = self.own
            values["words"] = [*self.own, *sorted(more.difference(self.own))][:MOST_WORDS]
        elif more:
            values["words"] = [*known, *sorted(more)][:MOST_WORDS]
        unchanged = {"_id": self.entry["_id"], "revision": self.entry["revision"]}
        self.written = {**values, "revision": ObjectId()}
        return UpdateOne(unchanged, {"$set": self.written}), len({**self.entry, **values}["words"])

    def known(self) -> Known:
        """Return the entry as it is after the write."""
        entry = {**self.entry, **self.written}
        return Known(entry["revision"], entry["through"], set(entry["words"]))


def _entries(session_ids: Sequence[ObjectId]) -> dict[ObjectId, Document]:
    """Return the entries of these sessions; those that were missing are made."""
    these = {"_id": {"$in": list(session_ids)}}
    found = {row["_id"]: row for row in SearchEntry.collection().find(these)}
    new = [
        {"_id": each, "words": [], "through": 0, "revision": ObjectId()} for each in session_ids if each not in found
    ]
    if not new:
        return found
    try:
        _collection().insert_many(new, ordered=False)
    except BulkWriteError as error:
        already_there(error)
    return {row["_id"]: row for row in SearchEntry.collection().find(these)}


def _being_erased(sessions: Iterable[Mapping[str, Any]]) -> set[ObjectId]:
    """Return the sessions whose user is being erased, and that are not done yet."""
    not_done = [session for session in sessions if not session.get("erased")]
    people = {session["_id"]: Caller(session["userId"], session.get("userType", "user")) for session in not_done}
    erased = tombstones.erased_among(set(people.values())) if people else {}
    return {
        session["_id"]
        for session in not_done
        if (until := erased.get(people[session["_id"]])) is not None and session["createdAt"] <= until
    }


def _read_messages(reads: Mapping[ObjectId, _Reading]) -> set[ObjectId]:
    """Read the new messages of sessions, as many as are read at once. Returns the sessions that have more."""
    if not reads:
        return set()
    # MongoDB groups the texts, because a document for each message costs this process more than its words.
    rows = list(
        sequences.committed().aggregate(
            [
                {"$match": {"$or": [reading.unread for reading in reads.values()]}},
                {"$sort": {"sessionId": 1, "seq": 1}},
                {"$limit": MOST_MESSAGES},
                {
                    "$group": {
                        "_id": "$sessionId",
                        "texts": {"$push": "$message"},
                        "through": {"$last": "$seq"},
                        "count": {"$sum": 1},
                    }
                },
            ]
        )
    )
    for row in rows:
        reads[row["_id"]].take(row["texts"], row["through"])
    if sum(row["count"] for row in rows) < MOST_MESSAGES:
        return set()
    last = max(row["_id"] for row in rows)
    return {session_id for session_id in reads if session_id >= last}


def _write(writes: Iterable[_Write]) -> bool:
    """Write to entries, a few at a time. False if one of them has been written or deleted by somebody else."""
    batch: list[UpdateOne] = []
    cost, are_unchanged = 0, True

    def send() -> None:
        nonlocal cost, are_unchanged
        if _collection().bulk_write(batch, ordered=False).matched_count < len(batch):
            are_unchanged = False
        batch.clear()
        cost = 0

    for write, length in writes:
        if cost + length + COST_OF_ENTRY > MOST_COST and batch:
            send()
            socketio.sleep(WRITE_PAUSE_SECONDS)
        batch.append(write)
        cost += length + COST_OF_ENTRY
    if batch:
        send()
    return are_unchanged


def _collection() -> Any:
    """Return the entries for writes that may be lost in a failover: `sweeps.py` makes up for them."""
    return SearchEntry.collection().with_options(write_concern=WriteConcern(w=1))
