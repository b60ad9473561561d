"""The lines of slow operations, and of each message at LOG_LEVEL=DEBUG."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chatsupport import logs, metrics
from chatsupport.tracing.operations import Batch, DatabaseTimes, Operation, enter, leave

logger = logging.getLogger(__name__)

MAX_LINES = 10
"""How many slow operations are logged a second: when all are slow, the first few tell."""


class _Lines:
    """How slow is slow, and how many lines there were in this second."""

    def __init__(self) -> None:
        self.slow_seconds = float("inf")
        self.second = 0
        self.count = 0
        self.left_out = 0


_lines = _Lines()


def configure(slow_ms: int) -> None:
    """Log what takes longer than so many milliseconds; 0 for nothing."""
    _lines.slow_seconds = slow_ms / 1000 if slow_ms else float("inf")


@contextmanager
def batch(operations: list[Operation | None]) -> Iterator[Batch]:
    """Follow the messages of these operations while they are written together."""
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
        following.operations = []  # They know the batch: who knows each other in a circle stays in memory for longer.


def finish(operation: Operation) -> float:
    """Return the seconds it took, and log what there is to log."""
    seconds = time.monotonic() - operation.started
    if seconds >= _lines.slow_seconds:
        metrics.SLOW.add("operation")
        if _may_log():
            _log_slow(operation, seconds)
    if operation.announced and logger.isEnabledFor(logging.DEBUG):
        _log_message(operation, seconds)
    return seconds


def finish_command(name: str, collection: object, seconds: float, *, succeeded: bool) -> None:
    """Log a command of the database that was slow: what it was, never what it asked or got."""
    if seconds < _lines.slow_seconds:
        return
    metrics.SLOW.add("command")
    if _may_log():
        fields = {"event": "slow_command", "command": name, "collection": collection, "succeeded": succeeded}
        logger.warning("A slow command of the database", extra={**fields, "ms": _ms(seconds), **_left_out()})


def _log_slow(operation: Operation, seconds: float) -> None:
    where = _message_times(operation, seconds) if operation.submitted else _own_times(operation, seconds)
    fields = {"event": "slow", "request_id": operation.request_id, **operation.described(), "ms": _ms(seconds)}
    logger.warning("Slow: %s", fields["operation"], extra={**fields, **where, **_left_out()})


def _own_times(operation: Operation, seconds: float) -> dict[str, object]:
    """Return what the database took of its time, and what is left, in milliseconds."""
    times = operation.database or DatabaseTimes()
    return {
        **_database_fields(times),
        "elsewhere_ms": _ms(seconds - times.waited - times.read - times.written),
    }


def _message_times(operation: Operation, seconds: float) -> dict[str, object]:
    """Return what each part of a message's way took, in milliseconds. Without a batch, it never got that far."""
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
    """Log a message's way: after how many milliseconds it was where."""
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


def _may_log() -> bool:
    """Tell whether there may be one more line in this second."""
    second = int(time.monotonic())
    if second != _lines.second:
        _lines.second, _lines.count = second, 0
    _lines.count += 1
    if _lines.count <= MAX_LINES:
        return True
    _lines.left_out += 1
    return False


def _left_out() -> dict[str, object]:
    """Return how many lines were left out since the last one, where there were any."""
    left_out, _lines.left_out = _lines.left_out, 0
    return {"left_out": left_out} if left_out else {}


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
