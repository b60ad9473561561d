"""The driver's connections and commands: counted, and added to the operation that caused them.

Only a command's name, collection and duration are read, never its content or its result.
"""

from __future__ import annotations

import time

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
    ConnectionCheckedInEvent,
    ConnectionCheckedOutEvent,
    ConnectionCheckOutFailedEvent,
    ConnectionCheckOutStartedEvent,
    ConnectionClosedEvent,
    ConnectionCreatedEvent,
    ConnectionPoolListener,
    ConnectionReadyEvent,
    PoolClearedEvent,
    PoolClosedEvent,
    PoolCreatedEvent,
    PoolReadyEvent,
)

from chatsupport.observability import metrics, tracing

_WRITES = frozenset(("insert", "update", "delete", "findAndModify", "createIndexes"))


class Connections(ConnectionPoolListener):
    """Counts connections, and measures the wait for one."""

    def __init__(self) -> None:
        self.open = 0
        self.in_use = 0
        metrics.DATABASE_CONNECTIONS.read_by(self.by_state)

    def by_state(self) -> dict[str, float]:
        """Return how many connections are in use, and how many are open and idle."""
        return {"in_use": self.in_use, "idle": max(0, self.open - self.in_use)}

    def connection_created(self, event: ConnectionCreatedEvent) -> None:
        """Count one more."""
        self.open += 1

    def connection_closed(self, event: ConnectionClosedEvent) -> None:
        """Count one less."""
        self.open -= 1

    def connection_checked_out(self, event: ConnectionCheckedOutEvent) -> None:
        """Count a connection in use, and measure the wait for it."""
        self.in_use += 1
        waited = event.duration or 0.0
        metrics.DATABASE_WAIT.observe(waited)
        operation = tracing.current()
        if operation is not None:
            operation.database_times.waited += waited

    def connection_checked_in(self, event: ConnectionCheckedInEvent) -> None:
        """Count one less in use."""
        self.in_use -= 1

    def connection_check_out_failed(self, event: ConnectionCheckOutFailedEvent) -> None:
        """Measure the wait for a connection that was not available in time."""
        metrics.DATABASE_WAIT.observe(event.duration or 0.0)

    def connection_check_out_started(self, event: ConnectionCheckOutStartedEvent) -> None:
        """Wait for the outcome."""

    def connection_ready(self, event: ConnectionReadyEvent) -> None:
        """It was counted when it was made."""

    def pool_created(self, event: PoolCreatedEvent) -> None:
        """There is one pool a server."""

    def pool_ready(self, event: PoolReadyEvent) -> None:
        """There is one pool a server."""

    def pool_cleared(self, event: PoolClearedEvent) -> None:
        """Its connections are closed one by one."""

    def pool_closed(self, event: PoolClosedEvent) -> None:
        """Its connections are closed one by one."""


class Commands(CommandListener):
    """Measures commands."""

    def __init__(self) -> None:
        self._collections: dict[int, object] = {}

    def started(self, event: CommandStartedEvent) -> None:
        """Remember the command's collection, because the event of its end does not name it."""
        name = event.command_name
        self._collections[event.request_id] = event.command.get("collection" if name == "getMore" else name)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Add its time to the operation's."""
        self._end(event, succeeded=True)

    def failed(self, event: CommandFailedEvent) -> None:
        """Add its time to the operation's."""
        self._end(event, succeeded=False)

    def _end(self, event: CommandSucceededEvent | CommandFailedEvent, *, succeeded: bool) -> None:
        collection = self._collections.pop(event.request_id, None)
        name, seconds = event.command_name, event.duration_micros / 1e6
        operation = tracing.current()
        if operation is not None:
            times = operation.database_times
            times.commands += 1
            if name in _WRITES:
                times.written += seconds
                times.written_at = time.monotonic()
            else:
                times.read += seconds
                times.read_at = time.monotonic()
        tracing.finish_command(name, collection if type(collection) is str else None, seconds, succeeded=succeeded)


LISTENERS = (Connections(), Commands())
