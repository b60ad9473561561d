"""Calls that share commands to the database: those that come during a command go together into the next one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from chatsupport.errors import DatabaseUnavailableError

Document = dict[str, Any]
Item = TypeVar("Item")


@dataclass(slots=True, eq=False)
class _Round(Generic[Item]):
    """The calls that share one command, and its results."""

    items: dict[Item, None] = field(default_factory=dict)
    """In the order of the calls, each once."""
    waiting: list[threading.Lock] = field(default_factory=list)
    results: dict[Item, Document] = field(default_factory=dict)
    error: Exception | None = None
    is_done: bool = False


class SharedCommands(Generic[Item]):
    """Look-ups by id, or writes. A single one is a command at once; many at a time share few commands.

    `run` sends the command for some items, in the order of their calls, and yields a result for each that has one: a
    document whose `_id` is the item. Up to `at_once` commands are in progress. A command begins after the calls of all
    that share it, so each sees everything written before its call.
    """

    def __init__(self, run: Callable[[list[Item]], Iterable[Document]], *, at_once: int = 1) -> None:
        self._run = run
        self._at_once = at_once
        self._mutex = threading.Lock()
        self._gathering: _Round[Item] = _Round()
        self._in_progress = 0

    def __call__(self, items: Iterable[Item]) -> list[Document]:
        """Return the results of those items that have one. Raises the error of the command, whoever sent it."""
        wanted = list(items)
        with self._mutex:
            mine = self._gathering
            mine.items.update(dict.fromkeys(wanted))
            turn: threading.Lock | None = None
            if self._in_progress == self._at_once:
                turn = threading.Lock()
                turn.acquire()
                mine.waiting.append(turn)
            else:
                self._in_progress += 1
                self._gathering = _Round()  # Later callers are in the next one.
        if turn is not None:
            turn.acquire()
        if not mine.is_done:
            self._complete(mine)
        if mine.error is not None:
            raise mine.error
        return [mine.results[item] for item in wanted if item in mine.results]

    def _complete(self, mine: _Round[Item]) -> None:
        try:
            mine.results = {result["_id"]: result for result in self._run(list(mine.items))}
        except Exception as error:
            mine.error = error  # `__call__` raises it, here and for all who share the round.
        except BaseException:
            mine.error = DatabaseUnavailableError()  # It ends this caller alone.
            raise
        finally:
            with self._mutex:
                mine.is_done = True
                following = self._gathering.waiting
                if following:
                    self._gathering = _Round()  # The last of them runs it, who has most of its time left.
                else:
                    self._in_progress -= 1
            for turn in [*mine.waiting, *following[-1:]]:
                turn.release()
