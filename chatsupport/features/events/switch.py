"""Whether changes are recorded. All processes agree on that without asking the database at each change.

Each process reads it once a second. It trusts "no" only until 2 s after it began to read, and only while the others can
see this process; else it marks its changes in any case, which does no harm. So when recording begins, every change that
is acknowledged 2 s later has a mark, in whatever process; if there is no other process, at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any

from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError

from chatsupport import recording
from chatsupport.config import Variable
from chatsupport.config import parsers as parse
from chatsupport.database.clock import elapsed, now
from chatsupport.documents import Deletion, Session
from chatsupport.documents.session import OPEN
from chatsupport.extensions import settings, socketio
from chatsupport.features.events import contents
from chatsupport.features.events.documents import BATCH_SIZE, FEED, SESSION_ENDED, EventBatch, Feed
from chatsupport.features.events.tail import last_number
from chatsupport.services.messages import sequences
from chatsupport.services.server import processes

EVENT_DAYS: Variable[int] = Variable("EVENT_DAYS", parse.integer(1, 3650, "a whole number of days"), 30)

LOOK_SECONDS = 1.0
TRUSTED_SECONDS = 2.0
SETTLED = timedelta(seconds=TRUSTED_SECONDS + 0.2)
"""Longer, because clocks differ a little, and do not run equally fast."""
SOON_SECONDS = 0.05
TOUCH = timedelta(hours=1)
EARLIER = timedelta(seconds=30)
"""Changes of so long before recording began may be recorded too: longer than any write takes."""
PURGE_BATCHES, NOTED_AT_ONCE = 200, 2000

Document = dict[str, Any]

listeners: list[Callable[[], bool]] = []
"""Each tells whether somebody listens without reading the feed. Recording goes on while one does."""


class Switch:
    """What this process knows of the recording."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Know nothing, because another application begins."""
        self.feed: Document = {}
        self._trusted_until = self._learned_at = -math.inf
        self._is_settled = False

    @property
    def is_known_to_be_on(self) -> bool:
        """Whether changes are recorded, as far as this process knows."""
        return bool(self.feed.get("isOn"))

    def must_mark(self) -> bool:
        """Tell whether a change must have a mark: always, unless it is certain that nothing is recorded."""
        if self.is_known_to_be_on:
            return True
        return not (elapsed() < self._trusted_until and processes.here.is_announced())

    def look(self) -> None:
        """Read whether changes are recorded."""
        began = elapsed()
        feed = stored()
        if self._learned_at > began:
            return  # What was read may be older than what is known meanwhile.
        self.learn(feed)
        self._trusted_until = began + TRUSTED_SECONDS

    def learn(self, feed: Document) -> None:
        """Take over what was read or written."""
        if feed.get("since") != self.feed.get("since") or not feed.get("isOn"):
            self._is_settled = False
        self.feed = feed
        self._learned_at = elapsed()

    def begin(self) -> None:
        """Record from now on. Returns when every process marks its changes.

        A process that stops the recording looks at `readAt`. If that is recent, the recording cannot have been stopped
        unnoticed.
        """
        if self.is_known_to_be_on and self._is_settled and now() - self.feed["readAt"] <= TOUCH:
            return
        self.learn(_switch_on())
        since = self.feed["since"]
        while processes.here.others() and now() < since + SETTLED:
            socketio.sleep(SOON_SECONDS)
        self._is_settled = True


here = Switch()


def floor() -> Any:
    """Return the time from which on changes are recorded: when recording began, and a little earlier."""
    return here.feed["since"] - EARLIER


def stored() -> Document:
    """Return what is stored of the recording now."""
    return Feed.collection().find_one({"_id": FEED}) or {}


def gone_through(feed: Document, types: Collection[str]) -> int:
    """Return the position of the last event that is deleted; of these types, if there are any."""
    gone = feed.get("goneThrough") or _all_before(feed.get("keptFrom", 0))
    return max(gone.get(_key(kind), 0) for kind in types or contents.TYPES)


def _all_before(first: int) -> dict[str, int]:
    """Return `goneThrough` if all events before this batch are gone."""
    return {_key(kind): first * BATCH_SIZE - 1 for kind in contents.TYPES}


def _key(kind: str) -> str:
    return kind.replace(".", "_")  # A dot in a key is a path.


def _switch_on() -> Document:
    """Store that changes are recorded, and return the stored document."""
    is_on = {"$ifNull": ["$isOn", False]}
    # No earlier reader may go on, because the changes since then were not recorded.
    kept_from = {"$max": ["$keptFrom", last_number() + 1]}
    gone = {_key(kind): {"$subtract": [{"$multiply": [kept_from, BATCH_SIZE]}, 1]} for kind in contents.TYPES}
    values = {
        "isOn": True,
        "since": {"$cond": [is_on, "$since", "$$NOW"]},
        "readAt": "$$NOW",
        "keptFrom": {"$cond": [is_on, "$keptFrom", kept_from]},
        "goneThrough": {"$cond": [is_on, "$goneThrough", gone]},
    }
    before: Document | None = None
    for _ in range(2):
        try:
            before = Feed.collection().find_one_and_update(
                {"_id": FEED}, [{"$set": values}], upsert=True, return_document=ReturnDocument.BEFORE
            )
            break
        except DuplicateKeyError:
            continue  # Another process was faster.
    if before is None or not before["isOn"]:
        _note_last_seqs()
    return stored()


def _note_last_seqs() -> None:
    """Note in the feed up to which seq the messages of open sessions are not recorded: they were stored before."""
    ids = [row["_id"] for row in Session.collection().find({"status": {"$in": list(OPEN)}}, {"_id": 1})]
    for start in range(0, len(ids), NOTED_AT_ONCE):
        last_seqs = sequences.last_seqs(ids[start : start + NOTED_AT_ONCE])
        entries = [{"sessionId": one, "seq": seq, "count": 0, "through": seq} for one, seq in last_seqs.items()]
        while entries:
            batch = {"_id": last_number() + 1, "at": now(), "types": [], "entries": entries}
            try:
                EventBatch.collection().insert_one(batch)
            except DuplicateKeyError:
                socketio.sleep(SOON_SECONDS)  # A relay was faster.
                continue
            break


def keep_up() -> None:
    """Delete what is older than EVENT_DAYS, and stop recording that long after the last listener."""
    if not here.feed or processes.here.wrong_clocks():
        return
    before = now() - timedelta(days=settings.config.value(EVENT_DAYS))
    _purge(before)
    if any(listens() for listens in listeners):
        here.begin()
    elif here.is_known_to_be_on and here.feed["readAt"] < before:
        unread = {"_id": FEED, "isOn": True, "readAt": {"$lt": before}}
        Feed.collection().update_one(unread, {"$set": {"isOn": False}})
        here.look()


def _purge(before: Any) -> None:
    """Delete the batches whose next one is older too. So the last one stays, whose number the next one follows."""
    collection = EventBatch.collection()
    first = _last_batch_before(before)
    feed, gone = stored(), _last_positions(first)
    if not feed.get("goneThrough"):
        # Earlier versions did not note what they deleted.
        gone = _all_before(feed.get("keptFrom", 0)) | gone
    announced = {"keptFrom": first} | {f"goneThrough.{key}": position for key, position in gone.items()}
    # Before anything is deleted, because readers look there after reading.
    Feed.collection().update_one({"_id": FEED}, {"$max": announced})
    earlier = {"_id": {"$lt": first}}
    while some := list(collection.find(earlier, {"_id": 1}, sort=[("_id", 1)], limit=PURGE_BATCHES)):
        _keep_seqs(some[-1]["_id"])
        collection.delete_many({"_id": {"$lte": some[-1]["_id"]}})
    Deletion.collection().delete_many({"at": {"$lt": before}})


def _last_batch_before(time: Any) -> int:
    """Return the number of the last batch that is older; 0 if there is none."""
    low, high = 0, last_number() + 1
    while high - low > 1:
        middle = (low + high) // 2
        # Of those that were deleted, some may be there still.
        batch = EventBatch.collection().find_one({"_id": {"$gte": middle}}, {"at": 1}, sort=[("_id", 1)])
        if batch is not None and batch["at"] < time:
            low = batch["_id"]
        else:
            high = middle
    return low


def _last_positions(before: int) -> Document:
    """Return for each type the position of its last event before a batch."""
    found: Document = {}
    for kind in contents.TYPES:
        which = {"types": kind, "_id": {"$lt": before}}
        if batch := EventBatch.collection().find_one(which, sort=[("_id", -1)]):
            found[_key(kind)] = max(event.position for event in contents.of_batch(batch) if event.type == kind)
    return found


def _keep_seqs(last: int) -> None:
    """Store in sessions up to which seq their messages are recorded, because the batches up to this one are deleted.

    Only where more of them may come. In a session whose end is recorded, all are recorded.
    """
    stages: list[Document] = [
        {"$match": {"_id": {"$lte": last}}},
        {"$unwind": "$entries"},
        {"$match": {"entries.sessionId": {"$exists": True}}},
        {"$group": {"_id": "$entries.sessionId", "through": {"$max": "$entries.through"}}},
    ]
    through = {row["_id"]: row["through"] for row in EventBatch.collection().aggregate(stages)}
    has_not_ended = {"$or": [{"status": {"$in": list(OPEN)}}, {f"{recording.FIELD}.kind": SESSION_ENDED}]}
    ids = list(through)
    for start in range(0, len(ids), NOTED_AT_ONCE):
        these = {"_id": {"$in": ids[start : start + NOTED_AT_ONCE]}, **has_not_ended}
        updates = [
            UpdateOne({"_id": row["_id"]}, {"$max": {"recordedThrough": through[row["_id"]]}})
            for row in Session.collection().find(these, {"_id": 1})
        ]
        if updates:
            Session.collection().bulk_write(updates, ordered=False)
