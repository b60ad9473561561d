"""The common parts of REST handlers: the caller, the body and the envelope."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from flask import Request, Response, g, request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from chatsupport import json_codec
from chatsupport.errors import InvalidInputError, UnsupportedMediaTypeError
from chatsupport.extensions import settings
from chatsupport.identity import Caller, authenticate, bearer_token
from chatsupport.services.people import denials
from chatsupport.services.server import readiness
from chatsupport.services.shared import access, budgets

_WITH_ANY_TOKEN = ("auth.sign_out", "chat.get_availability", "chat.get_current_session")
"""Calls that a token for one session may make, besides those about its session."""
_CHANGES_NOTHING = ("auth.create_token", "auth.sign_in")
_JSON = "application/json"


def current() -> Request:
    """Return the request itself. Flask's `request` looks it up anew for each attribute."""
    return request._get_current_object()  # type: ignore[attr-defined, no-any-return]


def wait_until_ready() -> None:
    """Refuse changes before this process may make any. Making a token changes nothing."""
    asked = current()
    if asked.method not in ("GET", "HEAD", "OPTIONS") and asked.endpoint not in _CHANGES_NOTHING:
        readiness.wait_until_ready()


def require_caller(expired_for: timedelta = timedelta(0)) -> None:
    """Authenticate the request, before its handler (`routing.route`). Raises `AuthenticationError` or `BlockedError`.

    A token may have expired up to `expired_for` ago.
    """
    asked = current()
    if asked.method == "OPTIONS":
        return  # A browser's preflight request has no credentials.
    key = asked.environ.get("HTTP_X_API_KEY")
    token = bearer_token(asked.environ.get("HTTP_AUTHORIZATION")) if key is None else None
    kept = g._get_current_object()
    caller = kept.caller = authenticate(token, key, expired_for)
    budget = kept.budget = budgets.of(caller)
    if budget is not None:
        budget.spend()
    denials.check(caller, asked.remote_addr or "")
    if asked.endpoint not in _WITH_ANY_TOKEN:
        access.check_token(caller, str((asked.view_args or {}).get("session_id")))


def caller() -> Caller:
    """Return the caller, in a blueprint that requires one."""
    return g.caller  # type: ignore[no-any-return]


def json_body() -> Mapping[str, Any]:
    """Return the body, a JSON object, or an empty one if there is no body.

    Raises `InvalidInputError` with INVALID_JSON, or `UnsupportedMediaTypeError`.
    """
    asked = current()
    body = _body(asked)
    if not body.strip():
        return {}
    if asked.environ.get("CONTENT_TYPE") != _JSON and not asked.is_json:
        raise UnsupportedMediaTypeError("Send the body as JSON, with the header Content-Type: application/json.")
    try:
        data = json_codec.loads(body)
    except ValueError:
        raise InvalidInputError("INVALID_JSON", "The body is not valid JSON.") from None
    if not isinstance(data, dict):
        raise InvalidInputError("INVALID_JSON", 'The body must be a JSON object, such as {"userId": "…"}.')
    return data


def _body(asked: Request) -> bytes:
    limit, length = settings.config.max_body_bytes, asked.environ.get("CONTENT_LENGTH", "")
    if not (length.isascii() and length.isdecimal()) or int(length) > limit:
        body = asked.get_data(cache=True)
        if asked.content_length is None and len(body) >= limit:
            raise RequestEntityTooLarge  # It was sent in chunks, and Werkzeug has silently cut it off.
        return body
    # What Werkzeug does, without a stream around the stream: a twentieth of what a call costs.
    body, missing = b"", int(length)
    while missing:
        read: bytes = asked.environ["wsgi.input"].read(missing)
        if not read:
            raise ClientDisconnected
        body, missing = body + read, missing - len(read)
    return body


def with_headers(body: Mapping[str, Any], headers: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the body. Missing fields get the value of the header that may replace them."""
    missing = {field: current().headers.get(name) for name, field in headers.items() if body.get(field) is None}
    return {**body, **{field: value for field, value in missing.items() if value}} if missing else body


class Envelope(Response):
    """An answer that has all its headers, so Werkzeug need not look for those that it should correct or add."""

    def get_wsgi_headers(self, environ: Any) -> Headers:
        """Return the headers."""
        return self.headers

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer. Nothing has to be closed after the answer, as Werkzeug would."""
        if environ["REQUEST_METHOD"] == "HEAD":
            return super().__call__(environ, start_response)
        start_response(self.status, list(self.headers))
        return self.response  # type: ignore[return-value]


def success(message: str, data: Mapping[str, Any], status: int = 200) -> Response:
    """Return the success envelope."""
    envelope = {"success": True, "message": message, "data": data}
    return Envelope(json_codec.encoded(envelope), status, content_type=_JSON)
