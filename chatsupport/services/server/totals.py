"""Running totals, so that statistics cost the same however much there is.

MongoDB itself counts messages and sessions. The durations and waiting times of sessions are added up here, and each
process writes its part once a second. If a process is killed, its unwritten part is missing from the means only.
"""

from __future__ import annotations

import operator
from typing import Any

import pymongo

from chatsupport import serializers
from chatsupport.background import Buffered
from chatsupport.documents import Counters, Message, Session
from chatsupport.documents.session import ENDED, waits_since
from chatsupport.events import SessionAssigned, SessionEnded
from chatsupport.services.server import index_builds

TOTALS = "totals"
FIELDS = ("ended", "endedMs", "assigned", "waitedMs")
_COUNTED = (("messages", Message), ("sessions", Session))
WRITE_SECONDS = 1.0
MEASURE_SECONDS = 3_600.0

_WAITED = {"$subtract": ["$firstAssignedAt", {"$ifNull": ["$handedOverAt", "$createdAt"]}]}
"""As `waits_since` says it."""


def add(**amounts: int) -> None:
    """Add to the totals named in `FIELDS`."""
    for field, amount in amounts.items():
        _pending.add(field, amount)


def count_assigned(event: SessionAssigned) -> None:
    """Count a session that has its first agent, and its waiting time. An event reported late may be counted already."""
    session = event.session
    if not event.is_late and session["assignedAt"] == session.get("firstAssignedAt"):
        add(assigned=1, waitedMs=serializers.milliseconds_between(waits_since(session), session["assignedAt"]))


def count_ended(event: SessionEnded) -> None:
    """Count an ended session and its duration. An event reported late may be counted already."""
    session = event.session
    if not event.is_late:
        add(ended=1, endedMs=serializers.milliseconds_between(session["createdAt"], session["endedAt"]))


def read() -> dict[str, int]:
    """Return the totals, including the part that this process has not written yet."""
    stored = Counters.collection().find_one({"_id": TOTALS}) or {}
    return {field: int(stored.get(field, 0)) + _pending.get(field, 0) for field in FIELDS}


def _write(amounts: dict[str, int]) -> None:
    Counters.collection().update_one({"_id": TOTALS}, {"$inc": amounts}, upsert=True)


_pending: Buffered[str, int] = Buffered(_write, WRITE_SECONDS, merge=operator.add)
flush, reset = _pending.flush, _pending.clear


def counts() -> dict[str, int]:
    """Return the number of messages and sessions: MongoDB's own counts, without documents that are not messages."""
    stored = Counters.collection().find_one({"_id": TOTALS}) or {}
    skew = stored.get("skew", {})
    fences = (
        Message.collection().count_documents({"fence": True}, hint="fences")
        if not index_builds.is_missing("messages.fences")
        else 0
    )
    without = {"messages": fences}
    return {
        name: max(
            0,
            int(document.collection().estimated_document_count()) + int(skew.get(name, 0)) - without.get(name, 0),
        )
        for name, document in _COUNTED
    }


def measure() -> None:
    """Compute the sums if there are none yet, and the errors of MongoDB's own counts. Runs once, at the start.

    MongoDB's counts cost nothing, but after it was killed they may stay wrong.
    """
    flush()
    if Counters.collection().find_one({"_id": TOTALS, "ended": {"$exists": True}}) is None:
        Counters.collection().update_one({"_id": TOTALS}, {"$set": _sums()}, upsert=True)
    with pymongo.timeout(MEASURE_SECONDS):
        skew = {name: _skew(document.collection()) for name, document in _COUNTED}
    Counters.collection().update_one({"_id": TOTALS}, {"$set": {"skew": skew}}, upsert=True)


def _skew(collection: Any) -> int:
    """Return the correction of MongoDB's own count. Documents stored during the count do not make it wrong."""
    before = int(collection.estimated_document_count())
    counted = int(collection.count_documents({}))
    after = int(collection.estimated_document_count())
    if min(before, after) <= counted <= max(before, after):
        return 0
    return counted - after


def _sums() -> dict[str, int]:
    sessions = Session.collection()
    ended = _sum(sessions, {"status": ENDED}, {"$subtract": ["$endedAt", "$createdAt"]})
    assigned = _sum(sessions, {"firstAssignedAt": {"$type": "date"}}, _WAITED)
    return {
        "ended": ended["count"],
        "endedMs": ended["sum"],
        "assigned": assigned["count"],
        "waitedMs": assigned["sum"],
    }


def _sum(collection: Any, match: dict[str, Any], value: dict[str, Any]) -> dict[str, int]:
    stages = [{"$match": match}, {"$group": {"_id": None, "count": {"$sum": 1}, "sum": {"$sum": value}}}]
    rows = list(collection.aggregate(stages))
    return {"count": int(rows[0]["count"]), "sum": int(rows[0]["sum"] or 0)} if rows else {"count": 0, "sum": 0}
