"""What a process remembers for the search: what happened in sessions since the last round, and what their entries have.

All of it may be lost. If something about a session is missing here, the session is read from the database.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice, takewhile

from bson import ObjectId

MOST_SESSIONS = 100_000
"""The sweep finds the sessions beyond these."""
MOST_TEXTS = 50_000
MOST_WORDS = 200_000
"""How many words are remembered of all entries together, at most about 20 MB."""


@dataclass(slots=True)
class Noted:
    """A session that has to be indexed, since when, and what was said in it meanwhile, by seq."""

    since: float
    queued_at: float
    """Later than `since`, if it was put back."""
    texts: dict[int, str] = field(default_factory=dict)
    must_be_read: bool = False
    """Whether more may have happened than these texts say."""


class Inbox:
    """The sessions that this process has to index."""

    def __init__(self) -> None:
        self._noted: dict[ObjectId, Noted] = {}
        """In the order in which they were queued."""
        self._texts = 0

    def add_message(self, session_id: ObjectId, seq: int, text: str) -> None:
        """Have a session indexed in which this was said."""
        noted = self._of(session_id)
        if noted is None or noted.must_be_read:
            return
        if self._texts < MOST_TEXTS:
            noted.texts[seq] = text
            self._texts += 1
        else:
            noted.must_be_read = True

    def add(self, session_id: ObjectId) -> None:
        """Have a session read."""
        noted = self._of(session_id)
        if noted is not None:
            noted.must_be_read = True

    def __contains__(self, session_id: ObjectId) -> bool:
        return session_id in self._noted

    def queued_before(self, moment: float) -> list[float]:
        """Return when those sessions were queued that have waited since this moment or longer, the longest first."""
        return list(takewhile(lambda at: at <= moment, (noted.queued_at for noted in self._noted.values())))

    def take(self, most: int | None = None) -> dict[ObjectId, Noted]:
        """Take the sessions that have waited longest: so many, or all."""
        taken = {session_id: self._noted.pop(session_id) for session_id in list(islice(self._noted, most))}
        self._texts -= sum(len(noted.texts) for noted in taken.values())
        return taken

    def put_back(self, left: Mapping[ObjectId, Noted]) -> None:
        """Have the rest of what was taken read in the next round."""
        for session_id, noted in left.items():
            newer = self._noted.get(session_id)
            queued_at = time.monotonic() if newer is None else newer.queued_at
            self._texts -= 0 if newer is None else len(newer.texts)
            self._noted[session_id] = Noted(noted.since, queued_at, must_be_read=True)

    def clear(self) -> None:
        """Forget everything."""
        self.take()

    def _of(self, session_id: ObjectId) -> Noted | None:
        noted = self._noted.get(session_id)
        if noted is None and len(self._noted) < MOST_SESSIONS:
            time_now = time.monotonic()
            noted = self._noted[session_id] = Noted(time_now, time_now)
        return noted


@dataclass(slots=True)
class Known:
    """An entry as this process wrote it last: its revision, the last seq whose words it has, and all its words."""

    revision: ObjectId
    through: int
    words: set[str]


class KnownEntries:
    """The entries that this process wrote lately, as many as there is room for."""

    def __init__(self) -> None:
        self._entries: OrderedDict[ObjectId, tuple[Known, int]] = OrderedDict()
        self._words = 0

    def get(self, session_id: ObjectId) -> Known | None:
        """Return what the session's entry has, if this process wrote it last."""
        found = self._entries.get(session_id)
        return None if found is None else found[0]

    def keep(self, session_id: ObjectId, entry: Known) -> None:
        """Remember an entry that was just written."""
        self.forget(session_id)
        self._entries[session_id] = entry, len(entry.words)
        self._words += len(entry.words)
        while self._words > MOST_WORDS:
            self.forget(next(iter(self._entries)))

    def forget(self, session_id: ObjectId) -> None:
        """Forget an entry, because it may be another one now."""
        found = self._entries.pop(session_id, None)
        if found is not None:
            self._words -= found[1]
