"""Running totals: messages, ended sessions and how long they took, assignments and how long they were waited for.

Counting costs the hot path an addition: a process adds up what happens and writes it once a second. What a killed
process had not written yet is missed at first; the reconciler compares the totals with what MongoDB itself counts, and
has them recomputed when they differ.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import Any

from chatsupport.documents import Counters, Message, Session
from chatsupport.documents.session import ACTIVE, ENDED, WAITING
from chatsupport.extensions import socketio

logger = logging.getLogger(__name__)

TOTALS = "totals"
FIELDS = ("messages", "ended", "endedMs", "assigned", "waitedMs")
WRITE_SECONDS = 1.0

_mutex = threading.Lock()
_pending: Counter[str] = Counter()
_writing = False


def reset() -> None:
    """Forget what is not written: another application begins."""
    with _mutex:
        _pending.clear()


def add(**amounts: int) -> None:
    """Add to the totals named in `FIELDS`."""
    global _writing
    with _mutex:
        _pending.update(amounts)
        start = not _writing
        _writing = True
    if start:
        socketio.start_background_task(_write_all)


def read() -> dict[str, int]:
    """Return the totals, with what this process has not written yet."""
    stored = Counters._get_collection().find_one({"_id": TOTALS}) or {}
    with _mutex:
        return {field: int(stored.get(field, 0)) + _pending[field] for field in FIELDS}


def flush() -> None:
    """Write what is pending now."""
    with _mutex:
        amounts = dict(_pending)
        _pending.clear()
    if not amounts:
        return
    try:
        Counters._get_collection().update_one({"_id": TOTALS}, {"$inc": amounts}, upsert=True)
    except Exception:
        with _mutex:
            _pending.update(amounts)
        raise


def correct() -> bool:
    """Recompute the totals where they are not there, or differ from what MongoDB counts. Returns whether they were.

    MongoDB's own counts are free, but after a crash of mongod they may be off for good; by how much is noted when the
    totals are recomputed.
    """
    flush()
    stored = Counters._get_collection().find_one({"_id": TOTALS})
    if stored is not None and "checked" in stored and stored["checked"] == _difference(stored):
        return False
    recomputed = _recompute()
    recomputed["checked"] = _difference(recomputed)
    Counters._get_collection().replace_one({"_id": TOTALS}, recomputed, upsert=True)
    return stored is not None and any(stored.get(field, 0) != recomputed[field] for field in FIELDS)


def _difference(totals: dict[str, Any]) -> list[int]:
    """Return by how much MongoDB's own counts differ from the totals."""
    sessions = Session._get_collection()
    still_open = sessions.count_documents({"status": {"$in": [WAITING, ACTIVE]}})
    fences = Message._get_collection().count_documents({"fence": True}, hint="fences")
    return [
        int(Message._get_collection().estimated_document_count()) - fences - int(totals.get("messages", 0)),
        int(sessions.estimated_document_count()) - still_open - int(totals.get("ended", 0)),
    ]


def _recompute() -> dict[str, Any]:
    sessions = Session._get_collection()
    ended = _sum(sessions, {"status": ENDED}, {"$subtract": ["$endedAt", "$createdAt"]})
    assigned = _sum(sessions, {"firstAssignedAt": {"$type": "date"}}, {"$subtract": ["$firstAssignedAt", "$createdAt"]})
    return {
        "_id": TOTALS,
        "messages": Message._get_collection().count_documents({"fence": None}),
        "ended": ended["count"],
        "endedMs": ended["sum"],
        "assigned": assigned["count"],
        "waitedMs": assigned["sum"],
    }


def _sum(collection: Any, match: dict[str, Any], value: dict[str, Any]) -> dict[str, int]:
    stages = [{"$match": match}, {"$group": {"_id": None, "count": {"$sum": 1}, "sum": {"$sum": value}}}]
    rows = list(collection.aggregate(stages))
    return {"count": int(rows[0]["count"]), "sum": int(rows[0]["sum"] or 0)} if rows else {"count": 0, "sum": 0}


def _write_all() -> None:
    global _writing
    while True:
        socketio.sleep(WRITE_SECONDS)
        try:
            flush()
        except Exception:
            logger.warning("The totals could not be written yet", exc_info=True)
        with _mutex:
            if not _pending:
                _writing = False
                return
