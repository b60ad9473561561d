"""The counts of a simulation: messages sent and acknowledged, the time that took, and their fate."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterable

CLOSE = 0.3
"""A wait is as estimated if it differs by no more than this part of itself."""
RECENT = 2_000
"""The number of last acknowledgements whose times are kept."""


class Tally:
    """The counts of all participants. Any thread may add to them."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._counts: Counter[str] = Counter()
        self.failure = ""
        """Why the last chat that failed did."""
        self._acked: dict[str, set[str]] = defaultdict(set)
        self._times: deque[float] = deque(maxlen=RECENT)

    def add(self, name: str, amount: int = 1) -> None:
        """Count something."""
        with self._mutex:
            self._counts[name] += amount

    def __getitem__(self, name: str) -> int:
        """Return a count."""
        with self._mutex:
            return self._counts[name]

    def failed(self, reason: str) -> None:
        """Count a chat that failed, and note why."""
        self.add("failed")
        self.failure = reason

    def waited(self, expected: float, seconds: float) -> None:
        """Note how long a visitor has waited for an agent, and what the server had estimated."""
        self.add("estimated")
        self.add("as_estimated", abs(expected - seconds) <= CLOSE * seconds)

    def acknowledged(self, session_id: str, client_message_id: str, seconds: float) -> None:
        """Note that the server has acknowledged this message."""
        with self._mutex:
            self._counts["acked"] += 1
            self._acked[session_id].add(client_message_id)
            self._times.append(seconds)

    def acknowledged_of(self, session_id: str) -> set[str]:
        """Return the acknowledged messages of a session so far."""
        with self._mutex:
            return set(self._acked[session_id])

    def check(self, session_id: str, expected: set[str], history: Iterable[str]) -> None:
        """Compare acknowledged messages with stored ones. `history` has the client's ids of the messages."""
        times = Counter(history)
        with self._mutex:
            self._counts["lost"] += len(expected - times.keys())
            self._counts["doubled"] += sum(count - 1 for count in times.values())
            self._counts["checked"] += 1
            self._acked.pop(session_id, None)

    def milliseconds(self, percent: int) -> float:
        """Return a percentile of the last acknowledgements' times, or 0 before the first."""
        with self._mutex:
            times = sorted(self._times)
        return times[min(len(times) - 1, len(times) * percent // 100)] * 1000 if times else 0.0
