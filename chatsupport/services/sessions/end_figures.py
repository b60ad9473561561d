"""What is worked out once when a session has ended: how many messages it had, and how fast they were answered."""

from __future__ import annotations

from typing import Any

from chatsupport.documents import Message, Session
from chatsupport.services.messages import message_log, sequences
from chatsupport.services.server import processes
from chatsupport.services.sessions.response_times import first_response_ms, response_statistics

Document = dict[str, Any]


def complete(session: Document) -> Document:
    """Return an ended session with its statistics, stored if they were not: its messages change no more."""
    if "totalMessages" in session:
        return session
    statistics = of(session)
    Session.collection().update_one({"_id": session["_id"]}, {"$set": statistics})
    return {**session, **statistics}


def of(session: Document) -> Document:
    """Return the statistics of a session that has ended.

    Writes that began before the end are waited for, also by who comes second and finds the session ended.
    """
    message_log.log.settle(session["_id"])
    if not processes.here.is_alone():
        sequences.fence(session["_id"])  # The writes of other processes cannot be waited for.
    rows = list(
        Message.collection().find(
            {"sessionId": session["_id"], "fence": sequences.NO_FENCE},
            {"_id": 0, "senderId": 1, "senderType": 1, "timestamp": 1},
            sort=[("seq", 1)],
        )
    )
    total, response_time = response_statistics((row["senderType"], row["timestamp"]) for row in rows)
    return {
        "totalMessages": total,
        "averageResponseTime": response_time,
        "firstResponseMs": first_response_ms(session, rows),
    }
