"""An operation: its id, and the moments at which it reached each step."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping
from contextvars import ContextVar, Token

MAX_IDS = 10
"""How many request ids the line of a batch names."""

_numbers = itertools.count(1)
_current: ContextVar[Operation | None] = ContextVar("chatsupport_operation", default=None)


def new_id() -> str:
    """Return a new request id."""
    return os.urandom(16).hex()  # A tenth of what uuid4 costs.


class DatabaseTimes:
    """The database's part in an operation: seconds, and the moment at which the last command of each kind ended."""

    __slots__ = ("commands", "read", "read_at", "waited", "written", "written_at")

    def __init__(self) -> None:
        self.commands = 0
        self.waited = self.read = self.written = 0.0
        self.read_at = self.written_at = 0.0


class Operation:
    """One request, event or batch."""

    __slots__ = ("_request_id", "announced", "batch", "database", "name", "paused", "seq", "started", "submitted")

    def __init__(self, name: object, request_id: str = "") -> None:
        self.name = name
        self._request_id = request_id
        self.started = time.monotonic()
        self.paused = 0.0
        """The seconds for which the caller asked to wait. They do not make it slow."""
        self.submitted = 0.0
        """When its message began to wait for a batch; 0 if it has no message."""
        self.announced = 0.0
        """When its message had been broadcast."""
        self.seq = 0
        self.batch: Batch | None = None
        self.database: DatabaseTimes | None = None

    @property
    def request_id(self) -> str:
        """The id in answers and log lines. It is made when it is first read."""
        if not self._request_id:
            self._request_id = new_id()
        return self._request_id

    @property
    def database_times(self) -> DatabaseTimes:
        """The database's part in it; commands add to it."""
        if self.database is None:
            self.database = DatabaseTimes()
        return self.database

    def described(self) -> Mapping[str, object]:
        """Return its name and the like, for a log line."""
        return {"operation": self.name}


class Batch(Operation):
    """A batch of messages that are written together."""

    __slots__ = ("number", "operations", "size")

    def __init__(self, operations: list[Operation | None]) -> None:
        super().__init__("batch")
        self.number = next(_numbers)
        self.size = len(operations)
        self.operations = operations
        for operation in operations:
            if operation is not None:
                operation.batch = self

    @property
    def request_ids(self) -> list[str]:
        """The ids of the first of its messages."""
        return [operation.request_id for operation in self.operations[:MAX_IDS] if operation is not None]

    def fields(self) -> Mapping[str, object]:
        """Return the fields of a log line."""
        return {"batch": self.number, "batch_size": self.size, "request_ids": self.request_ids}


def current() -> Operation | None:
    """Return the operation of this greenlet or thread."""
    return _current.get()


def enter(operation: Operation | None) -> Token[Operation | None]:
    """Make this the operation of this greenlet or thread. Pass the returned value to `leave`."""
    return _current.set(operation)


def leave(token: Token[Operation | None]) -> None:
    """Go back to the operation before."""
    _current.reset(token)
