"""Sharing one round of work between those who ask for it at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Coalesced:
    """A function of which one round runs at a time, for everybody who asked before it began.

    Each caller returns after a round that began after its call. This saves work and guards no rule: processes know
    nothing of each other's rounds.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._turn = threading.Condition()
        self._asked = 0
        self._done = 0
        self._running = False

    def __call__(self) -> None:
        """Return after a round that began after this call. Raises what that round raised, if this caller ran it."""
        with self._turn:
            self._asked += 1
            mine = self._asked
            while self._running and self._done < mine:
                self._turn.wait()
            if self._done >= mine:
                return
            self._running = True
            covered = self._asked
        try:
            self._work()
        except BaseException:
            covered = 0  # The others run a round of their own.
            raise
        finally:
            with self._turn:
                self._running = False
                self._done = max(self._done, covered)
                self._turn.notify_all()
