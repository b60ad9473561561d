"""Work that takes the processor for long, outside of the greenlets, so that no chat stands still for it.

What it is worked with must let go of Python's lock. A few are worked at a time, so that a flood can take neither all
memory nor all processors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from chatsupport.errors import RateLimitedError

AT_ONCE = 2
WAIT_SECONDS = 4.0

T = TypeVar("T")
Executor = Callable[..., Any]


def _directly(work: Callable[..., Any], *arguments: Any) -> Any:
    return work(*arguments)


class Offloading:
    """Where such work is done: here, unless the server's greenlets have native threads beside them."""

    def __init__(self) -> None:
        self._execute: Executor = _directly
        self._room = threading.BoundedSemaphore(AT_ONCE)

    def bind(self, execute: Executor | None) -> None:
        """Use this to call a function in a native thread; None calls it where it is."""
        self._execute = execute or _directly
        self._room = threading.BoundedSemaphore(AT_ONCE)

    def offload(self, work: Callable[..., T], *arguments: Any) -> T:
        """Return what the function returns. Raises `RateLimitedError` where too many wait for their turn."""
        room = self._room
        if not room.acquire(timeout=WAIT_SECONDS):
            raise RateLimitedError("sign-ins at once", 5)
        try:
            result: T = self._execute(work, *arguments)
            return result
        finally:
            room.release()


_offloading = Offloading()
bind, offload = _offloading.bind, _offloading.offload
