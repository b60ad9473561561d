"""The drafts that wait for the message log, and the writers that store them, batch after batch."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from bson import ObjectId

from chatsupport.extensions import socketio
from chatsupport.services.messages.drafts import Draft

MAX_BATCH = 500
MAX_WRITERS = 3
FEW = 4
"""Up to this many drafts, waiting or being written, may have a batch each. With more, larger batches cost less."""


class Backlog:
    """Drafts in the order they came. `write` stores one batch and answers every draft of it; it never raises.

    Under light load, up to `MAX_WRITERS` batches are in progress, so that a draft arriving during one need not wait for
    its flush; a session is in one of them at most. Under heavy load, one batch takes all that came during the last one.
    """

    def __init__(self, write: Callable[[list[Draft]], None]) -> None:
        self._write = write
        self._waiting: deque[Draft] = deque()
        self._in_flight: set[ObjectId] = set()
        self._writing = 0  # Drafts.
        self._writers = 0
        self._is_starting = False
        self._changed = threading.Condition()

    def add(self, draft: Draft) -> None:
        """Append a draft, which is written soon."""
        with self._changed:
            self._waiting.append(draft)
            if self._is_starting or draft.session_id in self._in_flight:
                return
            if self._writers and (self._writers == MAX_WRITERS or not self._are_few()):
                return
            self._writers += 1
            self._is_starting = True
        # The write begins when this greenlet next waits, so messages sent until then join the batch.
        socketio.start_background_task(self._write_all)

    def count_waiting(self) -> int:
        """Return the number of waiting drafts."""
        return len(self._waiting)

    def wait_for_writes(self, session_id: ObjectId, timeout: float) -> None:
        """Wait until no batch with this session is in progress, for at most `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: session_id not in self._in_flight, timeout)

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until nothing waits or is being written. False if that takes longer than `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._writers, timeout)

    def _write_all(self) -> None:
        """Write batch after batch, until other writers take everything that is left."""
        self._is_starting = False
        batch: list[Draft] = []
        while batch := self._next_batch(batch):
            self._write(batch)

    def _next_batch(self, done: list[Draft]) -> list[Draft]:
        """Take the waiting drafts after the previous batch. If there are none, the writer ends."""
        with self._changed:
            self._writing -= len(done)
            self._in_flight.difference_update(draft.session_id for draft in done)
            batch = self._take() if self._writers == 1 or self._are_few() else []
            self._writing += len(batch)
            self._in_flight.update(draft.session_id for draft in batch)
            if not batch:
                self._writers -= 1
            self._changed.notify_all()
        return batch

    def _take(self) -> list[Draft]:
        """Take the waiting drafts in order, except those of sessions in other batches."""
        batch: list[Draft] = []
        staying: list[Draft] = []
        while self._waiting and len(batch) < MAX_BATCH:
            draft = self._waiting.popleft()
            if draft.session_id in self._in_flight:
                staying.append(draft)
            elif not draft.abandoned:
                batch.append(draft)
        self._waiting.extendleft(reversed(staying))
        return batch

    def _are_few(self) -> bool:
        return self._writing + len(self._waiting) <= FEW


def seconds_until_first_deadline(batch: list[Draft]) -> float:
    """Return the seconds until the first sender of the batch gives up."""
    return min(draft.deadline for draft in batch) - time.monotonic()
