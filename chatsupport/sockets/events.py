"""Dispatching what clients emit: one handler an event, one envelope an answer, one log line each.

Handlers are registered with `@event`. They return (message, data) for the acknowledgement or raise a
`ChatSupportError`. Whatever else happens, the client gets an envelope and the socket stays usable.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from chatsupport import broadcasts, logs
from chatsupport.database.connection import answer_within
from chatsupport.errors import ChatSupportError, InvalidInputError, NotFoundError
from chatsupport.payloads import Payload
from chatsupport.services import message_log
from chatsupport.sockets import connections
from chatsupport.sockets.connections import Connection
from chatsupport.sockets.errors import as_chat_support_error

logger = logging.getLogger(__name__)

Answer = tuple[str, Mapping[str, Any]]
Handler = Callable[[Connection, Payload], Answer]

_handlers: dict[str, Handler] = {}


def event(name: str) -> Callable[[Handler], Handler]:
    """Register the handler of a client's event."""

    def register(handler: Handler) -> Handler:
        _handlers[name] = handler
        return handler

    return register


def handle(sid: str, name: object, arguments: list[Any], *, wants_acknowledgement: bool) -> dict[str, Any]:
    """Run the event's handler and return the envelope; without an acknowledgement a failure is an `error` event too."""
    context = EventContext(sid)
    error: ChatSupportError | None = None
    envelope: dict[str, Any]
    before = logs.enter(context.fields)
    try:
        message, data = _run(context.connection, name, arguments)
        envelope = {"success": True, "message": message, "data": data}
    except Exception as raised:
        error = as_chat_support_error(raised)
        envelope = error.envelope(context.request_id)
        if not wants_acknowledgement:
            broadcasts.to_socket(sid, "error", {**envelope, "event": _printable(name)})
    finally:
        if logger.isEnabledFor(logging.INFO):
            _log(name, arguments, error, context.started)
        logs.leave(before)
    return envelope


class EventContext:
    """What an event's log lines and its failure carry; worked out only when there is one."""

    __slots__ = ("_request_id", "connection", "started")

    def __init__(self, sid: str) -> None:
        self.connection = connections.find(sid)
        self.started = time.perf_counter()
        self._request_id = ""

    @property
    def request_id(self) -> str:
        """The event's id."""
        if not self._request_id:
            self._request_id = uuid.uuid4().hex
        return self._request_id

    def fields(self) -> Mapping[str, object]:
        """Return the fields of a log line."""
        if self.connection is None:
            return {"request_id": self.request_id, "caller": None}
        connection = self.connection
        return {"request_id": self.request_id, "caller": str(connection.caller), "address": connection.address}


def _run(connection: Connection | None, name: object, arguments: list[Any]) -> Answer:
    if connection is None:
        raise NotFoundError("This socket is not connected. Connect again.")
    handler = _handlers.get(name) if isinstance(name, str) else None
    if handler is None:
        raise NotFoundError("There is no such event. The details list those there are.", details=sorted(_handlers))
    payload = arguments[0] if arguments else {}
    if payload is None:
        payload = {}
    if not isinstance(payload, dict):
        raise InvalidInputError("INVALID_JSON", 'The payload must be one JSON object, like {"sessionId": "…"}.')
    with answer_within(message_log.MAX_WAIT_SECONDS):
        return handler(connection, payload)


def _printable(name: object) -> str | None:
    """Return an event's name as it can be sent back: short, and without half a surrogate pair, which is no UTF-8."""
    return name[:64].encode("utf-8", "replace").decode() if isinstance(name, str) else None


def _log(name: object, arguments: list[Any], error: ChatSupportError | None, started: float) -> None:
    payload = arguments[0] if arguments else None
    session_id = payload.get("sessionId") if isinstance(payload, dict) else None
    logger.info(
        "Event %s",
        name if isinstance(name, str) and name in _handlers else "(unknown)",
        extra={
            "event": "socket_event",
            "session_id": session_id if isinstance(session_id, str) and len(session_id) <= 64 else None,
            "status": 200 if error is None else error.status,
            "code": None if error is None else error.code,
            "ms": round((time.perf_counter() - started) * 1000, 1),
        },
    )
