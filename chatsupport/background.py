"""The four ways to do work later: coalesced, throttled, buffered, and every so often.

Nothing here guards a rule: processes know nothing of each other's rounds. A failure is logged and does not end the
loop. While the database is away, the log says so once, however much work waits for it.

`Remembered` saves work instead: a value that was found is good for a while. `Counted` is one that is only remembered if
it is large.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from chatsupport.database.clock import elapsed
from chatsupport.database.connection import is_unavailable, one_at_a_time
from chatsupport.extensions import socketio

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""How soon work is tried again after it failed because the database was away."""

Key = TypeVar("Key")
Value = TypeVar("Value")
Work = Callable[[], object]


class Coalesced:
    """A function that runs one round at a time, for all callers that called before the round began. This saves work.

    Each call returns after a round that began after it. A call from within a round returns at once, and another round
    follows.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._turn = threading.Condition()
        self._asked = 0
        self._done = 0
        self._running = False
        self._runner: int | None = None
        self._again = False

    def __call__(self) -> None:
        """Return after a round that began after this call. Raises what that round raised, if this caller ran it."""
        if self._runner == threading.get_ident():
            self._again = True
            return
        with self._turn:
            self._asked += 1
            mine = self._asked
            while self._running and self._done < mine:
                self._turn.wait()
            if self._done >= mine:
                return
            self._running = True
            self._runner = threading.get_ident()
            covered = self._asked
        try:
            self._again = True
            while self._again:
                self._again = False
                self._work()
        except BaseException:
            covered = 0  # The others run a round of their own.
            raise
        finally:
            with self._turn:
                self._running = False
                self._runner = None
                self._done = max(self._done, covered)
                self._turn.notify_all()


class Throttled:
    """A function that runs in the background after a call: at once, but not more often than its interval allows.

    A round begins after the last call that it serves, and rounds never overlap. Work may ask for its own next round,
    and so goes on until it has nothing left to do. A round that failed because the database was away is repeated.
    """

    def __init__(self, work: Work, seconds: float) -> None:
        self._work = work
        self.seconds = seconds
        self._mutex = threading.Lock()
        self._asked = False
        self._running = False

    @property
    def is_idle(self) -> bool:
        """Whether no round runs or is due, and the interval after the last one is over."""
        return not self._running

    def __call__(self) -> None:
        """Ask for a round, and do not wait for it."""
        with self._mutex:
            self._asked = True
            if self._running:
                return
            self._running = True
        socketio.start_background_task(self._run)

    def _run(self) -> None:
        while True:
            with self._mutex:
                if not self._asked:
                    self._running = False
                    return
                self._asked = False
            pause = self.seconds
            if not _attempt(self._work):
                pause = max(pause, RETRY_SECONDS)
                with self._mutex:
                    self._asked = True
            socketio.sleep(pause)


class Buffered(Generic[Key, Value]):
    """Values that a process collects for some seconds and then writes together.

    Values with the same key are merged: the newer one is kept unless `merge(older, newer)` says otherwise. With
    `at_once`, the first value does not wait for others. If `write` raises, the values that it has not taken out of its
    batch stay and are tried again. Beyond `most` keys, further values are lost, and the log says so. A process writes
    everything before it leaves (`flush_all`), unless nobody needs it any more (`on_leaving`). A process that is killed
    loses it.
    """

    def __init__(
        self,
        write: Callable[[dict[Key, Value]], object],
        seconds: float,
        *,
        merge: Callable[[Value, Value], Value] = lambda older, newer: newer,
        at_once: bool = False,
        on_leaving: bool = True,
        most: int = 100_000,
    ) -> None:
        self.write = write
        self.seconds = seconds
        self._at_once = at_once
        self.on_leaving = on_leaving
        self._merge = merge
        self._most = most
        self._mutex = threading.Lock()
        self._one_writes = threading.Lock()
        self._pending: dict[Key, Value] = {}
        self._running = False
        self._is_full = False
        _buffers.append(self)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be written, and the interval after the last write is over."""
        return not self._running

    def add(self, key: Key, value: Value) -> None:
        """Write a value soon, together with others."""
        with self._mutex:
            if key in self._pending:
                value = self._merge(self._pending[key], value)
            elif self._has_no_room():
                return
            self._pending[key] = value
            if self._running:
                return
            self._running = True
        socketio.start_background_task(self._run)

    def get(self, key: Key, default: Value) -> Value:
        """Return the value of one key that is not written yet."""
        return self._pending.get(key, default)

    def flush(self) -> None:
        """Write the waiting values now, after any write in progress. If writing raises, so does this; nothing is lost.

        Raises `DatabaseUnavailableError` if the write in progress takes longer than there is time.
        """
        with one_at_a_time(self._one_writes):
            with self._mutex:
                batch, self._pending = self._pending, {}
            if not batch:
                return
            try:
                self.write(batch)
            except BaseException:
                with self._mutex:
                    newer, self._pending = self._pending, batch
                    for key, value in newer.items():
                        self._pending[key] = self._merge(batch[key], value) if key in batch else value
                self._keep_running()
                raise
            self._is_full = False

    def clear(self) -> None:
        """Forget all waiting values."""
        with self._mutex:
            self._pending = {}

    def _has_no_room(self) -> bool:
        if len(self._pending) < self._most:
            return False
        if not self._is_full:
            logger.error("Too many values wait to be written; new ones are lost", extra={"work": name_of(self.write)})
        self._is_full = True
        return True

    def _keep_running(self) -> None:
        with self._mutex:
            if self._running or not self._pending:
                return
            self._running = True
        socketio.start_background_task(self._run)

    def _run(self) -> None:
        if not self._at_once:
            socketio.sleep(self.seconds)
        while True:
            is_done = _attempt(self.flush, name_of(self.write))
            socketio.sleep(self.seconds if is_done else max(self.seconds, RETRY_SECONDS))
            with self._mutex:
                if not self._pending:
                    self._running = False
                    return


class Lease(Protocol):
    """A lease, which one process at a time can hold."""

    def hold(self) -> bool:
        """Take the lease, or renew it. False while another process has it."""


class Every:
    """Work that is done at an interval: by every process or, `under` a lease, by the process that holds it.

    `seconds` is a number, or a function if it depends on the configuration.
    """

    def __init__(self, seconds: float | Callable[[], float], work: Work, *, under: Lease | None = None) -> None:
        self._seconds = seconds
        self._work = work
        self.under = under

    @property
    def seconds(self) -> float:
        """The seconds between two rounds."""
        return self._seconds() if callable(self._seconds) else self._seconds

    @property
    def is_constant(self) -> bool:
        """Whether the interval is the same in every configuration."""
        return not callable(self._seconds)

    @property
    def name(self) -> str:
        """The name of the work."""
        return name_of(self._work)

    def __call__(self) -> None:
        """Do the work now, if this process holds the lease or needs none."""
        if self.under is None or self.under.hold():
            self._work()

    def start(self) -> None:
        """Begin to do the work, at once and until the process ends."""
        socketio.start_background_task(self._run)

    def _run(self) -> None:
        while True:
            _attempt(self, self.name)
            socketio.sleep(self.seconds)


class Remembered(Generic[Value]):
    """A value that is good for some seconds, in this process and for this application."""

    def __init__(self) -> None:
        self._kept: tuple[Value, float] | None = None
        _remembered.append(self)

    def keep(self, value: Value, seconds: float) -> None:
        """Remember the value for so many seconds from now on."""
        self._kept = (value, elapsed() + seconds)

    def get(self) -> Value | None:
        """Return the value, or None if there is none or its time is over."""
        kept = self._kept
        return kept[0] if kept is not None and elapsed() < kept[1] else None

    def forget(self) -> None:
        """Forget the value."""
        self._kept = None


class Counted:
    """A number that MongoDB counts key by key. A large one is good for some seconds: the larger, the longer."""

    MANY, A_SECOND, LONGEST_SECONDS = 10_000, 20_000, 10.0

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._kept: Remembered[int] = Remembered()

    def __call__(self) -> int:
        """Return the number."""
        if (kept := self._kept.get()) is not None:
            return kept
        number = self._count()
        if number > self.MANY:
            self._kept.keep(number, min(self.LONGEST_SECONDS, number / self.A_SECOND))
        return number


def flush_all() -> list[Exception]:
    """Write the buffers of this process, which is about to leave. Returns the errors."""
    failures: dict[Buffered[Any, Any], Exception] = {}
    # Twice, because writing one buffer may fill another.
    for buffer in (*_buffers, *_buffers):
        try:
            if buffer.on_leaving and buffer not in failures:
                buffer.flush()
        except Exception as error:
            about = {"work": name_of(buffer.write)}
            unexpected = not is_unavailable(error)
            logger.warning("Some values could not be stored on leaving", extra=about, exc_info=unexpected)
            failures[buffer] = error
    return list(failures.values())


def clear_all() -> None:
    """Empty all buffers and forget all values, because another application begins."""
    for buffer in _buffers:
        buffer.clear()
    for remembered in _remembered:
        remembered.forget()


def name_of(work: Callable[..., object]) -> str:
    """Return the name of a function for the log and the documentation."""
    module = (getattr(work, "__module__", None) or "").removeprefix("chatsupport.")
    return f"{module}.{getattr(work, '__qualname__', type(work).__name__)}"


_buffers: list[Buffered[Any, Any]] = []
_remembered: list[Remembered[Any]] = []


class _Outage:
    """The work that waits for the database, so that the log says so once for each outage."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: set[str] = set()
        self._over_at = 0.0

    def holds_up(self, name: str, began_at: float, error: Exception) -> None:
        """Note that this work failed because the database is away."""
        with self._mutex:
            if began_at < self._over_at:
                return  # It waited for an answer during an outage that is over.
            is_new = not self._waiting
            self._waiting.add(name)
        if is_new:
            reason = {"work": name, "reason": type(error).__name__}
            logger.warning("Background work is waiting for the database", extra=reason)

    def is_over_for(self, name: str) -> None:
        """Note that this work was done. If it had waited for the database, the outage is over for all work."""
        with self._mutex:
            if name not in self._waiting:
                return
            self._waiting.clear()
            self._over_at = time.monotonic()
        logger.info("Background work continues: the database answers")


_outage = _Outage()


def _attempt(work: Work, name: str | None = None) -> bool:
    """Run the function and log its errors. False if the database is away, so that it must be tried again."""
    name, began_at = name or name_of(work), time.monotonic()
    try:
        work()
    except Exception as error:
        if is_unavailable(error):
            _outage.holds_up(name, began_at, error)
            return False
        logger.exception("Background work failed", extra={"work": name})
    _outage.is_over_for(name)
    return True
