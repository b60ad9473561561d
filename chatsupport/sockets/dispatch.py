"""Dispatch the events of clients: each event has one handler, one envelope as its answer, and one log line.

Handlers are registered with `SocketEvents.on`, with the models of what they take and of what is acknowledged. They
return (message, data) for the acknowledgement or raise a `ChatSupportError`. Those registered with `answered_later`
give either to a callback instead, when they know it; the socket's next message need not wait for that. Whatever else
happens, the client gets an envelope and the socket stays usable.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from chatsupport import broadcasts
from chatsupport.contract.base import Answer as Model
from chatsupport.contract.socket_events import RECEIVED, InSession, Received
from chatsupport.database.connection import answer_within
from chatsupport.errors import ChatSupportError, InvalidInputError, NotFoundError, RateLimitedError
from chatsupport.observability import logs, metrics, tracing
from chatsupport.realtime import Acknowledge
from chatsupport.services.messages import message_log
from chatsupport.services.server import readiness
from chatsupport.services.shared import access
from chatsupport.sockets import connections
from chatsupport.sockets.connections import Connection
from chatsupport.sockets.errors import as_chat_support_error
from chatsupport.sockets.turns import turn

logger = logging.getLogger(__name__)

Answer = tuple[str, Mapping[str, Any]]
Finish = Callable[["Answer | Exception"], None]
Handler = Callable[[Connection, Any], Answer]
LateHandler = Callable[[Connection, Any, Finish], None]

MAX_REFUSED = 50
"""A socket that exceeds its caller's budget this often is closed."""

_sent = metrics.SEND.of("socket")


class SocketEvents(dict[str, Received]):
    """The client events that one part of the application handles, like a blueprint for calls."""

    def on(self, name: str, *, body: type[InSession], answer: type[Model]) -> Callable[[Handler], Handler]:
        """Register the handler of an event."""

        def register(handler: Handler) -> Handler:
            self[name] = Received(body, answer, handler)
            return handler

        return register

    def answered_later(
        self, name: str, *, body: type[InSession], answer: type[Model]
    ) -> Callable[[LateHandler], LateHandler]:
        """Register a handler that answers later, by calling back exactly once."""

        def register(handler: LateHandler) -> LateHandler:
            self[name] = Received(body, answer, handler, is_answered_later=True)
            return handler

        return register


def names() -> list[str]:
    """Return the names of all events that clients may emit."""
    return sorted(RECEIVED)


def handle(
    sid: str, name: object, arguments: list[Any], acknowledge: Acknowledge | None, *, is_behind: bool = False
) -> None:
    """Run the event's handler. `acknowledge` gets the envelope; without it, a failure becomes an `error` event.

    A client that is behind with reading sends one message at a time: more answers would only add to its queue.
    """
    running = Event(sid, name, arguments, acknowledge)
    before, outer = logs.enter(running.fields), tracing.enter(running)
    outcome: Answer | Exception | None
    try:
        try:
            outcome = _run(running, is_behind)
        except Exception as raised:
            outcome = raised
        if outcome is not None:
            running.finish(outcome)
    finally:
        tracing.leave(outer)
        logs.leave(before)


class Event(tracing.Operation):
    """One event of one socket. The fields of its log line and of its failure are computed only if there is one."""

    __slots__ = ("_acknowledge", "_sid", "arguments", "connection")

    def __init__(self, sid: str, name: object, arguments: list[Any], acknowledge: Acknowledge | None) -> None:
        super().__init__(name)
        self.connection = connections.find(sid)
        self.arguments = arguments
        self._sid = sid
        self._acknowledge = acknowledge

    def fields(self) -> Mapping[str, object]:
        """Return the fields of a log line."""
        if self.connection is None:
            return {"request_id": self.request_id, "caller": None}
        connection = self.connection
        return {"request_id": self.request_id, "caller": str(connection.caller), "address": connection.address}

    def finish(self, outcome: Answer | Exception) -> None:
        """Answer the client, and log the event."""
        error: ChatSupportError | None = None
        if isinstance(outcome, Exception):
            error = as_chat_support_error(outcome)
            envelope = error.envelope(self.request_id)
            if self._acknowledge is None:
                broadcasts.to_socket(self._sid, "error", {**envelope, "event": _printable(self.name)})
        else:
            envelope = {"success": True, "message": outcome[0], "data": outcome[1]}
        if self._acknowledge is not None:
            size = self._acknowledge(envelope)
            if self.connection is not None and self.connection.budget is not None:
                self.connection.budget.charge(size)
        seconds = tracing.finish(self)
        if error is not None:
            metrics.REFUSED.add(error.code)
        elif self.batch is not None:
            _sent.observe(seconds)
        if logger.isEnabledFor(logging.INFO):
            self._log(error, seconds)

    def described(self) -> Mapping[str, object]:
        """Return the event and its session, for a log line."""
        payload = self.arguments[0] if self.arguments else None
        session_id = payload.get("sessionId") if isinstance(payload, dict) else None
        return {
            "operation": self.known_name,
            "session_id": session_id if isinstance(session_id, str) and len(session_id) <= 64 else None,
        }

    @property
    def known_name(self) -> str:
        """Its name, if it is a known event."""
        name = self.name
        return name if isinstance(name, str) and name in RECEIVED else "(unknown)"

    def _log(self, error: ChatSupportError | None, seconds: float) -> None:
        logger.info(
            "Event %s",
            self.known_name,
            extra={
                "event": "socket_event",
                "session_id": self.described()["session_id"],
                "status": 200 if error is None else error.status,
                "code": None if error is None else error.code,
                "ms": round(seconds * 1000, 1),
            },
        )

    def finish_later(self, outcome: Answer | Exception) -> None:
        """Answer the client from the greenlet that wrote its message, which has another log context."""
        before = logs.enter(self.fields)
        try:
            self.finish(outcome)
        finally:
            logs.leave(before)
            if self.connection is not None:
                self.connection.open_sends.end()


def _run(running: Event, is_behind: bool) -> Answer | None:
    """Return the answer; None if it comes later."""
    connection, name = running.connection, running.name
    if connection is None:
        raise NotFoundError("This socket is not connected. Connect again.")
    _spend(connection)
    readiness.wait_until_ready()
    received = RECEIVED.get(name) if isinstance(name, str) else None
    if received is None:
        raise NotFoundError("This event does not exist. The details list all events.", details=names())
    if received.is_answered_later:
        if is_behind:
            connection.open_sends.wait_for_all()
        else:
            connection.open_sends.wait_for_room()
        payload = _payload(connection, running, received)
        connection.open_sends.begin()
        try:
            received.handler(connection, payload, running.finish_later)
        except BaseException:
            connection.open_sends.end()
            raise
        return None
    connection.open_sends.wait_for_all()
    payload = _payload(connection, running, received)
    with turn(), answer_within(message_log.MAX_WAIT_SECONDS):
        return received.handler(connection, payload)  # type: ignore[no-any-return]


def _spend(connection: Connection) -> None:
    """Count an event. Raises `RateLimitedError` beyond the caller's budget, and closes a socket that still goes on."""
    if connection.budget is None:
        return
    try:
        connection.budget.spend()
    except RateLimitedError as error:
        connection.refused += 1
        if connection.refused > MAX_REFUSED:
            logger.info("Closed a socket that asked for too much", extra={"event": "flood"})
            connections.cut(connection, error)
        raise
    if connection.refused:
        connection.refused -= 1


def _payload(connection: Connection, running: Event, received: Received) -> InSession:
    payload = running.arguments[0] if running.arguments else {}
    if payload is None:
        payload = {}
    if not isinstance(payload, dict):
        raise InvalidInputError("INVALID_JSON", 'The payload must be one JSON object, such as {"sessionId": "…"}.')
    try:
        read = received.body.parse(payload)
    except ChatSupportError:
        _refuse_strangers(connection, InSession.parse(payload))
        raise
    access.check_token(connection.caller, str(read.session_id))
    return read


def _refuse_strangers(connection: Connection, named: InSession) -> None:
    """Raise an error if the sender of a wrong event may not access its session: access comes first for it too."""
    access.check_token(connection.caller, str(named.session_id))
    with turn(), answer_within(message_log.MAX_WAIT_SECONDS):
        access.find_session(connection.caller, named.session_id)


def _printable(name: object) -> str | None:
    """Return an event's name in a form that can be sent back: short, and valid as UTF-8."""
    return name[:64].encode("utf-8", "replace").decode() if isinstance(name, str) else None
