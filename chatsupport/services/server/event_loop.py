"""Measure how busy the event loop is: a greenlet sleeps, and notes how late it wakes up."""

from __future__ import annotations

import time

from chatsupport.background import Every
from chatsupport.observability import metrics

INTERVAL_SECONDS = 0.25


class Lag:
    """The delay of the event loop."""

    def __init__(self) -> None:
        self._due: float | None = None

    def measure(self) -> None:
        """Record how late this call is, and when the next one is due."""
        time_now = time.monotonic()
        if self._due is not None:
            metrics.LAG.observe(max(0.0, time_now - self._due))
        self._due = time_now + INTERVAL_SECONDS


watch = Every(INTERVAL_SECONDS, Lag().measure)
