"""Calls that share commands to the database: those that come during a command go together into the next one."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, TypeVar

from chatsupport.database.connection import OPERATION_TIMEOUT_MS, seconds_left
from chatsupport.errors import DatabaseUnavailableError

Document = dict[str, Any]
Item = TypeVar("Item")

LONGEST_COMMAND_SECONDS = OPERATION_TIMEOUT_MS / 1000
MOST_CALLERS = 16
"""How many calls share a command. If all did, either they or MongoDB would have nothing to do."""


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

    callers: list[_Caller[Item]] = field(default_factory=list)
    """In the order of their calls."""
    is_open: bool = True
    """Whether later calls may join."""
    sender: _Caller[Item] | None = None
    """The one of them that sends the command, once it is the round's turn."""
    results: dict[Item, Document] = field(default_factory=dict)
    error: Exception | None = None
    raised_at: TracebackType | None = None
    is_done: bool = False


class SharedCommands(Generic[Item]):
    """Look-ups by id, or writes. A single one is a command at once; many at a time share few commands.

    `run` sends the command for some items, in the order of their calls and each once, and yields a result for each that
    has one: a document whose `_id` is the item. One command is in progress at a time. It begins after the calls of all
    that share it, so each sees everything written before its call.
    """

    def __init__(self, run: Callable[[list[Item]], Iterable[Document]]) -> None:
        self._run = run
        self._mutex = threading.Lock()
        self._waiting: deque[_Round[Item]] = deque()
        """The rounds whose command has not begun, in their order. Only the last one may be open."""
        self._is_busy = False

    def __call__(self, items: Iterable[Item]) -> list[Document]:
        """Return the results of those items that have one. Raises the error of the command, whoever sent it.

        Raises `DatabaseUnavailableError` if the caller's time (`answer_within`) ends first. A write may then still be
        done, unless its command had not begun.
        """
        me = _Caller(list(items), time.monotonic() + seconds_left())
        me.turn.acquire()
        with self._mutex:
            mine = self._join(me)
            if not self._is_busy:
                self._appoint_sender()
        self._wait(me, mine)
        if not mine.is_done:
            self._complete(mine)
        if mine.error is not None:
            # Without the frames of the other callers, which raise the same error.
            raise mine.error.with_traceback(mine.raised_at)
        return [mine.results[item] for item in me.items if item in mine.results]

    def _join(self, me: _Caller[Item]) -> _Round[Item]:
        """Add a caller to the last round, or to a new one, and return it."""
        if not self._waiting or not self._waiting[-1].is_open:
            self._waiting.append(_Round())
        mine = self._waiting[-1]
        mine.callers.append(me)
        mine.is_open = len(mine.callers) < MOST_CALLERS
        return mine

    def _wait(self, me: _Caller[Item], mine: _Round[Item]) -> None:
        """Wait until the command is done, or is this caller's to send."""
        try:
            is_in_time = me.wait()
            if is_in_time and mine.is_open and mine.sender is me and len(mine.callers) == 1:
                time.sleep(0)  # Others that can run now, and call, share the command.
        except BaseException:  # It is killed.
            self._leave(me, mine)
            raise
        if not is_in_time and self._leave(me, mine):
            raise DatabaseUnavailableError

    def _leave(self, me: _Caller[Item], mine: _Round[Item]) -> bool:
        """Leave the round, unless its command is done. If this caller should send it, another one does."""
        with self._mutex:
            if mine.is_done:
                return False
            mine.callers.remove(me)
            if not mine.callers:
                self._waiting.remove(mine)
            if mine.sender is me:
                self._appoint_sender()
        return True

    def _appoint_sender(self) -> None:
        """Let the caller of the first round with most of its time left, the last among equals, send its command."""
        self._is_busy = bool(self._waiting)
        if not self._is_busy:
            return
        following = self._waiting[0]
        sender = following.sender = max(reversed(following.callers), key=lambda caller: caller.deadline)
        if sender.deadline - time.monotonic() < LONGEST_COMMAND_SECONDS:
            following.is_open = False  # Later callers would have to make do with the sender's time.
        sender.turn.release()

    def _complete(self, mine: _Round[Item]) -> None:
        try:
            with self._mutex:
                self._waiting.remove(mine)  # Later callers are in the next one.
                mine.is_open = False
                items = list(dict.fromkeys(item for caller in mine.callers for item in caller.items))
            mine.results = {result["_id"]: result for result in self._run(items)}
        except Exception as error:
            mine.error = error  # `__call__` raises it, here and for all who share the round.
            mine.raised_at = error.__traceback__
        except BaseException:
            mine.error = DatabaseUnavailableError()  # It ends this caller alone.
            raise
        finally:
            with self._mutex:
                mine.is_done = True
                self._appoint_sender()  # MongoDB works on its command while the others go on.
                for caller in mine.callers:
                    if caller is not mine.sender:
                        caller.turn.release()
