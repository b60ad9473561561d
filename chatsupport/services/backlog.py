"""What waits for the message log, and the one who writes it, batch after batch."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from bson import ObjectId

from chatsupport.extensions import socketio
from chatsupport.services.drafts import Draft

MAX_BATCH = 500


class Backlog:
    """Drafts in the order they came. `write` stores one batch and answers every draft of it; it never raises.

    One batch is under way at a time. With two or three, each waits longer for the disk than it waits for another here
    (docs/performance.md).
    """

    def __init__(self, write: Callable[[list[Draft]], None]) -> None:
        self._write = write
        self._waiting: deque[Draft] = deque()
        self._in_flight: frozenset[ObjectId] = frozenset()
        self._is_writing = False
        self._changed = threading.Condition()

    def add(self, draft: Draft) -> None:
        """Put a draft behind those that wait, and have it written."""
        with self._changed:
            self._waiting.append(draft)
            if self._is_writing:
                return
            self._is_writing = True
        # It begins when this greenlet next waits: what the others send until then comes with it.
        socketio.start_background_task(self._write_all)

    def count_waiting(self) -> int:
        """Return how many drafts wait."""
        return len(self._waiting)

    def settle(self, session_id: ObjectId, timeout: float) -> None:
        """Wait until no batch with this session is under way, for `timeout` seconds at most."""
        with self._changed:
            self._changed.wait_for(lambda: session_id not in self._in_flight, timeout)

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until nothing waits or is being written. False when that took longer than `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_writing, timeout)

    def _write_all(self) -> None:
        """Write batch after batch until nothing waits."""
        while batch := self._next_batch():
            self._write(batch)

    def _next_batch(self) -> list[Draft]:
        """Take what waits; the batch before is done. With nothing, the writer is done too."""
        with self._changed:
            batch: list[Draft] = []
            while self._waiting and len(batch) < MAX_BATCH:
                draft = self._waiting.popleft()
                if not draft.abandoned:
                    batch.append(draft)
            self._in_flight = frozenset([draft.session_id for draft in batch])
            self._is_writing = bool(batch)
            self._changed.notify_all()
        return batch


def seconds_until_first_deadline(batch: list[Draft]) -> float:
    """Return the seconds until the first sender of the batch gives up."""
    return min(draft.deadline for draft in batch) - time.monotonic()
