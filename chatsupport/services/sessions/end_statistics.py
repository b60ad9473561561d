"""The statistics of one ended session, computed once: its number of messages, and how fast they were answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId

from chatsupport import serializers
from chatsupport.documents import Message, Session
from chatsupport.documents.session import WAITING, waits_since
from chatsupport.services.messages import message_log, sequences
from chatsupport.services.server import processes
from chatsupport.services.shared.shared_commands import SharedCommands

Document = dict[str, Any]

_ORDER = {"sessionId": 1, "seq": 1}


def added_to(session: Document) -> Document:
    """Return an ended session with its statistics, and store them if they were not. Its messages change no more."""
    if "totalMessages" in session:
        return session
    statistics, _ = of_ending(session)
    Session.collection().update_one({"_id": session["_id"]}, {"$set": statistics})
    return {**session, **statistics}


def of_ending(session: Document) -> tuple[Document, bool]:
    """Return the statistics of a session that has ended, and whether it is known that nobody waits in the queue now.

    It waits for writes that began before the end, even if another call has ended the session. It looks at the queue
    only if it reads the messages of a session that had an agent: otherwise its end frees no slot.
    """
    message_log.log.wait_for_writes(session["_id"])
    # The command that deletes a bot stores the bot's last line, and is no process that this one knows.
    if session.get("botId") is None and message_log.log.is_empty(session["_id"]):
        return _figures(session, []), False
    if not processes.here.is_alone():
        sequences.fence(session["_id"])  # It cannot wait for the writes of other processes.
    (found,) = _read_together([(session["_id"], session.get("agentId") is not None)])
    return _figures(session, found["messages"]), not found["anybody_waits"]


def _read(ended: Sequence[tuple[ObjectId, bool]]) -> Iterator[Document]:
    """Yield each session's messages in order, and whether anybody waits, if one of these sessions frees a slot."""
    messages: Document = {"sessionId": {"$in": [session_id for session_id, _ in ended]}, "fence": sequences.NO_FENCE}
    shown = {"_id": 0, **dict.fromkeys(("sessionId", "senderId", "senderType", "timestamp"), 1)}
    if any(frees_slot for _, frees_slot in ended):
        next_in_line: list[Document] = [{"$match": {"status": WAITING}}, {"$limit": 1}, {"$project": {"_id": 1}}]
        or_waiting = {"$unionWith": {"coll": Session._meta["collection"], "pipeline": next_in_line}}
        stages: list[Document] = [{"$match": messages}, {"$sort": _ORDER}, {"$project": shown}, or_waiting]
        found = list(Message.collection().aggregate(stages))
    else:
        found = list(Message.collection().find(messages, shown, sort=_ORDER))
    said: dict[ObjectId, list[Document]] = {session_id: [] for session_id, _ in ended}
    anybody_waits = False
    for row in found:
        if "_id" in row:
            anybody_waits = True
        else:
            said[row["sessionId"]].append(row)
    for one in ended:
        yield {"_id": one, "messages": said[one[0]], "anybody_waits": anybody_waits}


_read_together: SharedCommands[tuple[ObjectId, bool]] = SharedCommands(_read)


def _figures(session: Document, messages: list[Document]) -> Document:
    of_people = [(row["senderType"], row["timestamp"]) for row in messages if is_for_people(session, row)]
    return {
        "totalMessages": len(messages),
        "averageResponseTime": response_statistics(of_people),
        "firstResponseMs": first_response_ms(session, messages),
    }


def is_for_people(session: Mapping[str, Any], message: Mapping[str, Any]) -> bool:
    """Tell whether a message counts for how fast people answer: not of a bot, and not before the bot's hand-over."""
    handed_over_at = session.get("handedOverAt")
    is_of_bot = session.get("botId") is not None and message["senderId"] == str(session["botId"])
    return not is_of_bot and (handed_over_at is None or message["timestamp"] >= handed_over_at)


def response_statistics(messages: Iterable[tuple[str, datetime]]) -> float | None:
    """Return the mean seconds from each user's message to the next agent's message, or None if none was answered.

    The messages are given in order as (sender type, time).
    """
    unanswered: list[datetime] = []
    answered, seconds = 0, 0.0
    for sender_type, time in messages:
        if sender_type == "user":
            unanswered.append(time)
        elif sender_type == "agent":
            seconds += sum((time - asked).total_seconds() for asked in unanswered)
            answered += len(unanswered)
            unanswered.clear()
    return round(seconds / answered, 3) if answered else None


def first_response_ms(session: Mapping[str, Any], messages: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the milliseconds for which a session's user waited for the first message of a person, or None.

    The messages are given in order. An agent who asks for help in a session of its own does not answer itself.
    """
    asker = (session["userId"], session.get("userType", "user"))
    for message in messages:
        is_of_asker = (message["senderId"], "agent") == asker
        if message["senderType"] == "agent" and not is_of_asker and is_for_people(session, message):
            return max(0, serializers.milliseconds_between(waits_since(session), message["timestamp"]))
    return None
