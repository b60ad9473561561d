"""What events say: their objects as REST shows them to staff, as they are when somebody reads the event.

The feed stores only which object an event is about. So nothing about a person has to be erased from the feed: what is
erased or deleted has empty data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId

from chatsupport import feature, recording, serializers
from chatsupport.documents import Agent, Deletion, Message
from chatsupport.features.events.documents import BATCH_SIZE, MESSAGE_CREATED
from chatsupport.services.messages import sequences
from chatsupport.services.sessions import reading

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event of the feed, without its data."""

    position: int
    type: str
    id: str
    at: datetime
    session_id: ObjectId | None = None
    seq: int = 0
    about: ObjectId | None = None

    @property
    def subject(self) -> object:
        """The session or agent whose events have an order."""
        return self.session_id or self.about


def of_batch(batch: Mapping[str, Any], after: int = 0) -> Iterator[Event]:
    """Yield the events of a stored batch, those after a position."""
    position = batch["_id"] * BATCH_SIZE
    for entry in batch["entries"]:
        session_id = entry.get("sessionId")
        count = entry.get("count", 1)
        if "count" in entry:
            first = entry["seq"] - count + 1
            for place in range(max(0, after - position), count):
                yield Event(
                    position=position + place + 1,
                    type=MESSAGE_CREATED,
                    id=f"evt_{session_id}{first + place}",
                    at=batch["at"],
                    session_id=session_id,
                    seq=first + place,
                )
        elif position >= after:
            yield Event(
                position=position + 1,
                type=entry["type"],
                id=f"evt_{entry['id']}",
                at=entry["at"],
                session_id=session_id,
                about=entry.get("about"),
            )
        position += count


def shown(events: Sequence[Event]) -> list[Document]:
    """Return the events as clients see them, with their data."""
    data = _data_of(events)
    return [
        {
            "position": event.position,
            "id": event.id,
            "type": event.type,
            # An event is stored a moment after its message.
            "timestamp": data[event.position].get("timestamp", serializers.iso(event.at))
            if event.type == MESSAGE_CREATED
            else serializers.iso(event.at),
            "data": data[event.position],
        }
        for event in events
    ]


def _data_of(events: Sequence[Event]) -> dict[int, Document]:
    """Return the data of each event, by its position."""
    messages = _messages([event for event in events if event.type == MESSAGE_CREATED])
    recorded = {one.kind: one for each in feature.installed() for one in each.recorded}
    others: dict[str, dict[Any, Document]] = {}
    for kind in {event.type for event in events} & recorded.keys():
        ids = [event.about for event in events if event.type == kind]
        rows = recorded[kind].documents.collection().find({"_id": {"$in": ids}})
        others[kind] = {row["_id"]: recorded[kind].serialize(row) for row in rows}
    sessions = reading.describe_many(
        {event.session_id for event in events if event.session_id and event.about is None and not event.seq}
    )
    agents = _agents([event.about for event in events if event.session_id is None])
    data: dict[int, Document] = {}
    for event in events:
        if event.type == MESSAGE_CREATED:
            data[event.position] = messages.get((event.session_id, event.seq), {})
        elif event.type in recorded:
            data[event.position] = others[event.type].get(event.about, {})
        elif event.session_id is not None:
            data[event.position] = sessions.get(event.session_id, {})
        else:
            data[event.position] = agents.get(event.about, {})
    return data


def _messages(events: Sequence[Event]) -> dict[tuple[ObjectId | None, int], Document]:
    by_session: dict[ObjectId | None, list[int]] = {}
    for event in events:
        by_session.setdefault(event.session_id, []).append(event.seq)
    if not by_session:
        return {}
    which = [{"sessionId": session_id, "seq": {"$in": seqs}} for session_id, seqs in by_session.items()]
    rows = Message.collection().find({"$or": which, "fence": sequences.NO_FENCE})
    return {(row["sessionId"], row["seq"]): serializers.message(row) for row in rows if "erased" not in row}


def _agents(ids: Iterable[ObjectId | None]) -> dict[ObjectId | None, Document]:
    these = {"_id": {"$in": [one for one in ids if one is not None]}}
    if not these["_id"]["$in"]:
        return {}
    deleted = {row["_id"]: row.get("agent", {}) for row in Deletion.collection().find(these)}
    return deleted | {row["_id"]: serializers.agent(row) for row in Agent.collection().find(these)}


TYPES = (
    "session.started",
    "session.assigned",
    "session.requeued",
    "session.ended",
    recording.SESSION_UPDATED,
    recording.SESSION_RATED,
    MESSAGE_CREATED,
    recording.NOTE_CREATED,
    recording.AGENT_CREATED,
    recording.AGENT_CHANGED,
    recording.AGENT_DELETED,
)
