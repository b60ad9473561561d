"""JSON by orjson, for Flask and for Socket.IO."""

from __future__ import annotations

import json
from typing import Any

import orjson
from flask.json.provider import JSONProvider


def loads(text: str | bytes) -> Any:
    """Parse JSON. Raises `ValueError` for what is none, NaN and too deep nesting included.

    orjson refuses a string with half a surrogate pair altogether. Such text is parsed by the standard library, so that
    the field it stands in can be named in the error.
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
    """Return compact JSON as text. Options of other libraries' `dumps` are accepted and ignored.

    Half a surrogate pair, as in a client's own event name that an error repeats, is written as its escape.
    """
    try:
        return orjson.dumps(data).decode()
    except TypeError:
        return json.dumps(data, separators=(",", ":"), allow_nan=False)


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
