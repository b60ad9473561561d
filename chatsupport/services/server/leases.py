"""Leases in the database: one process at a time does a piece of timed work, and a killed one is replaced.

Work under a lease does no harm if two processes do it at once, as after a long standstill.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

from pymongo.errors import DuplicateKeyError

from chatsupport import documents
from chatsupport.database.clock import now
from chatsupport.services.server import readiness

HOUSEKEEPING_SECONDS = 15.0
"""The time until another process takes over the work of a killed one."""


class Lease:
    """A lease that one process at a time has, for some seconds after each renewal. `when` tells if this one may."""

    def __init__(self, name: str, seconds: float, *, when: Callable[[], bool] = lambda: True) -> None:
        self.name = name
        self._seconds = seconds
        self._when = when
        self._owner = ""

    def hold(self) -> bool:
        """Take the lease, or renew it. False while another process has it."""
        if not self._when():
            return False
        # Not before: processes may be forked from one that has imported this.
        self._owner = self._owner or uuid.uuid4().hex
        time = now()
        free_or_mine = {"_id": self.name, "$or": [{"owner": self._owner}, {"expiresAt": {"$lte": time}}]}
        lease = {"owner": self._owner, "expiresAt": time + timedelta(seconds=self._seconds)}
        try:
            documents.Lease.collection().update_one(free_or_mine, {"$set": lease}, upsert=True)
        except DuplicateKeyError:
            return False
        return True

    def release(self) -> None:
        """Give up the lease, if this process still has it."""
        documents.Lease.collection().delete_one({"_id": self.name, "owner": self._owner})


HOUSEKEEPING = Lease("housekeeping", HOUSEKEEPING_SECONDS, when=readiness.is_ready)
"""The process that holds this lease does nearly all timed work, once it may change anything."""
