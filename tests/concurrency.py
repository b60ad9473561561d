"""Running things at the same time, and waiting for what happens by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_together(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls at the same time, each in a thread; return their results in order. Raises the first's failure."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


def eventually(probe: Callable[[], Result], timeout: float = 20.0) -> Result:
    """Ask until the answer is true, and return it. The last answer is returned when the time is over."""
    deadline = time.monotonic() + timeout
    while not (answer := probe()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return answer
