"""The fields of every line logged during a request or an event: request_id, caller, session_id and the like."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import MappingProxyType

Fields = Mapping[str, object]

_EMPTY: Fields = MappingProxyType({})
_context: ContextVar[Fields | Callable[[], Fields]] = ContextVar("chatsupport_log_context", default=_EMPTY)


def bind(**fields: object) -> None:
    """Add fields to every following line of this thread or greenlet; None removes a field."""
    merged = {**current(), **fields}
    _context.set({name: value for name, value in merged.items() if value is not None})


def clear() -> None:
    """Drop all bound fields."""
    _context.set(_EMPTY)


@contextmanager
def log_context(**fields: object) -> Iterator[None]:
    """Bind fields for the length of a block. Fields bound before are back after it; those bound inside are gone."""
    before = _context.get()
    bind(**fields)
    try:
        yield
    finally:
        # Not reset(token): it raises when a generator is closed in another context than the one it began in.
        _context.set(before)


def enter(fields: Callable[[], Fields]) -> Token[Fields | Callable[[], Fields]]:
    """Bind fields that are computed only when a line is logged. Pass the returned value to `leave`."""
    return _context.set(fields)


def leave(token: Token[Fields | Callable[[], Fields]]) -> None:
    """Restore the fields that were bound before `enter`. Call it in the same thread or greenlet."""
    _context.reset(token)


def current() -> Fields:
    """Return the bound fields."""
    fields = _context.get()
    return fields() if callable(fields) else fields
