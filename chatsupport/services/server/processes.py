"""The server processes that use this database. No process assumes that it is alone: it asks the database.

Each has a document and renews it once a second: it writes first, and then looks for others. If it finds none, it is
alone until three seconds after that write began. A new process writes its document, and then waits until every other
process knows it, or until those three seconds are over for all of them. Only then it changes something. So nobody else
changes what a process remembers while it is alone.

A process that was killed or frozen is counted for ten minutes, because one of its writes may still arrive. One that was
silent for half of that comes back as a new process. Each process measures times for itself, with a clock that cannot be
set.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import socket
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from chatsupport import __version__
from chatsupport.database import clock
from chatsupport.database.clock import elapsed, now
from chatsupport.database.connection import measure_time
from chatsupport.documents import Process
from chatsupport.extensions import settings
from chatsupport.observability import metrics

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
HURRIED_SECONDS = 0.1
"""How soon the next beat comes if somebody waits for it."""
ALONE_SECONDS = 3.0
"""How long after its last beat a process may count itself as alone."""
LIVE_SECONDS = 10.0
GONE_SECONDS = 600.0
"""After this much silence a process has no write in progress any more, and is forgotten."""
SILENT_SECONDS = GONE_SECONDS / 2
"""After this much silence of its own, a process starts again with a new id, because the others will soon forget it."""
JUMP_SECONDS = 2.0

Document = dict[str, Any]


@dataclass
class Other:
    """Another process, as far as this one knows it."""

    document: Document
    heard_at: float
    is_beating: bool = False

    @property
    def silence(self) -> float:
        """The seconds of its silence."""
        return elapsed() - self.heard_at

    @property
    def may_be_alone(self) -> bool:
        """Whether it may count itself as alone. A process with a Redis never does."""
        return self.document.get("redis") is None

    @property
    def is_live(self) -> bool:
        """Whether it certainly runs: it has beaten since this process first saw it."""
        return self.is_beating and self.silence < LIVE_SECONDS


class ThisProcess:
    """What one process knows about itself and the others. A process that does not serve (a command) does not beat."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._serves = False
        self._id: ObjectId | None = None
        self._joined_at = 0.0
        self._is_known = False
        self._alone_since = -math.inf
        self._alone_until = 0.0
        self._beat_at = -math.inf
        self._steady_since = math.inf
        self._others: dict[ObjectId, Other] = {}
        self._acknowledged: set[ObjectId] = set()
        self._is_apart = False

    def begin(self) -> None:
        """Become a serving process, which changes nothing before the others know it."""
        self._serves = True

    def is_alone(self) -> bool:
        """Tell whether no other process can have changed anything, or will before this one knows of it."""
        return elapsed() < self._alone_until and settings.config.redis_url is None

    def was_alone_since(self, moment: float) -> bool:
        """Tell whether data read at that moment (of `elapsed`) cannot have been changed by other processes."""
        return moment >= self._alone_since and self.is_alone()

    def is_known(self) -> bool:
        """Tell whether the others know this process, so that it may change data that they remember."""
        return not self._serves or (self._is_known and elapsed() - self._beat_at < SILENT_SECONDS)

    def is_announced(self) -> bool:
        """Tell whether any other process finds this one when it looks (`others`), and all have the same release."""
        return (
            self._id is not None
            and math.isfinite(self._joined_at)
            and elapsed() - self._beat_at < SILENT_SECONDS
            and all(other.document["version"] == __version__ for other in self._others.values())
        )

    @property
    def id(self) -> str | None:
        """This process's id, or None if it does not serve."""
        return None if self._id is None else str(self._id)

    def others(self) -> set[str]:
        """Look which other processes there are now, and return their ids. One look-up."""
        return {str(row["_id"]) for row in Process.collection().find({"_id": {"$ne": self._id}}, {"_id": 1})}

    def steady_seconds(self) -> float:
        """Return the time since the database or this process last stood still, or time jumped."""
        if not self._serves:
            return math.inf
        return 0.0 if elapsed() - self._beat_at > break_seconds() else max(0.0, elapsed() - self._steady_since)

    def beat(self) -> bool:
        """Announce this process, and look for others. Returns whether it is the first beat after a break."""
        if not self._serves:
            return False
        began = elapsed()
        jump = measure_time()
        if self._id is None or began - self._beat_at > SILENT_SECONDS or not self._say():
            self._join()
        self._look()
        if self._id is None:
            return False  # It has left meanwhile.
        others = self._others.values()
        if not others:
            if elapsed() >= self._alone_until:
                self._alone_since = elapsed()
            # Not from now on: another process may have come since this beat began.
            self._alone_until = began + ALONE_SECONDS
        if not self._is_known:
            unaware = [other for other in others if other.may_be_alone and self._id not in other.document["knows"]]
            # A process that was silent for longer no longer counts itself as alone, whatever it knows.
            longest = max((ALONE_SECONDS + 1.0 - other.silence for other in unaware), default=0.0)
            self._is_known = longest <= 0 or elapsed() - self._joined_at >= ALONE_SECONDS
        was_broken = elapsed() - self._beat_at > break_seconds() or abs(jump) > JUMP_SECONDS
        if was_broken:
            self._steady_since = elapsed()
        self._beat_at = began
        self._tell()
        return was_broken

    def pause(self) -> float:
        """Return the seconds until the next beat."""
        is_waited_for = not self._is_known or self._acknowledged != set(self._others)
        return HURRIED_SECONDS if is_waited_for else BEAT_SECONDS

    def leave(self) -> None:
        """Announce that this process has left: none of its writes is in progress."""
        leaving = self._id
        self.reset()
        if leaving is not None:
            Process.collection().delete_one({"_id": leaving})

    def live_others(self) -> list[Document]:
        """Return the documents of the other processes that run now."""
        return [other.document for other in self._others.values() if other.is_live]

    def wrong_clocks(self) -> list[str]:
        """Return a phrase for each clock that differs from the database's: this machine's, others', MongoDB's."""
        ahead = {"this machine": clock.own_offset() or 0.0}
        for other in self._others.values():
            if other.silence < LIVE_SECONDS:
                ahead[other.document["host"]] = other.document.get("clockOffset") or 0.0
        ahead |= {f"MongoDB's member {name}": seconds for name, seconds in clock.wrong_members().items()}
        return [f"{name} is {clock.described(off)} the database's" for name, off in ahead.items() if clock.is_off(off)]

    def _join(self) -> None:
        """Become a new process, because the others may have forgotten the earlier one."""
        self._is_known, self._alone_until, earlier = False, 0.0, self._id
        if not self._serves:
            return  # It has left meanwhile.
        # If no answer comes, the document may have been stored all the same: see `_say`.
        self._id, self._joined_at = ObjectId(), math.inf
        document = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": __version__,
            "startedAt": now(),
            "redis": digest(settings.config.redis_url),
        }
        stages = [{"$set": {name: {"$literal": value} for name, value in document.items()}}, self._pulse()]
        Process.collection().update_one({"_id": self._id}, stages, upsert=True)
        self._joined_at = elapsed()
        if earlier is not None:
            Process.collection().delete_one({"_id": earlier})

    def _say(self) -> bool:
        """Renew the document. False if it is gone."""
        is_there = bool(Process.collection().update_one({"_id": self._id}, [self._pulse()]).matched_count)
        if is_there and math.isinf(self._joined_at):
            self._joined_at = elapsed()
        return is_there

    def _pulse(self) -> Document:
        self._acknowledged = set(self._others)
        return {
            "$set": {"beatAt": "$$NOW", "clockOffset": clock.own_offset(), "knows": sorted(self._acknowledged)},
        }

    def _look(self) -> None:
        rows = {row["_id"]: row for row in Process.collection().find({"_id": {"$ne": self._id}})}
        for process_id, row in rows.items():
            known = self._others.get(process_id)
            if known is None:
                age = max(0.0, (now() - row["beatAt"]).total_seconds())
                self._others[process_id] = Other(row, elapsed() - age)
            elif known.document["beatAt"] != row["beatAt"]:
                self._others[process_id] = Other(row, elapsed(), is_beating=True)
        if self._others:
            self._alone_until = 0.0
        gone = [process_id for process_id, other in self._others.items() if other.silence > GONE_SECONDS]
        if gone:
            Process.collection().delete_many({"_id": {"$in": gone}})
        for process_id in set(self._others) - set(rows) | set(gone):
            del self._others[process_id]

    def _tell(self) -> None:
        """Log once that another process runs that does not share this one's Redis."""
        live, own = self.live_others(), digest(settings.config.redis_url)
        apart = [document for document in live if own is None or document.get("redis") != own]
        metrics.PROCESSES.set({"together": len(live) + 1 - len(apart), "apart": len(apart)})
        if apart and not self._is_apart:
            where = {"host": apart[0]["host"], "pid": apart[0]["pid"]}
            logger.error(
                "Another server process uses this database, and the two share no Redis: people who are connected to "
                "different ones see each other's events late. Set the same REDIS_URL for both",
                extra={"event": "processes_apart", **where},
            )
        self._is_apart = bool(apart)


def break_seconds() -> float:
    """Return the time between two beats that shows that the database or this process stood still.

    It is short enough to notice that before a lease of an agent expires.
    """
    return max(3 * BEAT_SECONDS, min(5.0, settings.config.agent_grace / 2))


def digest(redis_url: str | None) -> str | None:
    """Return a text by which two processes recognize the same Redis, without its password."""
    return None if redis_url is None else hashlib.sha256(redis_url.encode()).hexdigest()[:16]


here = ThisProcess()
