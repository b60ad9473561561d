"""Leases in the database: one process at a time does a piece of timed work, and a killed one is replaced.

Work under a lease does no harm if two processes do it at once, as after a long standstill.

Much work asks for the same lease, so a process remembers the answer: that it holds the lease, for a third of the time
until it would expire; that another process does, for a second.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

from pymongo.errors import DuplicateKeyError

from chatsupport import documents
from chatsupport.background import Remembered
from chatsupport.database.clock import elapsed, now
from chatsupport.services.server import readiness

HOUSEKEEPING_SECONDS = 15.0
"""The time until another process takes over the work of a killed one."""
REFUSED_SECONDS = 1.0
"""How long a process does not ask again for a lease that another one has."""


class Lease:
    """A lease that one process at a time has, for some seconds after each renewal. `when` tells if this one may."""

    def __init__(self, name: str, seconds: float, *, when: Callable[[], bool] = lambda: True) -> None:
        self.name = name
        self._seconds = seconds
        self._when = when
        self._owner = ""
        self._answer: Remembered[bool] = Remembered()

    def hold(self) -> bool:
        """Take the lease, or renew it if it is time. False while another process has it."""
        if not self._when():
            return False
        if (answer := self._answer.get()) is not None:
            return answer
        # Not before: processes may be forked from one that has imported this.
        self._owner = self._owner or uuid.uuid4().hex
        began, time = elapsed(), now()
        free_or_mine = {"_id": self.name, "$or": [{"owner": self._owner}, {"expiresAt": {"$lte": time}}]}
        lease = {"owner": self._owner, "expiresAt": time + timedelta(seconds=self._seconds)}
        try:
            documents.Lease.collection().update_one(free_or_mine, {"$set": lease}, upsert=True)
        except DuplicateKeyError:
            self._answer.keep(False, REFUSED_SECONDS)
            return False
        self._answer.keep(True, began + self._seconds / 3 - elapsed())
        return True

    def forget(self) -> None:
        """Ask the database next time whether this process has the lease."""
        self._answer.forget()

    def release(self) -> None:
        """Give up the lease, if this process still has it."""
        self.forget()
        documents.Lease.collection().delete_one({"_id": self.name, "owner": self._owner})


HOUSEKEEPING = Lease("housekeeping", HOUSEKEEPING_SECONDS, when=readiness.is_ready)
"""The process that holds this lease does nearly all timed work, once it may change anything."""
