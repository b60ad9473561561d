"""Whether changes are recorded. All processes agree on that without asking the database at each change.

Each process reads it once a second. It trusts "no" only until 2 s after it began to read, and only while the others can
see this process; else it marks its changes in any case, which does no harm. So when recording begins, every change that
is acknowledged 2 s later has a mark, in whatever process; if there is no other process, at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
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
from chatsupport.features.events.documents import FEED, SESSION_ENDED, EventBatch, Feed
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
        feed = Feed.collection().find_one({"_id": FEED}) or {}
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


def kept_from() -> int:
    """Return the number of the first batch that is kept, as it is stored now."""
    feed = Feed.collection().find_one({"_id": FEED}, {"keptFrom": 1}) or {}
    return int(feed.get("keptFrom", 0))


def _switch_on() -> Document:
    """Store that changes are recorded, and return the stored document."""
    is_on = {"$ifNull": ["$isOn", False]}
    # No earlier reader may go on, because the changes since then were not recorded.
    kept_from = {"$max": ["$keptFrom", last_number() + 1]}
    values = {
        "isOn": True,
        "since": {"$cond": [is_on, "$since", "$$NOW"]},
        "readAt": "$$NOW",
        "keptFrom": {"$cond": [is_on, "$keptFrom", kept_from]},
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
    stored: Any = Feed.collection().find_one({"_id": FEED})
    return dict(stored)


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
    """Delete the batches whose next one is older too: a reader that has all of a batch misses nothing until then.

    So the last one is never deleted, whose number the next one follows.
    """
    collection = EventBatch.collection()
    while True:
        rows = list(collection.find({}, {"at": 1}, sort=[("_id", 1)], limit=PURGE_BATCHES + 1))
        old = [row["_id"] for row, following in pairwise(rows) if following["at"] < before]
        if not old:
            break
        _keep_seqs(old[-1])
        # Before they are deleted, because readers look there after reading.
        Feed.collection().update_one({"_id": FEED}, {"$max": {"keptFrom": old[-1] + 1}})
        collection.delete_many({"_id": {"$lte": old[-1]}})
    Deletion.collection().delete_many({"at": {"$lt": before}})


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
