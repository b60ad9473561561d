"""Count the commands that one thread sends to MongoDB, to hold operations to their budgets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pymongo import monitoring

from chatsupport.services.assignment import queue, serving


class Commands(monitoring.CommandListener):
    """Records the commands of a thread while it counts them. Background commands do not count."""

    def __init__(self) -> None:
        self._noted: dict[int, list[str]] = {}

    @contextmanager
    def counted(self) -> Iterator[list[str]]:
        """Yield the commands that this thread sends in the block, such as `find sessions`."""
        thread = threading.get_ident()
        self._noted[thread] = []
        try:
            yield self._noted[thread]
        finally:
            del self._noted[thread]

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Note a command of a thread that counts."""
        noted = self._noted.get(threading.get_ident())
        if noted is not None:
            noted.append(f"{event.command_name} {event.command[event.command_name]}")

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to do."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to do."""


COMMANDS = Commands()
monitoring.register(COMMANDS)


def remember_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process remember for a minute what it has learned of the queue: a test compares what starts cost."""
    monkeypatch.setattr(queue, "PLENTY_SECONDS", 60.0)
    monkeypatch.setattr(serving, "BUSY_SECONDS", 60.0)
