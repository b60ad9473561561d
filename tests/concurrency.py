"""Run things at the same time, and wait for conditions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_together(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls at the same time, each in a thread. Returns the results in order, or raises the first failure."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


def eventually(probe: Callable[[], Result], timeout: float = 40.0) -> Result:
    """Ask until the answer is true or the time is over, and return the last answer."""
    deadline = time.monotonic() + timeout
    while not (answer := probe()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return answer


def waiting_callers(shared: Any) -> int:
    """Return how many calls of shared commands wait for a command that has not begun."""
    return sum(len(each.callers) for each in shared._waiting)
