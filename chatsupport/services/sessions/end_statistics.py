"""The statistics of one ended session, computed once: its number of messages, and how fast they were answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from chatsupport import serializers
from chatsupport.documents import Message, Session
from chatsupport.documents.session import WAITING
from chatsupport.services.messages import message_log, sequences
from chatsupport.services.server import processes

Document = dict[str, Any]


def added_to(session: Document) -> Document:
    """Return an ended session with its statistics, and store them if they were not. Its messages change no more."""
    if "totalMessages" in session:
        return session
    statistics, _ = of_ending(session)
    Session.collection().update_one({"_id": session["_id"]}, {"$set": statistics})
    return {**session, **statistics}


def of_ending(session: Document) -> tuple[Document, bool]:
    """Return the statistics of a session that has ended, and whether nobody waits in the queue now.

    It waits for writes that began before the end, even if another call has ended the session.
    """
    message_log.log.wait_for_writes(session["_id"])
    if not processes.here.is_alone():
        sequences.fence(session["_id"])  # It cannot wait for the writes of other processes.
    next_in_line: list[Document] = [{"$match": {"status": WAITING}}, {"$limit": 1}, {"$project": {"_id": 1}}]
    found = list(
        Message.collection().aggregate(
            [
                {"$match": {"sessionId": session["_id"], "fence": sequences.NO_FENCE}},
                {"$sort": {"seq": 1}},
                {"$project": {"_id": 0, "senderId": 1, "senderType": 1, "timestamp": 1}},
                {"$unionWith": {"coll": Session._meta["collection"], "pipeline": next_in_line}},
            ]
        )
    )
    rows = [row for row in found if "_id" not in row]
    total, response_time = response_statistics((row["senderType"], row["timestamp"]) for row in rows)
    return {
        "totalMessages": total,
        "averageResponseTime": response_time,
        "firstResponseMs": first_response_ms(session, rows),
    }, len(rows) == len(found)


def response_statistics(messages: Iterable[tuple[str, datetime]]) -> tuple[int, float | None]:
    """Return the number of messages, and the mean seconds from each user's message to the next agent's message.

    The messages are given in order as (sender type, time). The mean is None if no user's message was answered.
    """
    total = 0
    unanswered: list[datetime] = []
    answered, seconds = 0, 0.0
    for sender_type, time in messages:
        total += 1
        if sender_type == "user":
            unanswered.append(time)
        elif sender_type == "agent":
            seconds += sum((time - asked).total_seconds() for asked in unanswered)
            answered += len(unanswered)
            unanswered.clear()
    return total, round(seconds / answered, 3) if answered else None


def first_response_ms(session: Mapping[str, Any], messages: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the milliseconds from a session's start to the first message of an agent, or None.

    The messages are given in order. An agent who asks for help in a session of its own does not answer itself.
    """
    asker = (session["userId"], session.get("userType", "user"))
    for message in messages:
        if message["senderType"] == "agent" and (message["senderId"], "agent") != asker:
            return max(0, serializers.milliseconds_between(session["createdAt"], message["timestamp"]))
    return None
