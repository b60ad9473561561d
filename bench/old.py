"""A database that is not empty: sessions that have ended, and their messages."""

from __future__ import annotations

import datetime as dt
from typing import Any

from bson import ObjectId

from bench.stage import TEXT

BATCH = 10_000


def fill(database: Any, sessions: int, messages_each: int, days: int = 0) -> None:
    """Store ended sessions of our server with their messages, spread over the last days."""
    for first in range(0, sessions, BATCH):
        now = dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=days * (1 - first / sessions))
        ids = [ObjectId() for _ in range(min(BATCH, sessions - first))]
        database.sessions.insert_many(
            {
                "_id": session_id,
                "userId": f"old-{first + number}",
                "userType": "user",
                "status": "ended",
                "createdAt": now,
                "updatedAt": now,
                "endedAt": now,
                "totalMessages": messages_each,
            }
            for number, session_id in enumerate(ids)
        )
        database.messages.insert_many(
            {
                "sessionId": session_id,
                "seq": seq,
                "senderId": "old",
                "senderType": "user",
                "message": TEXT,
                "timestamp": now,
            }
            for session_id in ids
            for seq in range(1, messages_each + 1)
        )
