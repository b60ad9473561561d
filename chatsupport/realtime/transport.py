"""How Socket.IO is run here: its options, and the places where we reach into python-socketio.

Whatever depends on the inside of python-socketio, python-engineio or eventlet stands here and nowhere else;
`tests/unit/realtime/test_transport.py` fails when a new release changes one of these places.
"""

from __future__ import annotations

import functools
import logging
import re
import types
from collections.abc import Callable, Mapping
from typing import Any

from engineio.packet import MESSAGE, Packet
from eventlet import tpool
from flask import Flask
from pymongo.errors import PyMongoError
from socketio import packet

from chatsupport import background, json_codec
from chatsupport.config import Config
from chatsupport.database.connection import answer_within, give_up_if_away, is_unavailable
from chatsupport.errors import RateLimitedError
from chatsupport.extensions import socketio
from chatsupport.observability import logs, metrics
from chatsupport.outside import is_own_origin
from chatsupport.realtime import deadlines, engine, managers, offloading, websocket
from chatsupport.services.messages import message_log
from chatsupport.services.server import processes
from chatsupport.sockets import chat, events, handshake, strangers

logger = logging.getLogger(__name__)

MAX_PACKET_BYTES = 64 * 1024
MAX_ACK_ID_DIGITS = 18
MAX_REFUSALS = 5
"""An Engine.IO connection whose CONNECT was refused so often may not try once more."""
BINARY = "b"
DRAIN_SECONDS = 4.0
_BINARY_EVENT = re.compile(r"5[0-9]{1,10}-([0-9]{0,18})(?=\[)", re.ASCII)
DATABASE_SECONDS = 0.5
FLUSH_SECONDS = 1.5
OUTBOX_SECONDS = 0.5
"""What leaving may take: together less than `graceful_timeout` in gunicorn.conf.py."""

__all__ = ["chat", "drain", "flush", "init_app"]


def _allowed_origins(config: Config) -> str | Callable[[str | None, Mapping[str, Any]], bool]:
    """Return the rule for websites: those configured, and this server's own origin, which Python's websocket client
    sends and which is no cross-origin call.
    """
    if "*" in config.frontend_urls:
        return "*"
    websites = {*config.frontend_urls, *([config.public_origin] if config.public_origin else [])}
    return lambda origin, environ: origin in websites or is_own_origin(origin, environ)


def init_app(app: Flask, config: Config) -> None:
    """Bind Socket.IO to the application."""
    socketio.init_app(
        app,
        async_mode=config.async_mode,
        # One event of a socket after the other, in the order they were sent.
        async_handlers=False,
        cors_allowed_origins=_allowed_origins(config),
        json=json_codec,
        manage_session=False,
        max_http_buffer_size=MAX_PACKET_BYTES,
        client_manager=managers.make(config.redis_url),
        logger=False,
        engineio_logger=False,
    )
    offloading.bind(tpool.execute if config.async_mode == "eventlet" else None)
    engine.install(MAX_PACKET_BYTES)
    websocket.install()
    app.wsgi_app = websocket.Handover(app.wsgi_app)  # type: ignore[method-assign]
    metrics.CONNECTIONS.read_by(_count_connections)
    metrics.CONNECTIONS_LIMIT.set(config.worker_connections)
    server = socketio.server
    # Handlers get no Flask context: on the hot path it would cost more than the handler.
    server.on("connect", handshake.connect)
    server.on("disconnect", handshake.disconnect)
    server._handle_event = types.MethodType(_handle_event, server)
    # It logs as errors, once, the first mistake of any client; the client itself is told by the answer.
    server.eio._log_error_once = _log_nothing
    server.eio._handle_connect = functools.partial(_open, server.eio._handle_connect)
    server.eio.on("connect", functools.partial(_begin, server._handle_eio_connect))
    server.eio.on("message", functools.partial(_take_message, server))
    server.eio.on("disconnect", functools.partial(_end, server))


def _count_connections() -> dict[str, float]:
    open_now = [eio_socket for eio_socket in list(socketio.server.eio.sockets.values()) if not eio_socket.closed]
    websockets = sum(bool(eio_socket.upgraded) for eio_socket in open_now)
    return {"websocket": websockets, "polling": len(open_now) - websockets}


def _log_nothing(*_: object) -> None:
    """Stand in for a library's function that logs."""


def _open(handle_connect: Callable[..., Any], environ: dict[str, Any], *arguments: Any, **options: Any) -> Any:
    """Open an Engine.IO connection, unless its address has too many open behind which nobody is known."""
    try:
        oldest = strangers.make_room(environ.get("REMOTE_ADDR", ""))
    except RateLimitedError as error:
        headers = [("Content-Type", "application/json"), ("Retry-After", str(error.retry_after))]
        envelope = error.envelope(environ.get(logs.REQUEST_ID))
        return {"status": "429 TOO MANY REQUESTS", "headers": headers, "response": json_codec.dumps(envelope).encode()}
    if oldest is not None:
        socketio.server.eio.disconnect(oldest)
    return handle_connect(environ, *arguments, **options)


def _begin(begin: Callable[[str, Any], Any], eio_sid: str, environ: dict[str, Any]) -> Any:
    """Take a new Engine.IO connection, which has a while to say who it is."""
    strangers.add(eio_sid, environ.get("REMOTE_ADDR", ""))
    deadlines.watch_handshake(eio_sid)
    return begin(eio_sid, websocket.needed_later(environ))


def _end(server: Any, eio_sid: str, *reason: Any) -> None:
    """Forget an Engine.IO connection that is gone; python-engineio would raise at a POST that comes after it."""
    server._handle_eio_disconnect(eio_sid, *reason)
    server.eio.sockets.pop(eio_sid, None)
    strangers.remove(eio_sid)


def _take_message(server: Any, eio_sid: str, data: Any) -> None:
    """Take an Engine.IO message in place of python-socketio's own method, which raises on most that are out of order.

    Whatever is no event of a connected client is counted: an honest client sends few of those.
    """
    kind = data[:1] if type(data) is str else BINARY
    if kind == "2" and _take_event(server, eio_sid, data):
        return
    if kind in ("5", "6", BINARY):
        _refuse_binary(server, eio_sid, data)
    eio_socket = server.eio.sockets.get(eio_sid)
    if eio_socket is None or not eio_socket.take_stray():
        return
    if kind == "0":
        _connect(server, eio_sid, data)
    elif kind == "1" and server.manager.sid_from_eio_sid(eio_sid, "/") is not None:
        server._handle_disconnect(eio_sid, "/", server.reason.CLIENT_DISCONNECT)


def _take_event(server: Any, eio_sid: str, data: str) -> bool:
    """Take an event packet. False where nobody is connected who could have sent it."""
    start = data.find("[")
    ack_id = data[1:start]
    if start == 1 or (ack_id.isascii() and ack_id.isdigit() and len(ack_id) <= MAX_ACK_ID_DIGITS):
        try:
            event = json_codec.loads(data[start:])
        except ValueError:
            event = None
        return _handle_event(server, eio_sid, "/", int(ack_id) if ack_id else None, event)
    odd = _decoded(server, data)
    return odd is not None and _handle_event(server, eio_sid, odd.namespace, odd.id, odd.data)


def _connect(server: Any, eio_sid: str, data: str) -> None:
    """Take a CONNECT. A connection that was refused too often is closed."""
    wanted = _decoded(server, data)
    environ = server.environ.get(eio_sid)
    if wanted is None or environ is None:
        return
    server._handle_connect(eio_sid, wanted.namespace, wanted.data)
    if environ.get(handshake.REFUSALS, 0) > MAX_REFUSALS:
        server.eio.disconnect(eio_sid)


def _decoded(server: Any, data: str) -> Any:
    """Return a Socket.IO packet; None where it is none."""
    try:
        return server.packet_class(encoded_packet=data)
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
        return None


def _refuse_binary(server: Any, eio_sid: str, data: Any) -> None:
    """Answer an event with binary parts, of which we take none, as any other whose payload is no object.

    The parts themselves follow as messages of their own. python-socketio would collect them, up to a billion of them.
    """
    match = _BINARY_EVENT.match(data) if type(data) is str else None
    if match is None:
        return
    try:
        event = json_codec.loads(data[match.end() :])
    except ValueError:
        event = None
    name = event[0] if isinstance(event, list) and event else None
    _handle_event(server, eio_sid, "/", int(match[1]) if match[1] else None, [name, "binary"])


def _handle_event(server: Any, eio_sid: str, namespace: str | None, ack_id: int | None, data: Any) -> bool:
    """Take an event packet in place of python-socketio's own method, which hides from handlers whether the client
    wants an acknowledgement, ignores unknown events, and raises on packets that are no event at all.

    Returns False where nobody is connected.
    """
    namespace = namespace or "/"
    sid = server.manager.sid_from_eio_sid(eio_sid, namespace)
    if sid is None or not server.manager.is_connected(sid, namespace):
        return False
    name, arguments = (data[0], data[1:]) if isinstance(data, list) and data else (None, [])
    acknowledge = None
    if ack_id is not None:
        acknowledge = functools.partial(_acknowledge, server, eio_sid, sid, namespace, ack_id)
    eio_socket = server.eio.sockets.get(eio_sid)
    is_behind = eio_socket is not None and not eio_socket.queue.empty()
    events.handle(sid, name, arguments, acknowledge, is_behind=is_behind)
    return True


def _acknowledge(server: Any, eio_sid: str, sid: str, namespace: str, ack_id: int, envelope: dict[str, Any]) -> int:
    """Call the client's callback, if it is still there; return how many bytes that took."""
    if not server.manager.is_connected(sid, namespace):
        return 0
    where = "" if namespace == "/" else f"{namespace},"
    acknowledgement = f"{packet.ACK}{where}{ack_id}{json_codec.dumps([envelope])}"
    server._send_eio_packet(eio_sid, Packet(MESSAGE, acknowledgement))
    return len(acknowledgement) if acknowledgement.isascii() else len(acknowledgement.encode())


def drain() -> None:
    """Let running sends finish, then close every connection so that clients know and connect again elsewhere.

    Engine.IO is what closes: a client that is disconnected by Socket.IO itself would not come back on its own. The
    disconnect handlers run, so that presence and typing end at once and not by a lease.
    """
    message_log.log.close()
    give_up_if_away(DATABASE_SECONDS)
    message_log.log.wait_until_idle(DRAIN_SECONDS)
    server = socketio.server
    for eio_socket in list(server.eio.sockets.values()):
        try:
            eio_socket.close(wait=False, reason=server.reason.SERVER_DISCONNECT)
        except Exception:
            logger.exception("A socket could not be closed")
    flush()


def leave() -> None:
    """Tell the other processes that this one has nothing under way any more."""
    try:
        with answer_within(FLUSH_SECONDS):
            processes.here.leave()
    except Exception as error:
        logger.warning("The other processes could not be told that this one is gone", exc_info=not _is_away(error))


def flush() -> None:
    """Store and publish what waits to be: when the sockets are closed, and again after the last request."""
    with answer_within(FLUSH_SECONDS):
        background.flush_all()
    socketio.server.manager.flush(OUTBOX_SECONDS)


def _is_away(error: Exception) -> bool:
    """Tell whether the error says no more than that the database does not answer."""
    return isinstance(error, PyMongoError) and is_unavailable(error)
