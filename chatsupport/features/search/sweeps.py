"""What makes up for kills, standstills and failovers, and indexes what there was before there was a search."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from bson import ObjectId

from chatsupport.documents import Counters, Session
from chatsupport.documents.session import OPEN
from chatsupport.extensions import socketio
from chatsupport.features.search import indexing
from chatsupport.features.search.documents import SearchEntry
from chatsupport.services.messages import sequences

OPEN_SECONDS, ALL_SECONDS = 20.0, 5.0
BATCH, LOOKED_AT = 100, 500
"""How many sessions are indexed, and how many are compared with their entries, at once."""
FIRST_ROUND_SECONDS = 1.0
"""How long one look at sessions that are not indexed yet may take."""
POSITION = "search"


def look_at_open() -> None:
    """Look whether the entries of all open sessions are up to date, and index those that are not."""
    batch: dict[ObjectId, Any] = {}
    for session in Session.collection().find({"status": {"$in": list(OPEN)}}, {"updatedAt": 1}):
        batch[session["_id"]] = session.get("updatedAt")
        if len(batch) == LOOKED_AT:
            _look(batch)
            batch = {}
    _look(batch)


def _look(changed_at: Mapping[ObjectId, Any]) -> None:
    """Compare the entries of these sessions with when they were changed, and with their last messages."""
    ids = list(changed_at)
    rows = SearchEntry.collection().find({"_id": {"$in": ids}}, {"through": 1, "changedAt": 1})
    entries = {row["_id"]: (row["through"], row.get("changedAt")) for row in rows}
    last_seqs = sequences.last_seqs(ids)
    behind = [each for each in ids if entries.get(each) != (last_seqs.get(each, 0), changed_at[each])]
    for start in range(0, len(behind), BATCH):
        _index(behind[start : start + BATCH])
    socketio.sleep(0)


def look_at_all() -> None:
    """Go on through all sessions: quickly the first time, then a few at each call, round and round."""
    state: dict[str, Any] = Counters.collection().find_one({"_id": POSITION}) or {}
    until = time.monotonic() + FIRST_ROUND_SECONDS
    while True:
        position = state.get("position")
        after = {} if position is None else {"_id": {"$gt": position}}
        ids = [row["_id"] for row in Session.collection().find(after, {"_id": 1}, sort=[("_id", 1)], limit=BATCH)]
        if ids:
            _index(ids)
        rounds = state.get("ended", 0) + (len(ids) < BATCH)
        state = {"position": ids[-1] if len(ids) == BATCH else None, "ended": rounds}
        Counters.collection().update_one({"_id": POSITION}, {"$set": state}, upsert=True)
        if rounds or time.monotonic() > until:
            return


def _index(session_ids: list[ObjectId]) -> None:
    # What this process is about to index from memory would have to be read, if it were indexed here before.
    for session_id in indexing.index([each for each in session_ids if not indexing.is_noted(each)]):
        indexing.note(session_id)
    socketio.sleep(0)
