"""The Socket.IO server: its setup, and the functions by which the rest of Chat Support uses sockets and rooms."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from engineio import packet
from eventlet import tpool
from flask import Flask

from chatsupport import json_codec
from chatsupport.config import Config
from chatsupport.extensions import socketio
from chatsupport.observability import metrics
from chatsupport.public_address import is_own_origin
from chatsupport.realtime import Hooks, engine, native_threads, rooms, websocket
from chatsupport.realtime.packets import Receiver

logger = logging.getLogger(__name__)

MAX_PACKET_BYTES = 64 * 1024
LATE_SECONDS = 30.0
"""How long requests may be on their way after their client has ended its connection by long-polling."""
MAX_LATE = 10_000
_CONNECT_KEEPS = ("REMOTE_ADDR", "HTTP_AUTHORIZATION", "HTTP_X_API_KEY", "flask.app")
"""The parts of a connection's first request that a CONNECT reads. It may come late or again."""


def init_app(app: Flask, config: Config, hooks: Hooks, channel_prefix: str) -> None:
    """Bind Socket.IO to the application. With Redis, each room whose name has this prefix has its own channel."""
    socketio.init_app(
        app,
        async_mode=config.async_mode,
        # The events of a socket are handled one after the other, in the order they were sent.
        async_handlers=False,
        cors_allowed_origins=_allowed_origins(config),
        json=json_codec,
        manage_session=False,
        max_http_buffer_size=MAX_PACKET_BYTES,
        client_manager=rooms.make(config.redis_url, hooks, channel_prefix),
        logger=False,
        engineio_logger=False,
    )
    app.wsgi_app = websocket.HiddenSocket(app.wsgi_app)  # type: ignore[method-assign]
    if config.async_mode == "eventlet":
        tpool.set_num_threads(native_threads.THREADS)
        # While any thread was importing something, eventlet would do the work in the event loop: a call that hangs
        # would stop the server.
        tpool.imp = SimpleNamespace(lock_held=lambda: False)
    native_threads.bind(tpool.execute if config.async_mode == "eventlet" else None)
    engine.install(hooks, MAX_PACKET_BYTES)
    websocket.install()
    metrics.CONNECTIONS.read_by(_count_connections)
    metrics.CONNECTIONS_LIMIT.set(config.worker_connections)
    server = socketio.server
    # Handlers get no Flask context: on the hot path it would cost more than the handler.
    server.on("connect", hooks.connect)
    server.on("disconnect", hooks.disconnect)
    server._handle_eio_message = Receiver(server, hooks).take
    # It logs the first mistake of any client as an error, once. The answer tells the client itself.
    server.eio._log_error_once = _log_nothing
    server.eio._bad_request = functools.partial(_refuse, server.eio, server.eio._bad_request)
    server.eio._handle_connect = functools.partial(_open, hooks, server.eio._handle_connect)
    server.eio.on("connect", functools.partial(_begin, hooks, server._handle_eio_connect))
    server.eio.on("message", server._handle_eio_message)
    server.eio.on("disconnect", functools.partial(_end, hooks, server))


def emit(event: str, data: Any, room: str | list[str], *, skip: list[str] | None = None, here: bool = False) -> None:
    """Emit to the sockets in one or several rooms, in all processes or only `here`. `skip` are sids."""
    # Not socketio.emit(), which only adds conveniences that we do not use.
    socketio.server.manager.emit(event, data, "/", room=room, skip_sid=skip, ignore_queue=here)


def emit_elsewhere(take: Callable[[str, Any, str | list[str]], None]) -> None:
    """Pass everything that is emitted to all processes (event, data, rooms) to `take`: this process has no sockets."""

    def emit(event: str, data: Any, namespace: str, room: str | list[str], *, ignore_queue: bool, **_: Any) -> None:
        if not ignore_queue:
            take(event, data, room)

    socketio.server.manager.emit = emit


def enter(sid: str, room: str) -> None:
    """Put a socket into a room."""
    socketio.server.enter_room(sid, room)


def leave(sid: str, room: str) -> None:
    """Take a socket out of a room."""
    socketio.server.leave_room(sid, room)


def members(room: str) -> list[str]:
    """Return the sids of the sockets of this process in a room."""
    return [sid for sid, _ in socketio.server.manager.get_participants("/", room)]


def has_members(room: str) -> bool:
    """Tell whether any socket of this process is in the room."""
    return bool(socketio.server.manager.has_members("/", room))


def is_in(sid: str, room: str) -> bool:
    """Tell whether a socket is in a room."""
    return room in socketio.server.rooms(sid)


def hear_others() -> None:
    """Begin to hear other processes: python-socketio would begin only when the first client connects."""
    if not socketio.server.manager_initialized:
        socketio.server.manager_initialized = True
        socketio.server.manager.initialize()


def listening(room: str) -> contextlib.AbstractContextManager[None]:
    """Get other processes' events of a room during the block, from its beginning on."""
    held: contextlib.AbstractContextManager[None] = socketio.server.manager.listening(room)
    return held


def disconnect(sid: str) -> None:
    """Disconnect a socket. Its client does not reconnect by itself."""
    socketio.server.disconnect(sid)


def connection_of(sid: str) -> str | None:
    """Return the id of a socket's Engine.IO connection."""
    eio_sid: str | None = socketio.server.manager.eio_sid_from_sid(sid, "/")
    return eio_sid


def is_open(eio_sid: str) -> bool:
    """Tell whether an Engine.IO connection is open."""
    return eio_sid in socketio.server.environ


def is_used(eio_sid: str) -> bool | None:
    """Tell whether an open Engine.IO connection has a connected socket; None while its credentials are checked."""
    manager = socketio.server.manager
    sid = manager.sid_from_eio_sid(eio_sid, "/")
    return False if sid is None else True if manager.is_connected(sid, "/") else None


def cut(eio_sid: str | None) -> None:
    """Close an Engine.IO connection. Its client may reconnect by itself."""
    if eio_sid is not None:
        socketio.server.eio.disconnect(eio_sid)


def close_all() -> None:
    """Close every connection so that clients know, and connect again elsewhere. The disconnect handlers run."""
    for eio_socket in list(socketio.server.eio.sockets.values()):
        try:
            eio_socket.close(wait=False, reason=socketio.server.reason.SERVER_DISCONNECT)
        except Exception:
            logger.exception("A socket could not be closed")


def flush(seconds: float) -> None:
    """Wait until events for other processes are sent, for at most this many seconds."""
    socketio.server.manager.flush(seconds)


def _allowed_origins(config: Config) -> str | Callable[[str | None, Mapping[str, Any]], bool]:
    """Return the rule for websites: those configured, and this server's own origin, which Python's websocket client
    sends and which is no cross-origin call.
    """
    if "*" in config.frontend_urls:
        return "*"
    websites = {*config.frontend_urls, *([config.public_origin] if config.public_origin else [])}
    return lambda origin, environ: origin in websites or is_own_origin(origin, environ)


def _count_connections() -> dict[str, float]:
    open_now = [eio_socket for eio_socket in list(socketio.server.eio.sockets.values()) if not eio_socket.closed]
    websockets = sum(bool(eio_socket.upgraded) for eio_socket in open_now)
    return {"websocket": websockets, "polling": len(open_now) - websockets}


def _log_nothing(*_: object) -> None:
    """Replace a library's function that logs."""


def _open(
    hooks: Hooks, handle_connect: Callable[..., Any], environ: dict[str, Any], *arguments: Any, **options: Any
) -> Any:
    """Open an Engine.IO connection, unless it is refused."""
    refusal = hooks.refuse(environ)
    if refusal is not None:
        return dict(zip(("status", "headers", "response"), refusal, strict=True))
    return handle_connect(environ, *arguments, **options)


def _begin(hooks: Hooks, begin: Callable[[str, Any], Any], eio_sid: str, environ: dict[str, Any]) -> Any:
    """Handle a new Engine.IO connection."""
    hooks.opened(eio_sid, environ)
    return begin(eio_sid, {name: environ[name] for name in _CONNECT_KEEPS if name in environ})


def _end(hooks: Hooks, server: Any, eio_sid: str, *reason: Any) -> None:
    """Forget a closed Engine.IO connection. python-engineio would raise at a later POST."""
    server._handle_eio_disconnect(eio_sid, *reason)
    connection = server.eio.sockets.pop(eio_sid, None)
    if connection is not None and not connection.upgraded and server.reason.CLIENT_DISCONNECT in reason:
        _late[eio_sid] = time.monotonic()
        while len(_late) > MAX_LATE or next(iter(_late.values())) < time.monotonic() - LATE_SECONDS:
            del _late[next(iter(_late))]
    hooks.closed(eio_sid)


_late: dict[str, float] = {}
"""The connections by long-polling that their clients have ended, and when, the oldest first."""


def _refuse(eio: Any, refuse: Callable[..., Any], message: str | None = None) -> Any:
    """Answer a request that python-engineio refuses.

    One of a connection that its client has just ended is no mistake: the two crossed. A browser would show an error of
    the page. Where the server has ended a connection, the refusal stays: it lets python-socketio's client reconnect.
    """
    ended_at = _late.get((message or "").removeprefix("Invalid session "))
    if ended_at is not None and time.monotonic() - ended_at < LATE_SECONDS:
        return eio._ok([packet.Packet(packet.CLOSE)])
    return refuse(message)
