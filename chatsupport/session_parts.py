"""What features add to sessions, so that the core shows and keeps it without knowing them.

A feature names a `SessionPart` in its `FEATURE`. What it keeps with a session is stored in the session's own document
(`features.<name>`), by the write that starts the session or by the feature's own. So neither a start nor a read costs a
command more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class SessionPart:
    """What one feature adds to sessions."""

    fields: Mapping[type[Any], type[Any]] = field(default_factory=dict)
    """Models of fields that may be left out, by the model of the contract that has them too: `StartSession`, `Session`,
    `SessionFilter`.
    """
    on_start: Callable[[Any], object] | None = None
    """Looks at a start (`starting.Start`) before a new session is stored. It may raise an error that refuses the start.
    What it returns is kept with the session, unless that is None.
    """
    show: Callable[[Document, bool], Document] | None = None
    """Returns the fields of a stored session for its user, or with True for staff. It reads nothing else."""


_parts: dict[str, SessionPart] = {}


def bind(parts: Mapping[str, SessionPart]) -> None:
    """Have these parts, by the names of their features, and no others from now on."""
    _parts.clear()
    _parts.update(parts)
    fields_of.cache_clear()


def names() -> tuple[str, ...]:
    """Return the names of the features that add to sessions."""
    return tuple(_parts)


@cache
def fields_of(model: type[Any]) -> tuple[type[Any], ...]:
    """Return the models whose fields features add to this one, or to one that it derives from."""
    return tuple(part.fields[base] for part in _parts.values() for base in model.__mro__ if base in part.fields)


def kept_from(start: object) -> dict[str, Any]:
    """Return what features keep with a new session, by their names. Raises what one of them refuses the start with."""
    kept = {name: part.on_start(start) for name, part in _parts.items() if part.on_start is not None}
    return {name: value for name, value in kept.items() if value is not None}


def shown_of(session: Document, *, for_staff: bool) -> dict[str, Any]:
    """Return the features' fields of a stored session."""
    shown: dict[str, Any] = {}
    for part in _parts.values():
        if part.show is not None:
            shown.update(part.show(session, for_staff))
    return shown
