"""Slashes in paths: a slash sent as %2f is part of a name, and never a separator.

WSGI passes decoded paths, in which the two look alike. The original path is in another variable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit

from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter, ValidationError

USERS = "/api/users/"
NO_PATH = "/%2F"
"""A path that nothing answers."""


class EncodedSlashes:
    """WSGI middleware that keeps encoded slashes as `%2F` in a path, so that no route treats them as separators.

    Under `USERS`, the whole path stays as it was sent, and `UserId` decodes it.
    """

    def __init__(self, wsgi_app: Callable[..., Iterable[bytes]]) -> None:
        self._wsgi_app = wsgi_app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Pass the request on."""
        path: str = environ["PATH_INFO"]
        target: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or quote(path, encoding="latin-1")
        if "%" in target or not target.isascii():
            environ["PATH_INFO"] = _path(path, target)
        return self._wsgi_app(environ, start_response)


class UserId(BaseConverter):
    """A user's id in a path. It may contain slashes, encoded or not."""

    regex = ".+?"
    part_isolating = False

    def to_python(self, value: str) -> str:
        """Decode the path that `EncodedSlashes` has left encoded. A path that is not UTF-8 names no user."""
        try:
            return unquote(value, errors="strict")
        except UnicodeDecodeError as error:
            raise ValidationError from error


def take_user_ids(state: BlueprintSetupState) -> None:
    """Allow `<id:user_id>` in routes. Pass it to a blueprint's `record` before its routes."""
    state.app.url_map.converters["id"] = UserId


def _path(path: str, target: str) -> str:
    target = re.split("[?#]", target if target.startswith("/") else urlsplit(target).path, maxsplit=1)[0]
    # Gunicorn encodes letters that were not encoded, before it decodes the rest.
    sent = _sent_as(path, target, _decoded) or _sent_as(path, target, lambda text: _decoded(quote(text, safe="%")))
    if sent is None:
        return NO_PATH
    if path.startswith(USERS):
        names = sent.split("/", 3)
        return USERS + names[3] if len(names) == 4 and _decoded("/".join(names[:3])) + "/" == USERS else NO_PATH
    return _decoded(sent.replace("%2f", "%2F").replace("%2F", "%252F"))


def _sent_as(path: str, target: str, decode: Callable[[str], str]) -> str | None:
    """Return the end of the target that matches the path, which may lack the prefix under which it is mounted."""
    names = target.split("/")
    length = 0
    for number in range(len(names) - 1, 0, -1):
        length += 1 + len(decode(names[number]))
        if length >= len(path):
            sent = "/" + "/".join(names[number:])
            return sent if decode(sent) == path else None
    return None


def _decoded(text: str) -> str:
    return unquote_to_bytes(text.encode("latin-1")).decode("latin-1")
