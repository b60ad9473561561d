"""One id and one log line for each request."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from flask import Flask, Request, Response, g, request

from chatsupport.blueprints.headers import complete
from chatsupport.observability import logs, metrics, tracing

logger = logging.getLogger(__name__)

_sent = metrics.SEND.of("rest")
_SANE = re.compile(r"[A-Za-z0-9._:-]{1,128}")

StartResponse = Callable[..., Any]


class RequestIds:
    """WSGI middleware that gives every request an id and every response its common headers.

    The id is the caller's, if it sent a valid one. The response returns it in X-Request-ID.

    It wraps Socket.IO's own middleware, so that long-polling responses have it as well.
    """

    def __init__(self, wsgi_app: Callable[..., Iterable[bytes]]) -> None:
        self._wsgi_app = wsgi_app

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request on with its id in the environment."""
        sent = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = sent if _SANE.fullmatch(sent) else tracing.new_id()
        environ[logs.REQUEST_ID] = request_id

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, complete([*headers, ("X-Request-ID", request_id)], environ), exc_info)

        return self._wsgi_app(environ, start)


def register(app: Flask) -> None:
    """Log every request of the application."""
    app.before_request(_begin)
    app.after_request(_log)
    app.teardown_request(_end)


def _begin() -> None:
    asked = request._get_current_object()  # type: ignore[attr-defined]
    kept = g._get_current_object()
    request_id = kept.request_id = asked.environ.get(logs.REQUEST_ID) or tracing.new_id()
    operation = kept.operation = tracing.Operation(asked.endpoint or "(unknown)", request_id)
    tracing.enter(operation)
    logs.enter(partial(_fields, asked, kept))


def _fields(asked: Request, kept: Any) -> Mapping[str, object]:
    """Return what lines of a request say of it."""
    session_id, caller = (asked.view_args or {}).get("session_id"), kept.get("caller")
    return {
        "request_id": kept.request_id,
        **({"session_id": session_id} if session_id is not None else {}),
        "address": asked.remote_addr,
        **({"caller": str(caller)} if caller is not None else {}),
    }


def _log(response: Response) -> Response:
    kept = g._get_current_object()
    operation = kept.operation
    seconds = tracing.finish(operation)
    budget = kept.get("budget")
    if budget is not None:
        budget.charge(response.content_length or 0)
    code = kept.get("error_code")
    if code is not None:
        metrics.REFUSED.add(code)
    elif operation.batch is not None:
        _sent.observe(seconds)
    if logger.isEnabledFor(logging.INFO):
        logger.info(
            "%s %s",
            request.method,
            request.path,
            extra={
                "event": "request",
                "method": request.method,
                "path": request.path,
                "status": response.status_code,
                "code": code,
                "ms": round(seconds * 1000, 1),
            },
        )
    return response


def _end(_: BaseException | None) -> None:
    logs.clear()
    tracing.enter(None)  # One greenlet answers several requests of a connection.
