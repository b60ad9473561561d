"""The relay moves the marks of changes into the feed, in order. One process at a time does it, under a lease.

The order of the steps makes each event appear exactly once, wherever a process is killed:

1. It adds a batch of events under the next number. The unique `_id` refuses a relay that has lost its lease: that one
   knows less than the feed, and begins anew.
2. It removes the marks of that batch from their documents, before it adds the next batch.
3. A relay that begins removes the marks of the last batch first.

Messages have no marks. Their `seq` says which are new, and the feed itself says up to which seq they are recorded. A
process notes in memory in which sessions it has stored messages. What a kill loses of that is found by looking at the
last seq of all sessions that are open or have ended just now.

Order within a session: the last seqs are read first, then the marks. Messages up to these seqs therefore come before
whatever has no mark yet. Where a session has marks, its messages are read after them, and both are merged by time;
messages after the last mark that are not among those first seqs wait. An end waits for its figures, because these are
stored when no message can come any more.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError, OperationFailure
from pymongo.write_concern import WriteConcern

from chatsupport import feature, recording
from chatsupport.database.clock import elapsed, now
from chatsupport.database.connection import COMMITTED, lacks_index, wait_until_durable
from chatsupport.documents import Agent, Deletion, Message, Session
from chatsupport.documents.session import ENDED, OPEN
from chatsupport.events import MessageStored
from chatsupport.features.events import switch
from chatsupport.features.events.documents import (
    BATCH_SIZE,
    MESSAGE_CREATED,
    SESSION_ENDED,
    SESSION_STARTED,
    EventBatch,
    Hint,
)
from chatsupport.features.events.tail import committed, last_number, tail
from chatsupport.observability import metrics
from chatsupport.services.messages import sequences
from chatsupport.services.server import processes, readiness
from chatsupport.services.server.leases import Lease

logger = logging.getLogger(__name__)

ROUND_SECONDS = 0.25
LEASE_SECONDS = 5.0
SWEEP_SECONDS = 20.0
ENDED_LATELY = timedelta(seconds=processes.GONE_SECONDS + 60)
"""For so long after an end, a message may be found that was stored before it."""
CLEAN_SECONDS, STRAY = 60.0, timedelta(seconds=60)
MOST_MARKED, MOST_MESSAGES, MOST_HINTS, MOST_CURSORS = 500, 5_000, 500, 50_000
LATE_DELETION = timedelta(seconds=15)
"""A deletion that was announced so long ago and is not done will not be done."""
LOOK_BACK = 400
"""How many batches to search for the marks that were copied when an agent was deleted."""
FIELD = recording.FIELD
"""The field with the marks, and the name of its index."""

Document = dict[str, Any]
_MARKED = {f"{FIELD}.at": {"$exists": True}}
EARLIEST, LATEST = datetime.min.replace(tzinfo=timezone.utc), datetime.max.replace(tzinfo=timezone.utc)

LEASE = Lease("events", LEASE_SECONDS, when=readiness.is_ready)


class Relay:
    """The relay of one process. It works only while it holds the lease."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Know nothing, like a process that begins."""
        self._noted: set[ObjectId] = set()
        self._cleaned_at = -math.inf
        self._complete_at: float | None = None
        self._begin_anew()

    def lag(self) -> float | None:
        """Return the seconds since the feed was complete; None in a process that does not record."""
        return None if self._complete_at is None else elapsed() - self._complete_at

    def _begin_anew(self) -> None:
        self.last: int | None = None
        """The number of the last batch, None if this process does not know it."""
        self._swept_at = -math.inf
        self._through: OrderedDict[ObjectId, int] = OrderedDict()

    def note(self, event: MessageStored) -> None:
        """Note that a session has a new message. This is the hot path."""
        if switch.here.is_known_to_be_on:
            self._noted.add(event.message["sessionId"])

    def work(self) -> None:
        """Move what has come since the last round, or leave a note for the process that does."""
        if not switch.here.is_known_to_be_on:
            self._noted.clear()
            self._complete_at = None
            self._begin_anew()
            if elapsed() - self._cleaned_at > CLEAN_SECONDS:
                self._cleaned_at = elapsed()
                clean()
        elif LEASE.hold():
            began = elapsed()
            # Until a round succeeds, the feed is as old as it was.
            self._complete_at = began if self._complete_at is None else self._complete_at
            self.round()
            self._complete_at = began
        else:
            self._complete_at = None
            self._begin_anew()
            noted, self._noted = self._noted, set()
            if noted:
                hint = {"_id": ObjectId(), "sessionIds": list(noted)}
                # A hint that is lost is made up for by the sweep.
                Hint.collection().with_options(write_concern=WriteConcern(w=1)).insert_one(hint)

    def round(self) -> int:
        """Move everything that has happened into the feed. Returns the number of new batches."""
        noted, self._noted = self._noted, set()
        try:
            return self._round(noted)
        except DuplicateKeyError:
            logger.info("Another process records events")
            LEASE.forget()
            self._begin_anew()
            self._noted |= noted
            return 0
        except BaseException:
            # Whether the batch was stored is unknown.
            self._begin_anew()
            self._noted |= noted
            raise

    def _round(self, noted: set[ObjectId]) -> int:
        if self.last is None:
            self._take_over()
        hints = list(Hint.collection().find({}, sort=[("_id", 1)], limit=MOST_HINTS))
        noted.update(itertools.chain.from_iterable(hint["sessionIds"] for hint in hints))
        if elapsed() - self._swept_at > SWEEP_SECONDS:
            self._swept_at = elapsed()
            noted.update(_busy_sessions())
        last_seqs = _last_seqs(noted)
        marks = _Marks()
        _remove_marks(marks.stale)
        if marks.is_cut_off:
            # Marks of a noted session may be missing. The next round has them.
            self._noted |= noted - marks.sessions.keys()
            last_seqs = {}
        cursors = self._cursors({*last_seqs, *marks.sessions}, marks)
        entries = self._unmarked(last_seqs, marks, cursors)
        entries += self._merged(last_seqs, marks, cursors)
        entries += marks.of_agents
        count = 0
        for batch in _split(entries):
            self._append(batch)
            count += 1
        if hints:
            Hint.collection().delete_many({"_id": {"$in": [hint["_id"] for hint in hints]}})
        return count

    def _take_over(self) -> None:
        number = last_number()
        # What was noted when recording began has no marks.
        last = committed().find_one({"_id": {"$lte": number}, "types.0": {"$exists": True}}, sort=[("_id", -1)])
        if last is not None:
            wait_until_durable()  # The marks would otherwise be removed of a batch that is lost.
            _remove_marks(last["entries"])
        self.last = number

    def _cursors(self, session_ids: Iterable[ObjectId], marks: _Marks) -> dict[ObjectId, int]:
        """Return the seq up to which the messages of each session are recorded."""
        cursors: dict[ObjectId, int] = {}
        for session_id in session_ids:
            through = self._through.get(session_id)
            if through is None and marks.begins(session_id):
                through = 0
            if through is None:
                through = _recorded_through(session_id)
                self._remember(session_id, through)
            cursors[session_id] = through
        return cursors

    def _remember(self, session_id: ObjectId, through: int) -> None:
        self._through[session_id] = through
        self._through.move_to_end(session_id)
        if len(self._through) > MOST_CURSORS:
            self._through.popitem(last=False)

    def _unmarked(self, last_seqs: dict[ObjectId, int], marks: _Marks, cursors: dict[ObjectId, int]) -> list[Document]:
        """Return the runs of messages in sessions where nothing else has happened."""
        return [
            _run(session_id, cursors[session_id], last_seq)
            for session_id, last_seq in last_seqs.items()
            if session_id not in marks.sessions and last_seq > cursors[session_id]
        ]

    def _merged(self, last_seqs: dict[ObjectId, int], marks: _Marks, cursors: dict[ObjectId, int]) -> list[Document]:
        """Return what has happened in sessions with marks: messages and other changes, in order."""
        if not marks.sessions:
            return []
        unread = {session_id: cursors[session_id] for session_id in marks.sessions}
        rows, incomplete = _messages_after(unread)
        entries: list[Document] = []
        for session_id, (final, changes) in marks.sessions.items():
            messages = rows.get(session_id, [])
            is_whole = session_id not in incomplete
            merged = _merge(
                changes, messages, final=final, is_whole=is_whole, before_others=last_seqs.get(session_id, 0)
            )
            through = cursors[session_id]
            for change, reached in merged:
                if reached > through:
                    entries.append(_run(session_id, through, reached))
                    through = reached
                if change is not None:
                    entries.append({**change, "through": through})
            if not (final and is_whole) or (messages and through < messages[-1][0]):
                self._noted.add(session_id)
        return entries

    def _append(self, entries: list[Document]) -> None:
        number = (self.last or 0) + 1
        types = sorted({entry.get("type", MESSAGE_CREATED) for entry in entries})
        EventBatch.collection().insert_one({"_id": number, "at": now(), "types": types, "entries": entries})
        _remove_marks(entries)
        for entry in entries:
            if "sessionId" in entry:
                self._remember(entry["sessionId"], entry["through"])
        self.last = number
        tail.reach(number)


class _Marks:
    """The marks that are to be moved: by session, and those of agents."""

    def __init__(self) -> None:
        self.is_cut_off = False
        self.sessions: dict[ObjectId, tuple[bool, list[Document]]] = {}
        """For each session whether its end, if there is one, is complete; and its changes in order."""
        self.of_agents: list[Document] = []
        self.stale: list[Document] = []
        """Those from before recording began, which are only removed."""
        self._look_at_sessions()
        self._look_at_agents()

    def begins(self, session_id: ObjectId) -> bool:
        """Tell whether nothing of a session can have been recorded yet."""
        _, changes = self.sessions.get(session_id, (True, []))
        return bool(changes) and changes[0]["type"] == SESSION_STARTED

    def _look_at_sessions(self) -> None:
        """Read the marks of sessions and of what features store about them.

        Not all of these may be found at once. A change that is later in its session than one that was not found waits
        for the next round.
        """
        found, _ = self._find(Session, {FIELD: 1, "status": 1, "totalMessages": 1})
        added: dict[ObjectId, list[Document]] = {}
        complete_until = LATEST
        for recorded in (one for each in feature.installed() for one in each.recorded):
            rows, until = self._find(recorded.documents, {FIELD: 1, "sessionId": 1})
            complete_until = min(complete_until, until)
            for row in rows:
                changes = self._in_order(row[FIELD], sessionId=row["sessionId"], about=row["_id"])
                added.setdefault(row["sessionId"], []).extend(changes)
        for session in found:
            final = session["status"] != ENDED or session.get("totalMessages") is not None
            changes = self._in_order(session[FIELD], sessionId=session["_id"])
            if changes := [change for change in changes if change["at"] <= complete_until]:
                self.sessions[session["_id"]] = (final, changes)
        not_found = _earliest_marks(added, {mark["id"] for session in found for mark in session[FIELD]})
        for session_id, theirs in added.items():
            until = not_found.get(session_id, LATEST)
            if early := [change for change in theirs if change["at"] <= until]:
                final, changes = self.sessions.get(session_id, (True, []))
                self.sessions[session_id] = (final, sorted([*changes, *early], key=lambda one: one["at"]))

    def _find(self, document: type[Any], fields: Document) -> tuple[list[Document], datetime]:
        """Return documents with marks, and until when all marks of this kind are among them."""
        rows = _find(document, fields, MOST_MARKED)
        if rows is None:
            self.is_cut_off = True
            return [], EARLIEST
        if len(rows) < MOST_MARKED:
            return rows, LATEST
        self.is_cut_off = True
        return rows, min(mark["at"] for mark in rows[-1][FIELD])

    def _in_order(self, marks: Sequence[Document], **about: Any) -> list[Document]:
        """Return the changes that these marks stand for, in the order of the writes, whatever the clocks said."""
        latest = floor = switch.floor()
        changes: list[Document] = []
        for mark in marks:
            latest = max(latest, mark["at"])
            change = {"type": mark["kind"], "id": mark["id"], "at": latest, **about}
            (changes if mark["at"] >= floor else self.stale).append(change)
        return changes

    def _look_at_agents(self) -> None:
        found: dict[ObjectId, Document] = {}
        for agent in self._find(Agent, {FIELD: 1})[0]:
            found |= {change["id"]: change for change in self._in_order(agent[FIELD], about=agent["_id"])}
        deletions, _ = self._find(Deletion, {FIELD: 1, "at": 1})
        ids = [deletion["_id"] for deletion in deletions]
        there = {row["_id"] for row in Agent.collection().find({"_id": {"$in": ids}}, {"_id": 1})} if ids else set()
        for deletion in deletions:
            if deletion["_id"] in there:
                if deletion["at"] < now() - LATE_DELETION:
                    Deletion.collection().delete_one({"_id": deletion["_id"]})
                continue
            for change in self._in_order(deletion[FIELD], about=deletion["_id"]):
                is_own = change["type"] == recording.AGENT_DELETED
                if is_own or change["id"] in found or not _is_recorded(change["id"]):
                    found[change["id"]] = change
                else:
                    self.stale.append(change)
        self.of_agents = sorted(found.values(), key=lambda change: change["at"])


def _find(document: type[Any], fields: Document, most: int = MOST_MARKED) -> list[Document] | None:
    """Return documents with marks, those with the oldest first; None if the index that finds them is not built yet."""
    collection = document.collection().with_options(read_concern=COMMITTED)
    try:
        return list(collection.find(_MARKED, fields, hint=FIELD, limit=most))
    except OperationFailure as error:
        if lacks_index(error):
            return None
        raise


def _earliest_marks(session_ids: Iterable[ObjectId], but: set[ObjectId]) -> dict[ObjectId, datetime]:
    """Return the time of the earliest mark that each session has besides these."""
    ids = list(session_ids)
    if not ids:
        return {}
    sessions = Session.collection().with_options(read_concern=COMMITTED)
    found: dict[ObjectId, datetime] = {}
    for session in sessions.find({"_id": {"$in": ids}, **_MARKED}, {FIELD: 1}):
        if times := [mark["at"] for mark in session[FIELD] if mark["id"] not in but]:
            found[session["_id"]] = min(times)
    return found


def _merge(
    changes: Iterable[Document],
    messages: Sequence[tuple[int, datetime]],
    *,
    final: bool,
    is_whole: bool,
    before_others: int,
) -> Iterator[tuple[Document | None, int]]:
    """Yield the changes in order, each with the seq of the last message before it; then None with that of the last one.

    Messages up to `before_others` were stored before everything that has no mark yet. If the messages are not
    `is_whole`, there are more of them. An end that is not `final` waits, with all that follows.
    """
    place = reached = 0
    for change in changes:
        is_end = change["type"] == SESSION_ENDED
        if is_end and not final:
            return
        if not is_whole and (is_end or not messages or change["at"] > messages[-1][1]):
            yield None, messages[-1][0] if messages else 0
            return
        while place < len(messages) and (is_end or messages[place][1] < change["at"]):
            reached = messages[place][0]
            place += 1
        yield change, reached
    while place < len(messages) and messages[place][0] <= before_others:
        reached = messages[place][0]
        place += 1
    yield None, reached


def oldest_mark(document: type[Any]) -> datetime | None:
    """Return the time of the oldest change of these documents that is not recorded yet."""
    rows = _find(document, {FIELD: 1}, most=1) or []
    return min(mark["at"] for mark in rows[0][FIELD]) if rows else None


def _run(session_id: ObjectId, after: int, through: int) -> Document:
    return {"sessionId": session_id, "seq": through, "count": through - after, "through": through}


def _split(entries: list[Document]) -> Iterable[list[Document]]:
    """Yield batches with fewer events than a batch may have. A long run of messages is cut."""
    batch: list[Document] = []
    room = BATCH_SIZE - 1
    waiting = list(reversed(entries))
    while waiting:
        entry = waiting.pop()
        count = entry.get("count", 1)
        if count > room and "count" in entry and room > 0:
            first = entry["seq"] - count
            waiting.append(_run(entry["sessionId"], first + room, entry["seq"]))
            entry, count = _run(entry["sessionId"], first, first + room), room
        if count > room:
            waiting.append(entry)
        else:
            batch.append(entry)
            room -= count
        if room == 0 or (batch and not waiting):
            yield batch
            batch, room = [], BATCH_SIZE - 1


def _remove_marks(entries: Iterable[Document]) -> None:
    """Remove the marks of recorded changes. It may be repeated."""
    kinds = {one.kind: one.documents for each in feature.installed() for one in each.recorded}
    removals: dict[type[Any], list[UpdateOne]] = {}
    for entry in entries:
        if "id" not in entry:
            continue
        about = entry.get("about")
        if about is None:
            documents: tuple[type[Any], ...] = (Session,)
            about = entry["sessionId"]
        elif "sessionId" in entry:
            documents = (kinds[entry["type"]],) if entry["type"] in kinds else ()
        else:
            documents = (Agent, Deletion)
        for document in documents:
            removal = UpdateOne({"_id": about}, {"$pull": {FIELD: {"id": entry["id"]}}})
            removals.setdefault(document, []).append(removal)
    for document, updates in removals.items():
        document.collection().bulk_write(updates, ordered=False)


def _recorded_through(session_id: ObjectId) -> int:
    """Return the seq up to which a session's messages are recorded, or were sent before recording began."""
    stages: list[Document] = [
        {"$match": {"entries.sessionId": session_id}},
        {"$sort": {"_id": -1}},
        {"$limit": 1},
        {
            "$project": {
                "at": 1,
                "of": {"$filter": {"input": "$entries", "cond": {"$eq": ["$$this.sessionId", session_id]}}},
            }
        },
        {"$project": {"at": 1, "through": {"$max": "$of.through"}}},
    ]
    found = next(iter(committed().aggregate(stages)), None)
    through = _kept_through(session_id) if found is None else int(found["through"])
    if found is None or found["at"] < switch.here.feed["since"]:
        first = sequences.committed().find_one(
            {"sessionId": session_id, "fence": sequences.NO_FENCE, "timestamp": {"$gte": switch.floor()}},
            {"seq": 1},
            sort=[("seq", 1)],
        )
        before = sequences.last_seq(session_id) if first is None else first["seq"] - 1
        through = max(through, before)
    return through


def _kept_through(session_id: ObjectId) -> int:
    """Return the seq up to which a session's messages are recorded, as far as the session says it."""
    sessions = Session.collection().with_options(read_concern=COMMITTED)
    session = sessions.find_one({"_id": session_id}, {"endedAt": 1, "recordedThrough": 1, f"{FIELD}.kind": 1}) or {}
    is_over = session.get("endedAt") is not None and session["endedAt"] < now() - ENDED_LATELY
    if is_over and all(mark["kind"] != SESSION_ENDED for mark in session.get(FIELD, ())):
        return sequences.last_seq(session_id)  # All of them came before its end, which is recorded.
    return int(session.get("recordedThrough", 0))


def _is_recorded(mark_id: ObjectId) -> bool:
    """Tell whether the last batches have this change."""
    return (
        committed().find_one({"_id": {"$gt": last_number() - LOOK_BACK}, "entries.id": mark_id}, {"_id": 1}) is not None
    )


def _last_seqs(session_ids: set[ObjectId]) -> dict[ObjectId, int]:
    ids = list(session_ids)
    found: dict[ObjectId, int] = {}
    for start in range(0, len(ids), 1000):
        found |= sequences.last_seqs(ids[start : start + 1000])
    return found


def _busy_sessions() -> set[ObjectId]:
    """Return the sessions that may have new messages: those that are open, and those that have ended just now."""
    sessions = Session.collection()
    rows = [
        *sessions.find({"status": {"$in": list(OPEN)}}, {"_id": 1}),
        *sessions.find({"status": ENDED, "endedAt": {"$gt": now() - ENDED_LATELY}}, {"_id": 1}),
    ]
    return {row["_id"] for row in rows}


def _messages_after(
    cursors: dict[ObjectId, int],
) -> tuple[dict[ObjectId, list[tuple[int, datetime]]], set[ObjectId]]:
    """Return seq and time of the messages after these seqs, and the sessions that have more of them."""
    rows = list(
        Message.collection()
        .with_options(read_concern=COMMITTED)
        .aggregate(
            [
                {
                    "$match": {
                        "$or": [{"sessionId": one, "seq": {"$gt": after}} for one, after in cursors.items()],
                        "fence": sequences.NO_FENCE,
                    }
                },
                {"$sort": {"sessionId": 1, "seq": 1}},
                {"$limit": MOST_MESSAGES},
                {"$project": {"sessionId": 1, "seq": 1, "timestamp": 1}},
            ]
        )
    )
    found: dict[ObjectId, list[tuple[int, datetime]]] = {}
    for row in rows:
        found.setdefault(row["sessionId"], []).append((row["seq"], row["timestamp"]))
    incomplete: set[ObjectId] = set()
    if len(rows) == MOST_MESSAGES:
        last = rows[-1]["sessionId"]
        incomplete = {session_id for session_id in cursors if session_id >= last}
    return found, incomplete


def clean() -> None:
    """Remove the marks that were stored while a process did not know that nothing is recorded.

    They are old: recording may begin at this moment, and its marks are younger.
    """
    before = now() - STRAY
    switch.here.look()
    if switch.here.is_known_to_be_on:
        return
    recorded = [one.documents for each in feature.installed() for one in each.recorded]
    documents: list[type[Any]] = [Session, Agent, Deletion, *recorded]
    for document in documents:
        ids = [row["_id"] for row in _find(document, {"_id": 1}) or []]
        if ids:
            old = {"$pull": {FIELD: {"at": {"$lt": before}}}}
            document.collection().update_many({"_id": {"$in": ids}}, old)


here = Relay()
metrics.FEED_LAG.read_by(here.lag)
