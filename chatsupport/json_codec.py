"""JSON by orjson, for Flask and for Socket.IO."""

from __future__ import annotations

import json
from typing import Any

import orjson
from flask.json.provider import JSONProvider


def loads(text: str | bytes) -> Any:
    """Parse JSON. Raises `ValueError` for anything else, including NaN and too deep nesting.

    orjson refuses a text with half a surrogate pair altogether. The standard library parses such a text, so that the
    error can name the field.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        escape = b"\\ud" if isinstance(text, bytes) else "\\ud"
        if escape not in text.lower():  # type: ignore[operator]
            raise
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def dumps(data: Any, **_: Any) -> str:
    """Return compact JSON as text. Options of other libraries' `dumps` are accepted and ignored."""
    return encoded(data).decode()


def encoded(data: Any) -> bytes:
    """Return compact JSON in UTF-8.

    Half a surrogate pair is escaped. It can occur when an error repeats the name of a client's event.
    """
    try:
        return orjson.dumps(data)
    except TypeError:
        return json.dumps(data, separators=(",", ":"), allow_nan=False).encode()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class OrjsonProvider(JSONProvider):
    """Flask's JSON by orjson."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Return compact JSON as text."""
        return dumps(obj)

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Parse JSON. Raises `ValueError`."""
        return loads(s)
