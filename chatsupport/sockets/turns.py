"""Turns: how many events may use the database at once.

A thousand clients that come back after a restart ask for their histories in the same second. If all of them waited for
a connection of the pool, their time would run out. Here they wait in line, and their time starts with their turn.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

MAX_AT_ONCE = 40
"""Fewer than the pool's connections: work without turns (messages, REST, background work) needs some too."""
PATIENCE_SECONDS = 5.0
"""An event that has waited this long goes on: while the database is away, the line does not move."""

_turns = threading.Semaphore(MAX_AT_ONCE)


@contextlib.contextmanager
def turn() -> Iterator[None]:
    """Wait for a turn, for the length of the block."""
    taken = _turns.acquire(timeout=PATIENCE_SECONDS)
    try:
        yield
    finally:
        if taken:
            _turns.release()
