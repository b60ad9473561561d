"""Force races: something happens exactly between two steps, or the process dies there."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.errors import NetworkTimeout

WRITES = ("insert_one", "update_one", "update_many", "find_one_and_update", "find_one_and_delete", "delete_one")


class Killed(BaseException):
    """The process ends here. No `except Exception` catches it."""


def just_before(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, action: Callable[[], object]) -> None:
    """Do this once, immediately before the first call of `owner.name`."""
    _intervene(monkeypatch, owner, name, before=action)


def just_after(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, action: Callable[[], object]) -> None:
    """Do this once, immediately after the first call of `owner.name`."""
    _intervene(monkeypatch, owner, name, after=action)


def lose_reply(monkeypatch: pytest.MonkeyPatch, collection: str, name: str) -> None:
    """Let the next write of this name reach the collection, but lose the reply, so that its caller gives up."""
    original = getattr(Collection, name)

    @functools.wraps(original)
    def write(self: Collection[Any], *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        if self.name != collection:
            return result
        monkeypatch.setattr(Collection, name, original)
        raise NetworkTimeout("The reply was lost")

    monkeypatch.setattr(Collection, name, write)


def _intervene(
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    before: Callable[[], object] | None = None,
    after: Callable[[], object] | None = None,
) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(owner, name, original)
        if before is not None:
            _elsewhere(before)
        result = original(*args, **kwargs)
        if after is not None:
            _elsewhere(after)
        return result

    monkeypatch.setattr(owner, name, call)


def _elsewhere(action: Callable[[], object]) -> None:
    """Run it in another thread, which shares no Flask context with the one it interrupts."""
    pool = ThreadPoolExecutor(1)
    try:
        pool.submit(action).result()
    finally:
        pool.shutdown(wait=False)  # Waiting would go on even after the test's time is over.


@contextmanager
def kill_before_write(number: int) -> Iterator[list[str]]:
    """Die instead of the `number`-th write to the database in the block. Yields the writes before it.

    Only this thread's writes count, because background writes (counters, audit) happen at any time.
    """
    done: list[str] = []
    thread = threading.get_ident()

    def counted(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def write(self: Collection[Any], *args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != thread:
                return original(self, *args, **kwargs)
            if len(done) + 1 >= number:
                raise Killed
            done.append(f"{self.name}.{name}")
            return original(self, *args, **kwargs)

        return write

    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in WRITES:
            monkeypatch.setattr(Collection, name, counted(name, getattr(Collection, name)))
        yield done
