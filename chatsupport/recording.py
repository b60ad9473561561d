"""Marks of changes, for a feature that records everything that happens (`Feature.recorder`).

A change is recorded if and only if it is stored: its mark is in the document that changes, put there by the same write.
The recorder moves the marks on, oldest first (`features/events/relay.py`). While nothing is recorded, there are none.
Messages need none, because their `seq` counts them.

The decision is made before the write. Recording may begin while the write is in progress, so `look_after` adds the mark
then, before the change is acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo.collection import Collection

from chatsupport.database.clock import now

Document = dict[str, Any]
Marks = list[Document]

FIELD = "unrecorded"
"""The field of a document with the marks that are not recorded yet."""

SESSION_UPDATED, SESSION_RATED, NOTE_CREATED = "session.updated", "session.rated", "note.created"
AGENT_CREATED, AGENT_CHANGED, AGENT_DELETED = "agent.created", "agent.changed", "agent.deleted"


@dataclass(frozen=True, kw_only=True)
class Recorder:
    """A feature that records changes."""

    is_on: Callable[[], bool]
    """Tells whether a change must have a mark. It sends no command, and says yes while it does not know."""
    begin: Callable[[], None]
    """Records every change that is acknowledged after this returns, by any process."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A kind of document about sessions, other than messages, that features store and that is recorded once."""

    kind: str
    documents: type[Any]
    """Each has a `sessionId` and the field `unrecorded`, with an index `unrecorded`."""
    serialize: Callable[[Mapping[str, Any]], Document]
    """Returns such a document as REST shows it to staff."""


_recorders: list[Recorder] = []


def bind(recorders: Sequence[Recorder]) -> None:
    """Record by these from now on."""
    _recorders[:] = recorders


def is_on() -> bool:
    """Tell whether a change must have a mark."""
    return any(recorder.is_on() for recorder in _recorders)


def begin() -> None:
    """Record every change that is acknowledged after this returns."""
    for recorder in _recorders:
        recorder.begin()


def marks(kind: str, mark_id: ObjectId | None = None, at: datetime | None = None) -> Marks:
    """Return the marks of a change that is about to be stored: one, or none where nobody records."""
    return [{"id": mark_id or ObjectId(), "kind": kind, "at": at or now()}] if is_on() else []


def kept(new: Marks) -> Document:
    """Return the values of a new document."""
    return {FIELD: new} if new else {}


def pushed(new: Marks) -> Document:
    """Return the operators of an update."""
    return {"$push": {FIELD: {"$each": new}}} if new else {}


def added(new: Marks) -> Document:
    """Return the values of a pipeline update."""
    return {FIELD: {"$concatArrays": [{"$ifNull": [f"${FIELD}", []]}, {"$literal": new}]}} if new else {}


def look_after(collection: Collection[Document], document_id: Any, kind: str, stored: Marks) -> None:
    """Add the mark of a change that was stored without one, if recording began meanwhile."""
    if not stored and (late := marks(kind)):
        collection.update_one({"_id": document_id}, pushed(late))
