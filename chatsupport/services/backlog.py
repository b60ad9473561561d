"""What waits for the message log, and who writes it: several batches at once, but never two of the same session."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from bson import ObjectId

from chatsupport.extensions import socketio
from chatsupport.services.drafts import Draft

MAX_BATCH = 500
MAX_WRITERS = 2
"""How many batches are under way at once. With one, whoever comes while it is written waits for it and for the next;
with many, batches are small, and each costs the database a commit. bench/ tells what pays off.
"""


class Backlog:
    """Drafts in the order they came. `write` stores one batch and answers every draft of it; it never raises."""

    def __init__(self, write: Callable[[list[Draft]], None]) -> None:
        self._write = write
        self._waiting: deque[Draft] = deque()
        self._in_flight: set[ObjectId] = set()
        self._writers = 0
        self._is_starting = False
        self._changed = threading.Condition()

    def add(self, draft: Draft) -> None:
        """Put a draft behind those that wait, and have it written."""
        with self._changed:
            self._waiting.append(draft)
            if self._is_starting or self._writers >= MAX_WRITERS or draft.session_id in self._in_flight:
                return
            self._writers += 1
            self._is_starting = True
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
            return self._changed.wait_for(lambda: not self._writers, timeout)

    def _write_all(self) -> None:
        """Write batch after batch until there is nothing left that no other writer has to finish first."""
        with self._changed:
            self._is_starting = False
            batch = self._take_batch()
        while batch:
            self._write(batch)
            with self._changed:
                self._in_flight.difference_update([draft.session_id for draft in batch])
                batch = self._take_batch()
                self._changed.notify_all()
        with self._changed:
            self._writers -= 1
            self._changed.notify_all()

    def _take_batch(self) -> list[Draft]:
        """Take what may be written now. The drafts of a session that is being written stay, in their order."""
        batch: list[Draft] = []
        held: list[Draft] = []
        while self._waiting and len(batch) < MAX_BATCH:
            draft = self._waiting.popleft()
            if draft.session_id in self._in_flight:
                held.append(draft)
            elif not draft.abandoned:
                batch.append(draft)
        self._waiting.extendleft(reversed(held))
        self._in_flight.update([draft.session_id for draft in batch])
        return batch


def seconds_until_first_deadline(batch: list[Draft]) -> float:
    """Return the seconds until the first sender of the batch gives up."""
    return min(draft.deadline for draft in batch) - time.monotonic()
