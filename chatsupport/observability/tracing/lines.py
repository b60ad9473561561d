"""The log lines of slow operations, and those of each message at LOG_LEVEL=DEBUG."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chatsupport.observability import logs, metrics
from chatsupport.observability.tracing.operations import Batch, DatabaseTimes, Operation, enter, leave

logger = logging.getLogger(__name__)

MAX_LINES = 10
"""How many slow operations are logged a second. When all are slow, the first few are enough."""


class _Budget:
    """Counts the lines of one kind in this second."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._second = 0
        self._count = 0
        self._left_out = 0

    def take(self) -> dict[str, object] | None:
        """Count a line. Return the fields that say how many were left out before it, or None to leave this one out."""
        metrics.SLOW.add(self.kind)
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        if self._count > MAX_LINES:
            self._left_out += 1
            return None
        left_out, self._left_out = self._left_out, 0
        return {"left_out": left_out} if left_out else {}


_operations, _commands = _Budget("operation"), _Budget("command")
_slow_seconds = float("inf")


def configure(slow_ms: int) -> None:
    """Log operations that take this many milliseconds or more; with 0, none."""
    global _slow_seconds
    _slow_seconds = slow_ms / 1000 if slow_ms else float("inf")


@contextmanager
def batch(operations: list[Operation | None]) -> Iterator[Batch]:
    """Trace the messages of these operations while they are written together."""
    following = Batch(operations)
    outer, fields = enter(following), logs.enter(following.fields)
    try:
        yield following
    finally:
        seconds = time.monotonic() - following.started
        metrics.BATCH_MESSAGES.observe(following.size)
        metrics.BATCH_SECONDS.observe(seconds)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("Batch", extra={"event": "batch", "ms": _ms(seconds), **_database_fields(following.database)})
        logs.leave(fields)
        leave(outer)
        following.operations = []  # They refer to the batch; a reference cycle would stay in memory longer.


def finish(operation: Operation) -> float:
    """Return the seconds that the operation took, and log it if it was slow."""
    seconds = time.monotonic() - operation.started
    if seconds - operation.paused >= _slow_seconds and (left_out := _operations.take()) is not None:
        _log_slow(operation, seconds, left_out)
    if operation.announced and logger.isEnabledFor(logging.DEBUG):
        _log_message(operation, seconds)
    return seconds


def finish_command(name: str, collection: object, seconds: float, *, succeeded: bool) -> None:
    """Log a slow database command: its name and collection, never its content or its result."""
    if seconds >= _slow_seconds and (left_out := _commands.take()) is not None:
        fields = {"event": "slow_command", "command": name, "collection": collection, "succeeded": succeeded}
        logger.warning("A slow command of the database", extra={**fields, "ms": _ms(seconds), **left_out})


def _log_slow(operation: Operation, seconds: float, left_out: dict[str, object]) -> None:
    where = _message_times(operation, seconds) if operation.submitted else _own_times(operation, seconds)
    fields = {"event": "slow", "request_id": operation.request_id, **operation.described(), "ms": _ms(seconds)}
    logger.warning("Slow: %s", fields["operation"], extra={**fields, **where, **left_out})


def _own_times(operation: Operation, seconds: float) -> dict[str, object]:
    """Return the milliseconds that the database took, and the rest."""
    times = operation.database or DatabaseTimes()
    return {
        **_database_fields(times),
        "elsewhere_ms": _ms(seconds - times.waited - times.read - times.written),
    }


def _message_times(operation: Operation, seconds: float) -> dict[str, object]:
    """Return the milliseconds of each step of a message. Without a batch, the message never got that far."""
    ended, following = operation.started + seconds, operation.batch
    taken = ended if following is None else following.started
    fields: dict[str, object] = {
        "before_ms": _ms(operation.submitted - operation.started),
        "waiting_ms": _ms(taken - operation.submitted),
    }
    if following is not None:
        fields |= {"batch": following.number, "batch_size": following.size}
        fields |= _database_fields(following.database)
        if operation.announced:
            written_at = following.database.written_at if following.database is not None else 0.0
            fields["broadcasting_ms"] = _ms(operation.announced - max(written_at, taken))
            fields["acknowledging_ms"] = _ms(ended - operation.announced)
    return fields


def _log_message(operation: Operation, seconds: float) -> None:
    """Log the steps of a message, and after how many milliseconds it reached each."""
    following, moments = operation.batch, {"submitted_ms": operation.submitted}
    if following is None:
        return
    moments["taken_ms"] = following.started
    if following.database is not None:
        moments["admitted_ms"] = following.database.read_at
        moments["inserted_ms"] = following.database.written_at
    moments["broadcast_ms"] = operation.announced
    fields: dict[str, Any] = {name: _ms(moment - operation.started) for name, moment in moments.items() if moment}
    fields |= {"event": "message", "request_id": operation.request_id, **operation.described()}
    fields |= {"seq": operation.seq, "batch": following.number, "batch_size": following.size}
    logger.debug("The way of a message", extra={**fields, "acknowledged_ms": _ms(seconds)})


def _database_fields(times: DatabaseTimes | None) -> dict[str, object]:
    if times is None:
        return {}
    return {
        "connecting_ms": _ms(times.waited),
        "reading_ms": _ms(times.read),
        "writing_ms": _ms(times.written),
        "commands": times.commands,
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
