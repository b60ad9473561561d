"""A database that is not empty: sessions that have ended, and their messages."""

from __future__ import annotations

import datetime as dt
from typing import Any

from bson import ObjectId

from bench.stage import TEXT
from chatsupport.features.search import indexing, sweeps, words

BATCH = 10_000
KINDS = ("even", "odd")
"""Words that are in half of the sessions each, and never in the same one."""


def fill(database: Any, sessions: int, messages_each: int, days: int = 0, *, are_indexed: bool = False) -> None:
    """Store ended sessions of our server with their messages, spread over the last days.

    With their entries in the search, if they are to be indexed: the server would need hours for a million.
    """
    for first in range(0, sessions, BATCH):
        now = dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=days * (1 - first / sessions))
        batch = range(first, min(first + BATCH, sessions))
        rows = [
            _session(number, now - dt.timedelta(milliseconds=batch.stop - number), messages_each) for number in batch
        ]
        texts = [f"{TEXT} {KINDS[number % len(KINDS)]}" for number in batch]
        database.sessions.insert_many(rows)
        database.messages.insert_many(
            {
                "sessionId": row["_id"],
                "seq": seq,
                "senderId": "old",
                "senderType": "user",
                "message": text,
                "timestamp": row["createdAt"],
            }
            for row, text in zip(rows, texts, strict=True)
            for seq in range(1, messages_each + 1)
        )
        if are_indexed:
            database.search.insert_many(entry(row, text) for row, text in zip(rows, texts, strict=True))
    if are_indexed:
        rounds = {"position": None, "ended": 1}
        database.counters.update_one({"_id": sweeps.POSITION}, {"$set": rounds}, upsert=True)


def _session(number: int, time: dt.datetime, messages: int) -> dict[str, Any]:
    return {
        "_id": ObjectId(),
        "userId": f"old-{number}",
        "userType": "user",
        "status": "ended",
        "createdAt": time,
        "updatedAt": time,
        "endedAt": time,
        "totalMessages": messages,
    }


def entry(session: dict[str, Any], text: str = "") -> dict[str, Any]:
    """Return the search's entry for a session whose messages have these words."""
    own = indexing.own_words(session)
    return {
        "_id": session["_id"],
        "words": [*own, *sorted(words.of(text).difference(own))],
        "own": own,
        "through": session.get("totalMessages", 0),
        "revision": ObjectId(),
        "agentId": session.get("agentId"),
        "status": session["status"],
        "createdAt": session["createdAt"],
        "changedAt": session["updatedAt"],
    }
