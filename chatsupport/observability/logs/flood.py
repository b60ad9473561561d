"""A limit on the log lines that one address causes, so that a flood does not push older lines out of the logs."""

from __future__ import annotations

import logging
import threading
import time

from limits import parse

from chatsupport.addresses import counted
from chatsupport.observability.logs.context import current

MAX_ADDRESSES = 10_000
"""Addresses beyond this number are counted together."""
OTHERS = "(others)"
OURS = "chatsupport"
VERDICT = "_is_within_rate"

logger = logging.getLogger(__name__)


class LinesByAddress(logging.Filter):
    """Leaves out the lines beyond an address's rate, and says afterwards how many there were.

    Lines about systems and API keys are not counted, and neither are our own lines that concern no address. Libraries
    do not say which address a line is about, so their lines are counted for each library.
    """

    def __init__(self, rate: str) -> None:
        super().__init__()
        item = parse(rate)
        self._most, self._seconds = item.amount, float(item.get_expiry())
        self._counts: dict[str, list[float]] = {}
        """When each address began to be counted, and its lines since; the one that began first stands first."""
        self._mutex = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to write a line. All handlers of one record share the answer."""
        verdict: bool | None = getattr(record, VERDICT, None)
        if verdict is None:
            key = _key_of(record)
            verdict = key is None or self._is_within_rate(key)
            setattr(record, VERDICT, verdict)
        return verdict

    def _is_within_rate(self, key: str) -> bool:
        now, over = time.monotonic(), []
        with self._mutex:
            while self._counts:
                first, (began, lines) = next(iter(self._counts.items()))
                if began + self._seconds > now:
                    break
                del self._counts[first]
                if lines > self._most:
                    over.append((first, int(lines - self._most)))
            if key not in self._counts and len(self._counts) >= MAX_ADDRESSES:
                key = OTHERS
            count = self._counts.setdefault(key, [now, 0])
            count[1] += 1
            is_within = count[1] <= self._most
        for first, lines in over:
            logger.warning("%d log lines were left out: one address caused too many", lines, extra=_about(first))
        return is_within


def _about(key: str) -> dict[str, object]:
    return {"event": "log_flood", "of": key}


def _key_of(record: logging.LogRecord) -> str | None:
    fields = {**current(), **vars(record)}
    if str(fields.get("caller", "")).startswith("system:"):
        return None
    address = fields.get("address")
    if isinstance(address, str) and address:
        return counted(address)
    return None if record.name.partition(".")[0] == OURS else record.name
