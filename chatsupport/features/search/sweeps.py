"""What makes up for kills, standstills and failovers, and indexes what there was before there was a search."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
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
    batch: list[Mapping[str, Any]] = []
    for session in Session.collection().find({"status": {"$in": list(OPEN)}}, {"updatedAt": 1}):
        batch.append(session)
        if len(batch) == LOOKED_AT:
            _look(batch)
            batch = []
    _look(batch)


def _look(sessions: Sequence[Mapping[str, Any]], *, own: bool = False) -> None:
    """Compare the entries of these sessions with when they were changed, and with their last messages; and with their
    `own` words, which another release may make otherwise.
    """
    ids = [session["_id"] for session in sessions]
    shown = {"through": 1, "changedAt": 1, **({"own": 1} if own else {})}
    entries = {row.pop("_id"): row for row in SearchEntry.collection().find({"_id": {"$in": ids}}, shown)}
    last_seqs = sequences.last_seqs(ids)

    def as_it_should_be(session: Mapping[str, Any]) -> dict[str, Any]:
        entry = {"through": last_seqs.get(session["_id"], 0), "changedAt": session.get("updatedAt")}
        return {**entry, "own": indexing.own_words(session)} if own else entry

    behind = [each["_id"] for each in sessions if entries.get(each["_id"]) != as_it_should_be(each)]
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
        sessions = list(Session.collection().find(after, indexing.NEEDED, sort=[("_id", 1)], limit=BATCH))
        ids = [session["_id"] for session in sessions]
        if state.get("ended"):
            _look(sessions, own=True)
        elif ids:
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
