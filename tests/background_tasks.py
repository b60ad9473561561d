"""Background tasks end with their test, so that none works in the database of the next one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from chatsupport.background import Buffered, Throttled

LONGEST_WORK_SECONDS = 40.0
"""How long a task may go on without a pause after its test."""


class _TestIsOver(BaseException):
    """The test of this background task is over. No `except Exception` catches it."""


class BackgroundTasks:
    """The background tasks of one test, as threads. Those that sleep when the test is over do not wake up again."""

    def __init__(self) -> None:
        self._threads: set[threading.Thread] = set()
        self._is_over = threading.Event()

    def start(self, task: Callable[..., object], *args: Any, **kwargs: Any) -> threading.Thread:
        """Begin a task, in place of the same method of `socketio.Server`."""

        def run() -> None:
            self._threads.add(threading.current_thread())
            try:
                self._end_if_over()
                task(*args, **kwargs)
            except _TestIsOver:
                owner = getattr(task, "__self__", None)
                if isinstance(owner, (Buffered, Throttled)):
                    owner._running = False
            finally:
                self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def sleep(self, seconds: float = 0) -> None:
        """Wait, in place of the same method of `socketio.Server`. A task ends here when its test is over."""
        if threading.current_thread() not in self._threads:
            time.sleep(seconds)
        else:
            self._is_over.wait(seconds)
            self._end_if_over()

    def end(self) -> None:
        """End the tasks that sleep, and wait for what the others are doing."""
        self._is_over.set()
        for thread in list(self._threads):
            thread.join(LONGEST_WORK_SECONDS)
            assert not thread.is_alive(), thread

    def _end_if_over(self) -> None:
        if self._is_over.is_set():
            raise _TestIsOver
