"""Joining a session without a gap and without a repeat.

A socket that joins gets the history first and live messages after. Between reading the one and entering the room for
the other, messages may come. They are held back for the socket here, and handed on, in order, right behind the
history; those that the history has already are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_held: dict[str, list[list[dict[str, Any]]]] = {}


@contextmanager
def hold_back(room: str) -> Iterator[list[dict[str, Any]]]:
    """Collect the messages to this room of this process for the length of the block."""
    messages: list[dict[str, Any]] = []
    _held.setdefault(room, []).append(messages)
    try:
        yield messages
    finally:
        # By identity: two sockets may join at once, and equal lists are not the same list.
        remaining = [held for held in _held[room] if held is not messages]
        if remaining:
            _held[room] = remaining
        else:
            del _held[room]


def overhear(event: str, data: Any, room: object) -> None:
    """Take note of an event on its way to the sockets of this process."""
    if _held and event == "new_message" and isinstance(room, str):
        for messages in _held.get(room, ()):
            messages.append(data)
