"""Doing several things at the same time, each of which mostly waits for the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import TypeVar

from chatsupport.extensions import socketio

Item = TypeVar("Item")
Result = TypeVar("Result")


def together(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return what `work` returns for each item, all of them worked at the same time, within the caller's deadline.

    Raises what the first of those that failed raised, when all have ended.
    """
    results: dict[int, Result] = {}
    failures: dict[int, Exception] = {}

    def run(number: int) -> None:
        try:
            results[number] = work(items[number])
        except Exception as error:  # noqa: BLE001 - it is raised below
            failures[number] = error

    others = [socketio.start_background_task(copy_context().run, run, number) for number in range(1, len(items))]
    if items:
        run(0)
    for task in others:
        task.join()
    for number in sorted(failures):
        raise failures[number]
    return [results[number] for number in range(len(items))]
