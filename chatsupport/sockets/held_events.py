"""Join a session without a gap and without a repeat.

A socket that joins gets the history first, and then live events. Events that come after the history was read, and
before the socket enters the room, are held back here and delivered, in order, right after the history. A message that
the history has already is dropped, even if another process announces it only later.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from chatsupport import broadcasts, serializers
from chatsupport.database.clock import now

LATE_SECONDS = 30.0
"""How long after a join a message of its history may still be announced."""

Held = tuple[str, Any, frozenset[str]]
"""An event, its data, and the sockets that must not get it."""

_held: dict[str, list[list[Held]]] = {}
_histories: dict[str, dict[str, tuple[int, float]]] = {}
"""For each room, the sockets that joined recently: the last seq of their history, and how long it matters."""


@contextmanager
def hold_back(room: str) -> Iterator[list[Held]]:
    """Hold back this process's events to the room during the block."""
    events: list[Held] = []
    _held.setdefault(room, []).append(events)
    try:
        yield events
    finally:
        # By identity: two sockets may join at once, and equal lists are not the same list.
        remaining = [held for held in _held[room] if held is not events]
        if remaining:
            _held[room] = remaining
        else:
            del _held[room]


def hand_over(sid: str, room: str, joined: dict[str, Any], held: list[Held]) -> None:
    """Send a socket the session's state, and then the held-back events, with messages in the order of their seq."""
    broadcasts.to_socket(sid, "session_joined", joined)
    last_seq, history = joined["lastSeq"], joined["messages"]
    for_it = [(event, data) for event, data, skipped in held if sid not in skipped]
    messages = iter(sorted((data for event, data in for_it if event == "new_message"), key=lambda data: data["seq"]))
    for event, data in for_it:
        payload = next(messages) if event == "new_message" else data
        if event != "new_message" or payload["seq"] > last_seq:
            broadcasts.to_socket(sid, event, payload)
    if history and history[-1]["timestamp"] > str(serializers.iso(now() - timedelta(seconds=LATE_SECONDS))):
        _histories.setdefault(room, {})[sid] = (last_seq, time.monotonic() + LATE_SECONDS)


def hand_back(sid: str, held: list[Held]) -> None:
    """Send a socket the held-back events, because it stays in the room as before: it could not join again."""
    for event, data, skipped in held:
        if sid not in skipped:
            broadcasts.to_socket(sid, event, data)


def forget(sid: str, room: str) -> None:
    """Forget a socket that has left the room."""
    sockets = _histories.get(room)
    if sockets is not None and sockets.pop(sid, None) is not None and not sockets:
        del _histories[room]


def overhear(event: str, data: Any, room: object, skipped: Collection[str]) -> Collection[str]:
    """Note an event for the sockets of this process, and return the sockets that must not get it."""
    if not _held and not _histories:
        return skipped
    rooms = [room] if isinstance(room, str) else room if isinstance(room, list) else []
    for name in rooms:
        for events in _held.get(name, ()):
            events.append((event, data, frozenset(skipped)))
    if event == "new_message" and isinstance(room, str) and room in _histories:
        have_it = _who_has(room, data["seq"])
        if have_it:
            return [*have_it, *skipped]
    return skipped


def _who_has(room: str, seq: int) -> list[str]:
    """Return the sockets whose history has this message."""
    sockets, time_now = _histories[room], time.monotonic()
    for sid in [sid for sid, (_, until) in sockets.items() if until < time_now]:
        forget(sid, room)
    return [sid for sid, (last_seq, _) in sockets.items() if seq <= last_seq]
