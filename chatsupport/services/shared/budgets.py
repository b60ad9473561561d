"""Budgets of each caller in a process: a number of calls and events, and a number of bytes of answers.

A rate limit bounds one thing and may be shared between processes. A budget bounds everything a caller asks for, over
REST and all its sockets, in this process, and costs a few additions.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict

from limits import parse

from chatsupport.config import Config
from chatsupport.errors import RateLimitedError
from chatsupport.identity import Caller
from chatsupport.observability import metrics

MAX_REMEMBERED = 10_000
"""The callers whose budgets are kept; the one that has asked for nothing for the longest is forgotten first."""


class Allowance:
    """An amount that may be used at once, and that refills evenly. It may be overdrawn by answers already given."""

    __slots__ = ("_at", "_left", "_most", "_per_second")

    def __init__(self, rate: str) -> None:
        item = parse(rate)
        self._most = float(item.amount)
        self._per_second = item.amount / item.get_expiry()
        self._left = self._most
        self._at = time.monotonic()

    def take(self, amount: float = 1.0) -> None:
        """Use some, whether or not there is any left."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second) - amount
        self._at = now

    @property
    def seconds_to_wait(self) -> float:
        """The seconds until it is no longer overdrawn; 0 if it is not."""
        return max(0.0, -self._left) / self._per_second


class Budget:
    """The rest of one caller's budget."""

    __slots__ = ("_answers", "_events")

    def __init__(self, config: Config) -> None:
        self._events = Allowance(config.rate_limit_events)
        self._answers = Allowance(config.rate_limit_answers)

    def spend(self) -> None:
        """Count a call or an event. Raises `RateLimitedError` after too many, or after too many bytes of answers."""
        self._events.take()
        self._answers.take(0)
        for label, what, allowance in (
            ("events", "calls and events", self._events),
            ("answers", "bytes of answers", self._answers),
        ):
            if allowance.seconds_to_wait:
                if allowance is self._events:
                    self._events.take(-1)  # A refused call does not use up more of the budget.
                metrics.RATE_LIMITED.add(label)
                raise RateLimitedError(what, max(1, math.ceil(allowance.seconds_to_wait)))

    def charge(self, size: int) -> None:
        """Count the bytes of an answer."""
        self._answers.take(size)


class _Budgets:
    def __init__(self) -> None:
        self.config: Config | None = None
        self.kept: OrderedDict[Caller, Budget] = OrderedDict()


_budgets = _Budgets()


def configure(config: Config) -> None:
    """Set the configured budgets, with nothing used."""
    _budgets.config = config if config.rate_limits else None
    _budgets.kept.clear()


def of(caller: Caller) -> Budget | None:
    """Return the caller's budget, or None for systems or if nothing is limited."""
    if _budgets.config is None or caller.may_act_for_others:
        return None
    kept = _budgets.kept
    budget = kept.get(caller)
    if budget is None:
        budget = kept[caller] = Budget(_budgets.config)
        if len(kept) > MAX_REMEMBERED:
            kept.popitem(last=False)
    else:
        kept.move_to_end(caller)
    return budget
