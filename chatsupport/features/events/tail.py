"""The end of the feed, for those who wait for the next event."""

from __future__ import annotations

import threading

from chatsupport.background import Throttled
from chatsupport.features.events import recorder
from chatsupport.services.messages import message_log

POLL_SECONDS = 0.2


class Tail:
    """The last batch that this process knows of. One look-up serves all that wait in it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._look_soon = Throttled(self._look, POLL_SECONDS)
        self.forget()

    def forget(self) -> None:
        """Know nothing, because another application begins."""
        self.number = self.durable = 0
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

    def reach(self, number: int, *, is_durable: bool = False) -> None:
        """Note that the feed reaches so far, and wake those who wait."""
        with self._changed:
            self.number = max(self.number, number)
            if is_durable:
                self.durable = max(self.durable, number)
            self._changed.notify_all()

    def _look(self) -> None:
        if self._waiting:
            self.reach(recorder.last_number())
            self._look_soon()


tail = Tail()
