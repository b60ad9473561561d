"""How a feature's data about people is exported and erased.

Each feature with such data declares it in its `FEATURE`, so `features/privacy` can export and erase people without
knowing the feature. The data of the core is known to `features/privacy` itself.
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
"""How many documents one command searches if no index helps."""


@dataclass(frozen=True)
class Erasure:
    """Erasing a person from the data stored up to a time. A person who comes back later counts as somebody new."""

    person: Caller
    until: datetime
    pseudonym: str = field(default_factory=lambda: f"erased-{secrets.token_hex(16)}")
    """The id that replaces the person's id."""

    @property
    def not_later(self) -> Document:
        """The condition on the time at which a document was stored."""
        return {"$not": {"$gt": self.until}}


def _nothing(*_: object) -> None:
    """Do nothing: the feature keeps nothing of this kind."""


@dataclass(frozen=True, kw_only=True)
class PersonalData:
    """How a feature exports and erases its data about a person. Each erasure may be repeated."""

    export: Callable[[Caller], Document]
    """Returns the fields that the feature adds to the export of a person."""
    erase: Callable[[Erasure], None] = _nothing
    """Erases the data that an index finds, except data about the person's sessions."""
    erase_in_sessions: Callable[[Erasure, Sequence[ObjectId]], None] = _nothing
    """Erases the data about these sessions, in which the person was the visitor. They have ended."""
    erase_texts_in: Callable[[Sequence[ObjectId]], None] = _nothing
    """Forgets what messages of these sessions said: some of them are erased. Called before that and after."""
    delete_with_sessions: Callable[[Sequence[ObjectId]], None] = _nothing
    """Deletes what is about these sessions, which are deleted for their age."""
    erase_elsewhere: Callable[[Erasure], None] = _nothing
    """Erases the data that no index finds. It searches through `ranges`, and may be interrupted for lack of time."""


def ranges(collection: Collection[Document]) -> Iterator[Document]:
    """Yield conditions that cover a collection bit by bit, with pauses for other work."""
    bounds: Document = {}
    while True:
        last = collection.find_one({"_id": bounds} if bounds else {}, {"_id": 1}, sort=[("_id", 1)], skip=RANGE - 1)
        if last is None:
            yield {"_id": bounds} if bounds else {}
            return
        yield {"_id": {**bounds, "$lte": last["_id"]}}
        bounds = {"$gt": last["_id"]}
        socketio.sleep(0)
