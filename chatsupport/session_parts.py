"""Fields that features add to sessions and messages. The core stores and shows them without knowing the features.

A feature names a `SessionPart` in its `FEATURE`. Its data is in the session's own document (`features.<name>`), written
when the session starts or by the feature's own update. So neither a start nor a read costs another command. A message
keeps a feature's data in the same place, from its draft (`services/messages/drafts.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from bson import ObjectId

Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class SessionPart:
    """The part of sessions, and of their messages, that one feature adds."""

    fields: Mapping[type[Any], type[Any]] = field(default_factory=dict)
    """Models with optional fields, by the model of the contract that gets them: `StartSession`, `Session`,
    `SessionFilter`, `Message`.
    """
    on_start: Callable[[Any], object] | None = None
    """Called with a start (`starting.Start`) before a new session is stored. It may raise an error, which refuses it.
    Its result is stored with the session, unless it is None.
    """
    show: Callable[[Document, bool], Document] | None = None
    """Returns the fields of a stored session for its user, or with True for staff. It reads no other data."""
    show_message: Callable[[Document], Document] | None = None
    """Returns the fields of a stored message that has data of features. It reads no other data."""
    picture: Callable[[ObjectId, ObjectId], object] | None = None
    """Returns what a message keeps of a picture that it shows, from the session and the id of the picture, or None if
    the session has no such picture.
    """
    condition: Callable[[Any], Document] | None = None
    """Returns what it asks of the sessions of a list, from a `SessionFilter` that has its fields."""
    time_zone: Callable[[Document], str | None] | None = None
    """Returns the IANA name of the time zone in which the user of a stored session is, if it is known."""
    texts: Callable[[Document], Iterable[str]] | None = None
    """Returns the texts of a stored session by which staff find it, besides its ids and messages."""


_parts: dict[str, SessionPart] = {}


def bind(parts: Mapping[str, SessionPart]) -> None:
    """Use only these parts from now on, by the names of their features."""
    _parts.clear()
    _parts.update(parts)
    fields_of.cache_clear()


def names() -> tuple[str, ...]:
    """Return the names of the features that add fields to sessions."""
    return tuple(_parts)


@cache
def fields_of(model: type[Any]) -> tuple[type[Any], ...]:
    """Return the models whose fields features add to this model or to one of its base classes."""
    return tuple(part.fields[base] for part in _parts.values() for base in model.__mro__ if base in part.fields)


def kept_from(start: object) -> dict[str, Any]:
    """Return the features' data of a new session, by their names. Raises the error by which one refuses the start."""
    kept = {name: part.on_start(start) for name, part in _parts.items() if part.on_start is not None}
    return {name: value for name, value in kept.items() if value is not None}


def shown_of(session: Document, *, for_staff: bool) -> dict[str, Any]:
    """Return the features' fields of a stored session."""
    shown: dict[str, Any] = {}
    for part in _parts.values():
        if part.show is not None:
            shown.update(part.show(session, for_staff))
    return shown


def shown_of_message(message: Document) -> dict[str, Any]:
    """Return the features' fields of a stored message."""
    shown: dict[str, Any] = {}
    for part in _parts.values():
        if part.show_message is not None:
            shown.update(part.show_message(message))
    return shown


def kept_of_picture(session_id: ObjectId, file_id: ObjectId) -> dict[str, Any] | None:
    """Return the features' data of a message that shows this picture, or None if the session has no such picture."""
    parts = {name: part.picture for name, part in _parts.items() if part.picture is not None}
    kept = {name: found for name, picture in parts.items() if (found := picture(session_id, file_id)) is not None}
    return kept or None


def condition(wanted: object) -> dict[str, Any]:
    """Return what features ask of the sessions of a list."""
    asked: dict[str, Any] = {}
    for part in _parts.values():
        if part.condition is not None:
            asked.update(part.condition(wanted))
    return asked


def time_zone_of(session: Document) -> str | None:
    """Return the IANA name of the time zone in which the session's user is, if a feature knows it."""
    known = (part.time_zone(session) for part in _parts.values() if part.time_zone is not None)
    return next(filter(None, known), None)


def texts_of(session: Document) -> list[str]:
    """Return the features' texts of a stored session by which staff find it."""
    return [text for part in _parts.values() if part.texts is not None for text in part.texts(session)]
