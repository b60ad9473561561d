"""The end of the feed, for those who wait for the next event."""

from __future__ import annotations

import threading
from typing import Any

from chatsupport.background import Throttled
from chatsupport.database.connection import COMMITTED, wait_until_durable
from chatsupport.features.events.documents import EventBatch
from chatsupport.services.messages import message_log

POLL_SECONDS = 0.2


def committed() -> Any:
    """Return the batches that no failover can lose."""
    return EventBatch.collection().with_options(read_concern=COMMITTED)


def last_number() -> int:
    """Return the number of the last batch that no failover can lose, 0 if there is none."""
    last = committed().find_one({}, {"_id": 1}, sort=[("_id", -1)])
    return 0 if last is None else int(last["_id"])


class Tail:
    """The last batch that this process knows of, and that is durable. One look-up serves all that wait in it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._look_soon = Throttled(self._look, POLL_SECONDS)
        self.forget()

    def forget(self) -> None:
        """Know nothing, because another application begins."""
        self.number = 0
        self._waiting = 0

    def wait(self, seen: int, seconds: float) -> None:
        """Wait until there is a batch after the one with this number, or this process is leaving."""
        self._waiting += 1
        self._look_soon()
        try:
            with self._changed:
                self._changed.wait_for(lambda: self.number > seen or message_log.log.is_closed, seconds)
        finally:
            self._waiting -= 1

    def reach(self, number: int) -> None:
        """Note that the feed durably reaches so far, and wake those who wait."""
        with self._changed:
            self.number = max(self.number, number)
            self._changed.notify_all()

    def _look(self) -> None:
        if self._waiting:
            number = last_number()
            if number > self.number:
                wait_until_durable()  # A webhook would otherwise go past a batch that is yet to come.
                self.reach(number)
            self._look_soon()


tail = Tail()
