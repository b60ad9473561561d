"""Calls that share commands to the database: those that come during a command go together into the next one."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, TypeVar

from chatsupport.database.connection import seconds_left
from chatsupport.errors import DatabaseUnavailableError

Document = dict[str, Any]
Item = TypeVar("Item")


@dataclass(slots=True, eq=False)
class _Caller(Generic[Item]):
    """A call that waits for its turn: for the result of its round, or to send the round's command."""

    items: list[Item]
    deadline: float
    turn: threading.Lock = field(default_factory=threading.Lock)

    def wait(self) -> bool:
        """Return whether its turn came before its deadline."""
        if self.deadline == math.inf:
            return self.turn.acquire()
        return self.turn.acquire(timeout=max(0.0, self.deadline - time.monotonic()))


@dataclass(slots=True, eq=False)
class _Round(Generic[Item]):
    """The calls that share one command, and its results."""

    waiting: list[_Caller[Item]] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    """In the order of the calls, each once."""
    sender: _Caller[Item] | None = None
    """The one among those that wait that sends the command, once it is the round's turn."""
    results: dict[Item, Document] = field(default_factory=dict)
    error: Exception | None = None
    raised_at: TracebackType | None = None
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
        """Return the results of those items that have one. Raises the error of the command, whoever sent it.

        Raises `DatabaseUnavailableError` if the caller's time (`answer_within`) ends first. A write may then still be
        done, unless its command had not begun.
        """
        wanted = list(items)
        me: _Caller[Item] | None = None
        with self._mutex:
            mine = self._gathering
            if self._in_progress == self._at_once:
                me = _Caller(wanted, time.monotonic() + seconds_left())
                me.turn.acquire()
                mine.waiting.append(me)
            else:
                self._in_progress += 1
                mine.items = list(dict.fromkeys(wanted))
                self._gathering = _Round()  # Later callers are in the next one.
        if me is not None and not me.wait():
            self._give_up(me, mine)
        if not mine.is_done:
            self._complete(mine)
        if mine.error is not None:
            # Without the frames of the other callers, which raise the same error.
            raise mine.error.with_traceback(mine.raised_at)
        return [mine.results[item] for item in wanted if item in mine.results]

    def _give_up(self, me: _Caller[Item], mine: _Round[Item]) -> None:
        """Leave the round, and raise an error, unless the turn came at the last moment."""
        with self._mutex:
            if mine.is_done or mine.sender is me:
                return
            mine.waiting.remove(me)
        raise DatabaseUnavailableError

    def _complete(self, mine: _Round[Item]) -> None:
        try:
            mine.results = {result["_id"]: result for result in self._run(mine.items)}
        except Exception as error:
            mine.error = error  # `__call__` raises it, here and for all who share the round.
            mine.raised_at = error.__traceback__
        except BaseException:
            mine.error = DatabaseUnavailableError()  # It ends this caller alone.
            raise
        finally:
            with self._mutex:
                mine.is_done = True
                woken = mine.waiting
                following = self._gathering
                if following.waiting:
                    # The one with most of its time left sends it, the last of them among equals.
                    following.sender = max(reversed(following.waiting), key=lambda caller: caller.deadline)
                    following.items = list(dict.fromkeys(item for each in following.waiting for item in each.items))
                    self._gathering = _Round()
                    woken = [*woken, following.sender]
                else:
                    self._in_progress -= 1
            for caller in woken:
                if caller is not mine.sender:
                    caller.turn.release()
