"""What every line logged during a request or an event carries: request_id, caller, session_id and the like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_EMPTY: Mapping[str, object] = MappingProxyType({})
_context: ContextVar[Mapping[str, object]] = ContextVar("chatsupport_log_context", default=_EMPTY)


def bind(**fields: object) -> None:
    """Add fields to every following line of this thread or greenlet; None takes one away."""
    merged = {**_context.get(), **fields}
    _context.set({name: value for name, value in merged.items() if value is not None})


def clear() -> None:
    """Drop all bound fields."""
    _context.set(_EMPTY)


@contextmanager
def log_context(**fields: object) -> Iterator[None]:
    """Bind fields for the length of a block; what was bound before, or inside, does not outlive it."""
    before = _context.get()
    bind(**fields)
    try:
        yield
    finally:
        # Not reset(token): a generator may be closed in another context than it began in, where reset() raises.
        _context.set(before)


def current() -> Mapping[str, object]:
    """Return the bound fields."""
    return _context.get()
