"""The fields of every line logged during a request or an event: request_id, caller, session_id and the like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token

Fields = Mapping[str, object]


def _none() -> Fields:
    return {}


_context: ContextVar[Callable[[], Fields]] = ContextVar("chatsupport_log_context", default=_none)


def enter(fields: Callable[[], Fields]) -> Token[Callable[[], Fields]]:
    """Bind fields to every following line of this thread or greenlet. They are computed only when a line is logged.

    Pass the returned value to `leave`.
    """
    return _context.set(fields)


def leave(token: Token[Callable[[], Fields]]) -> None:
    """Restore the fields that were bound before `enter`. Call it in the same thread or greenlet."""
    _context.reset(token)


def clear() -> None:
    """Drop all bound fields."""
    _context.set(_none)


def current() -> Fields:
    """Return the bound fields."""
    return _context.get()()
