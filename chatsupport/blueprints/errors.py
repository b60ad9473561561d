"""Turn errors into failure envelopes, for every REST response."""

from __future__ import annotations

import json
import logging
import re
import uuid
from functools import lru_cache

from flask import Flask, Response, current_app, g, jsonify, request
from pymongo.errors import PyMongoError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.exceptions import NotFound as UnknownPath

from chatsupport.blueprints.headers import complete
from chatsupport.database.connection import is_unavailable
from chatsupport.errors import (
    AuthenticationError,
    ChatSupportError,
    DatabaseUnavailableError,
    InternalError,
    InvalidInputError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    PayloadTooLargeError,
    RateLimitedError,
)
from chatsupport.services.shared import rate_limits

logger = logging.getLogger(__name__)

_UNREADABLE = {
    400: "The request could not be read. Check its syntax.",
    417: "This server supports no expectation but 100-continue.",
    431: "The request's headers are too large.",
    501: "This server does not support the encoding of the request's body.",
}


def unreadable(status: int, reason: str) -> tuple[str, list[tuple[str, str]], bytes]:
    """Return the status line, headers and body of the answer to an unreadable request."""
    request_id = uuid.uuid4().hex
    envelope = {
        "success": False,
        "code": (InternalError if status == 500 else InvalidRequestError).code,
        "message": _UNREADABLE.get(status, _UNREADABLE[400]),
        "requestId": request_id,
    }
    body = json.dumps(envelope).encode()
    own = [("Connection", "close"), ("Content-Type", "application/json")]
    own += [("Content-Length", str(len(body))), ("X-Request-ID", request_id)]
    return f"{status} {reason}", complete(own, {}), body


def register(app: Flask) -> None:
    """Answer every error of a request with an envelope."""
    app.before_request(_refuse_other_spellings)
    app.register_error_handler(ChatSupportError, respond)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(PyMongoError, _database_error)
    app.register_error_handler(Exception, _unexpected_error)


def _refuse_other_spellings() -> None:
    # Werkzeug would read //metrics as /metrics, which a proxy may forbid.
    if request.environ["PATH_INFO"].startswith("//"):
        raise UnknownPath


def respond(error: ChatSupportError) -> Response:
    """Return the failure envelope with the error's status and headers."""
    if isinstance(error, AuthenticationError):
        error = _counted(error)
    response = jsonify(error.envelope(g.get("request_id")))
    response.status_code = error.status
    g.error_code = error.code
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, AuthenticationError):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _counted(error: ChatSupportError) -> ChatSupportError:
    """Return the error, or a `RateLimitedError` if too many calls without valid credentials came from this address."""
    try:
        rate_limits.check_address(rate_limits.REFUSALS, request.remote_addr or "")
    except RateLimitedError as limited:
        return limited
    return error


@lru_cache(maxsize=1)
def _all_endpoints(app: Flask) -> tuple[str, ...]:
    rows = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r":\1", str(rule)), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    return tuple(f"{method} {path}" for path, method in sorted(rows))


def endpoints() -> list[str]:
    """Return every endpoint as `METHOD /path`, sorted by path."""
    return list(_all_endpoints(current_app._get_current_object()))  # type: ignore[attr-defined]


def _http_error(error: HTTPException) -> Response:
    if isinstance(error, UnknownPath):
        return respond(NotFoundError("This path does not exist. The details list all endpoints.", details=endpoints()))
    if isinstance(error, MethodNotAllowed):
        allowed = sorted(set(error.valid_methods or ()) - {"HEAD", "OPTIONS"})
        response = respond(MethodNotAllowedError(f"This path takes {', '.join(allowed) or 'other methods'}."))
        response.headers["Allow"] = ", ".join(error.valid_methods or ())
        return response
    if isinstance(error, RequestEntityTooLarge):
        limit = current_app.config["MAX_CONTENT_LENGTH"]
        return respond(PayloadTooLargeError(f"The body must have at most {limit} bytes."))
    if error.code is not None and error.code < 500:
        return respond(InvalidInputError("INVALID_JSON", "The request could not be read. Check its syntax."))
    return _unexpected_error(error)


def _database_error(error: PyMongoError) -> Response:
    if not is_unavailable(error):
        return _unexpected_error(error)
    logger.warning("The database is unavailable", extra={"reason": type(error).__name__})
    return respond(DatabaseUnavailableError())


def _unexpected_error(error: Exception) -> Response:
    logger.error("Unexpected error", exc_info=error)
    return respond(InternalError())
