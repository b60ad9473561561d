"""Sharing one round of work between those who ask for it at the same time, or one after the other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from pymongo.errors import PyMongoError

from chatsupport.database.connection import is_unavailable
from chatsupport.extensions import socketio

logger = logging.getLogger(__name__)


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


class Throttled:
    """A function that runs in the background after it was asked for, at once and then at most every so often.

    A round begins after the last call it serves; rounds never overlap.
    """

    def __init__(self, work: Callable[[], None], seconds: float) -> None:
        self._work = work
        self._seconds = seconds
        self._mutex = threading.Lock()
        self._asked = False
        self._running = False

    def __call__(self) -> None:
        """Ask for a round, and do not wait for it."""
        with self._mutex:
            self._asked = True
            if self._running:
                return
            self._running = True
        socketio.start_background_task(self._run)

    def _run(self) -> None:
        while True:
            with self._mutex:
                if not self._asked:
                    self._running = False
                    return
                self._asked = False
            try:
                self._work()
            except Exception as error:
                if not (isinstance(error, PyMongoError) and is_unavailable(error)):
                    logger.exception("Work in the background failed")
            socketio.sleep(self._seconds)
