"""Who is typing. A start that is not renewed is stopped here, because a closed laptop sends no stop."""

from __future__ import annotations

import threading
import time

from bson import ObjectId

from chatsupport import broadcasts
from chatsupport.extensions import socketio
from chatsupport.identity import Caller
from chatsupport.services import presence, rate_limits

TYPING_SECONDS = 5.0
_CHECK_SECONDS = 0.5

_mutex = threading.Lock()
_deadlines: dict[tuple[ObjectId, Caller], float] = {}
_sweeping = False


def start(session_id: ObjectId, person: Caller, caller: Caller) -> None:
    """Tell the others that somebody types; renew it when they know already. Raises `RateLimitedError`."""
    global _sweeping
    rate_limits.check_caller(rate_limits.TYPING, caller)
    with _mutex:
        is_new = (session_id, person) not in _deadlines
        _deadlines[(session_id, person)] = time.monotonic() + TYPING_SECONDS
        start_sweeper = not _sweeping
        _sweeping = True
    if is_new:
        _broadcast(session_id, person, True)
    if start_sweeper:
        socketio.start_background_task(_sweep)


def stop(session_id: ObjectId, person: Caller, caller: Caller | None = None) -> None:
    """Tell the others that somebody stopped, where they think the person types. Raises `RateLimitedError`."""
    if caller is not None:
        rate_limits.check_caller(rate_limits.TYPING, caller)
    with _mutex:
        was_typing = _deadlines.pop((session_id, person), None) is not None
    if was_typing:
        _broadcast(session_id, person, False)


def _sweep() -> None:
    """Stop what ran out. Runs while somebody types, and ends with the last of them."""
    global _sweeping
    while True:
        socketio.sleep(_CHECK_SECONDS)
        time_now = time.monotonic()
        with _mutex:
            expired = [key for key, deadline in _deadlines.items() if deadline <= time_now]
            for key in expired:
                del _deadlines[key]
            done = not _deadlines
            if done:
                _sweeping = False
        for session_id, person in expired:
            _broadcast(session_id, person, False)
        if done:
            return


def _broadcast(session_id: ObjectId, person: Caller, is_typing: bool) -> None:
    broadcasts.user_typing(
        session_id,
        person.id,
        person.type,
        is_typing,
        skip_sid=presence.connections_of(session_id, person),
    )
