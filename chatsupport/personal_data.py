"""What a feature keeps about people, and how it is exported and erased.

Each feature that keeps such data says so in its `FEATURE`, so `features/privacy` can export and erase people without
knowing that feature. It knows itself what the core keeps about people.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo.collection import Collection

from chatsupport.extensions import socketio
from chatsupport.identity import Caller

Document = dict[str, Any]

RANGE = 100_000
"""How many documents one command looks through where no index helps."""


@dataclass(frozen=True)
class Erasure:
    """Taking a person out of what was stored up to a time. Whoever comes back later is somebody new."""

    person: Caller
    until: datetime
    pseudonym: str = field(default_factory=lambda: f"erased-{secrets.token_hex(16)}")
    """What is stored in the place of the person's id."""

    @property
    def not_later(self) -> Document:
        """The condition on the time at which something was stored."""
        return {"$not": {"$gt": self.until}}


def _nothing(*_: object) -> None:
    """Do nothing: the feature keeps nothing of this kind."""


@dataclass(frozen=True, kw_only=True)
class PersonalData:
    """How a feature exports and erases what it keeps about a person. Each erasure may be repeated."""

    export: Callable[[Caller], Document]
    """Returns the fields that the feature adds to the export of a person."""
    erase: Callable[[Erasure], None] = _nothing
    """Erases what an index finds, except what is about the person's sessions."""
    erase_in_sessions: Callable[[Erasure, Sequence[ObjectId]], None] = _nothing
    """Erases what is about these sessions, in which the person was the visitor. They have ended."""
    delete_with_sessions: Callable[[Sequence[ObjectId]], None] = _nothing
    """Deletes what is about these sessions, which are deleted for their age."""
    erase_elsewhere: Callable[[Erasure], None] = _nothing
    """Erases what no index finds. It looks through `ranges`, and may be interrupted for lack of time."""


def ranges(collection: Collection[Document]) -> Iterator[Document]:
    """Yield conditions by which all of a collection is looked through bit by bit, with a pause for others between."""
    bounds: Document = {}
    while True:
        last = collection.find_one({"_id": bounds} if bounds else {}, {"_id": 1}, sort=[("_id", 1)], skip=RANGE - 1)
        if last is None:
            yield {"_id": bounds} if bounds else {}
            return
        yield {"_id": {**bounds, "$lte": last["_id"]}}
        bounds = {"$gt": last["_id"]}
        socketio.sleep(0)
