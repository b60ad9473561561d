"""Work that takes much CPU time, or calls another server, done outside the greenlets, so that no chat waits for it.

The functions must release Python's lock. Only a few run at a time, so that a flood can use up neither the memory nor
the processors. Strangers never get the last place, so that their flood does not keep others out.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from chatsupport.errors import RateLimitedError

AT_ONCE, STRANGERS_AT_ONCE = 2, 1
WAIT_SECONDS = 4.0
FILES_AT_ONCE, PICTURES_AT_ONCE = 4, 1
"""Pictures need much memory while they are decoded."""
FILE_WAIT_SECONDS = 30.0
CALLS_AT_ONCE = 8
CALL_WAIT_SECONDS = 30.0
"""A call to another server takes long and computes little, so that these are counted apart."""
DELIVERIES_AT_ONCE = 48
"""Deliveries to webhooks, which may all hang, have threads of their own."""
THREADS = AT_ONCE + CALLS_AT_ONCE + DELIVERIES_AT_ONCE + FILES_AT_ONCE + PICTURES_AT_ONCE + 1

T = TypeVar("T")
Executor = Callable[..., Any]


def _directly(work: Callable[..., Any], *arguments: Any) -> Any:
    return work(*arguments)


class Offloading:
    """Runs such work: in place, unless the server's greenlets have native threads beside them."""

    def __init__(self) -> None:
        self._execute: Executor = _directly
        self._make_room()

    def _make_room(self) -> None:
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self._room_for_strangers = threading.BoundedSemaphore(STRANGERS_AT_ONCE)
        self._room_for_files = threading.BoundedSemaphore(FILES_AT_ONCE)
        self._room_for_pictures = threading.BoundedSemaphore(PICTURES_AT_ONCE)
        self._room_for_calls = threading.BoundedSemaphore(CALLS_AT_ONCE)
        self._room_for_deliveries = threading.BoundedSemaphore(DELIVERIES_AT_ONCE)

    def bind(self, execute: Executor | None) -> None:
        """Use this to call a function in a native thread; None calls it in place."""
        self._execute = execute or _directly
        self._make_room()

    def offload(self, work: Callable[..., T], *arguments: Any, for_stranger: bool = False) -> T:
        """Return what the function returns. Raises `RateLimitedError` if too many are waiting."""
        rooms = [self._room_for_strangers, self._room] if for_stranger else [self._room]
        with contextlib.ExitStack() as taken:
            for room in rooms:
                if not room.acquire(timeout=WAIT_SECONDS):
                    raise RateLimitedError("sign-ins at once", 5)
                taken.callback(room.release)
            result: T = self._execute(work, *arguments)
            return result

    def call_out(self, work: Callable[..., T], *arguments: Any) -> T:
        """Return what a function returns that calls another server. Raises `RateLimitedError` if too many wait."""
        return self._in(self._room_for_calls, CALL_WAIT_SECONDS, "calls to other servers at once", work, *arguments)

    def examine_file(self, work: Callable[..., T], *arguments: Any) -> T:
        """Return what a function returns that examines a file. Raises `RateLimitedError` if too many wait."""
        return self._in(self._room_for_files, FILE_WAIT_SECONDS, "files at once", work, *arguments)

    def encode_picture(self, work: Callable[..., T], *arguments: Any) -> T:
        """Return what a function returns that encodes a picture. Raises `RateLimitedError` if too many wait."""
        return self._in(self._room_for_pictures, FILE_WAIT_SECONDS, "pictures at once", work, *arguments)

    def _in(
        self, room: threading.BoundedSemaphore, seconds: float, what: str, work: Callable[..., T], *arguments: Any
    ) -> T:
        if not room.acquire(timeout=seconds):
            raise RateLimitedError(what, 30)
        try:
            result: T = self._execute(work, *arguments)
            return result
        finally:
            room.release()

    def deliver(self, work: Callable[..., T], *arguments: Any) -> T:
        """Return what a function returns that sends a webhook's events. Waits for a thread as long as it takes."""
        with self._room_for_deliveries:
            result: T = self._execute(work, *arguments)
            return result


_offloading = Offloading()
bind, offload, call_out = _offloading.bind, _offloading.offload, _offloading.call_out
deliver, examine_file, encode_picture = _offloading.deliver, _offloading.examine_file, _offloading.encode_picture
