"""What a simulation counts: messages sent and acknowledged, how long that took, and what became of them."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterable

RECENT = 2_000
"""How many of the last acknowledgements the times are of."""


class Tally:
    """The counts of all participants; any thread may add to them."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._acked: dict[str, set[str]] = defaultdict(set)
        self._times: deque[float] = deque(maxlen=RECENT)

    def add(self, name: str, amount: int = 1) -> None:
        """Count something."""
        with self._mutex:
            self._counts[name] += amount

    def __getitem__(self, name: str) -> int:
        """Return how often it was counted."""
        with self._mutex:
            return self._counts[name]

    def acknowledged(self, session_id: str, client_message_id: str, seconds: float) -> None:
        """Note that the server has said to have this message."""
        with self._mutex:
            self._counts["acked"] += 1
            self._acked[session_id].add(client_message_id)
            self._times.append(seconds)

    def acknowledged_of(self, session_id: str) -> set[str]:
        """Return the messages of a session that the server has said to have, by now."""
        with self._mutex:
            return set(self._acked[session_id])

    def check(self, session_id: str, expected: set[str], history: Iterable[str]) -> None:
        """Compare what was acknowledged with what is stored; `history` has the client's ids of the messages."""
        times = Counter(history)
        with self._mutex:
            self._counts["lost"] += len(expected - times.keys())
            self._counts["doubled"] += sum(count - 1 for count in times.values())
            self._counts["checked"] += 1
            self._acked.pop(session_id, None)

    def milliseconds(self, percent: int) -> float:
        """Return a percentile of the last acknowledgements' times; 0 before the first."""
        with self._mutex:
            times = sorted(self._times)
        return times[min(len(times) - 1, len(times) * percent // 100)] * 1000 if times else 0.0
