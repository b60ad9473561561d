"""Typing states.

A start that is not renewed is stopped here, because a closed laptop sends no stop. Others hear of one person at most
once a second: what changes faster is told, in its last state, when the second is over.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from bson import ObjectId

from chatsupport import events
from chatsupport.background import Throttled
from chatsupport.events import TypingChanged
from chatsupport.identity import Caller
from chatsupport.services.presence import membership
from chatsupport.services.shared import rate_limits

TYPING_SECONDS = 5.0
BROADCAST_SECONDS = 1.0
LOOK_SECONDS = 0.25

Key = tuple[ObjectId, Caller]


@dataclass(slots=True)
class _State:
    """A person's typing in a session, and the state that the others were told."""

    typing_until: float = 0.0
    told: bool = False
    told_at: float = float("-inf")


_mutex = threading.Lock()
_states: dict[Key, _State] = {}


def start(session_id: ObjectId, person: Caller, caller: Caller) -> None:
    """Note that a person is typing, for `TYPING_SECONDS` unless renewed. Raises `RateLimitedError`."""
    rate_limits.check_caller(rate_limits.TYPING, caller)
    with _mutex:
        state = _states.setdefault((session_id, person), _State())
        state.typing_until = time.monotonic() + TYPING_SECONDS
    _tell((session_id, person))
    _look_later()


def stop(session_id: ObjectId, person: Caller, caller: Caller | None = None) -> None:
    """Note that a person has stopped typing. Raises `RateLimitedError` if the caller sends this itself."""
    if caller is not None:
        rate_limits.check_caller(rate_limits.TYPING, caller)
    with _mutex:
        state = _states.get((session_id, person))
        if state is None:
            return
        state.typing_until = 0.0
    _tell((session_id, person))


def leave(session_id: ObjectId, person: Caller) -> None:
    """Stop the typing of a person who has left, at once."""
    with _mutex:
        state = _states.pop((session_id, person), None)
    if state is not None and state.told:
        _say((session_id, person), False)


def _tell(key: Key) -> None:
    """Announce a change, unless the last announcement was less than a second ago."""
    time_now = time.monotonic()
    with _mutex:
        state = _states.get(key)
        if state is None:
            return
        is_typing = state.typing_until > time_now
        if is_typing == state.told or time_now - state.told_at < BROADCAST_SECONDS:
            return
        state.told, state.told_at = is_typing, time_now
    _say(key, is_typing)


def _look() -> None:
    """Stop expired states and announce held-back ones, until nothing is left to announce."""
    for key in list(_states):
        _tell(key)
    time_now = time.monotonic()
    with _mutex:
        for key, state in list(_states.items()):
            if not state.told and state.typing_until <= time_now - BROADCAST_SECONDS:
                del _states[key]
        if _states:
            _look_later()


_look_later = Throttled(_look, LOOK_SECONDS)


def _say(key: Key, is_typing: bool) -> None:
    session_id, person = key
    events.happened(TypingChanged(session_id, person, is_typing, membership.connections_of(session_id, person)))
