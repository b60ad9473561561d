"""How Socket.IO is run here: its options, and the places where we reach into python-socketio.

Whatever depends on the inside of python-socketio, python-engineio or eventlet stands here and nowhere else;
`tests/unit/test_transport.py` fails when a new release changes one of these places.
"""

from __future__ import annotations

import logging
import types
from typing import Any

from flask import Flask
from socketio import Manager, RedisManager, packet

from chatsupport import broadcasts, json_codec
from chatsupport.config import Config
from chatsupport.extensions import socketio
from chatsupport.services import message_log
from chatsupport.sockets import chat, connection, controls, events

logger = logging.getLogger(__name__)

MAX_PACKET_BYTES = 64 * 1024
DRAIN_SECONDS = 4.0

__all__ = ["chat", "drain", "init_app"]


class LocalManager(Manager):
    """Rooms of one process. Takes orders to sockets off the way to the clients."""

    def emit(self, event: str, data: Any, namespace: str, *args: Any, **kwargs: Any) -> Any:
        """Emit to the clients of this process."""
        if event == broadcasts.CONTROL_EVENT:
            controls.obey(data)
            return None
        return super().emit(event, data, namespace, *args, **kwargs)


class SharedManager(RedisManager):
    """Rooms of all processes, joined by Redis. Takes orders to sockets off the way to the clients."""

    def _handle_emit(self, message: dict[str, Any]) -> Any:
        if message.get("event") == broadcasts.CONTROL_EVENT:
            controls.obey(message["data"][0])
            return None
        return super()._handle_emit(message)


def _manager(config: Config) -> Manager:
    return LocalManager() if config.redis_url is None else SharedManager(config.redis_url, channel="chatsupport")


def init_app(app: Flask, config: Config) -> None:
    """Bind Socket.IO to the application."""
    socketio.init_app(
        app,
        async_mode=config.async_mode,
        # One event of a socket after the other, in the order they were sent.
        async_handlers=False,
        cors_allowed_origins="*" if "*" in config.frontend_urls else list(config.frontend_urls),
        json=json_codec,
        manage_session=False,
        max_http_buffer_size=MAX_PACKET_BYTES,
        client_manager=_manager(config),
        logger=False,
        engineio_logger=False,
    )
    server = socketio.server
    # Handlers get no Flask context: on the hot path it would cost more than the handler.
    server.on("connect", connection.connect)
    server.on("disconnect", connection.disconnect)
    server._handle_event = types.MethodType(_handle_event, server)


def _handle_event(server: Any, eio_sid: str, namespace: str | None, ack_id: int | None, data: Any) -> None:
    """Take an event packet in place of python-socketio's own method, which hides from handlers whether the client
    wants an acknowledgement, ignores unknown events, and raises on packets that are no event at all.
    """
    namespace = namespace or "/"
    sid = server.manager.sid_from_eio_sid(eio_sid, namespace)
    if sid is None or not server.manager.is_connected(sid, namespace):
        return
    name, arguments = (data[0], data[1:]) if isinstance(data, list) and data else (None, [])
    envelope = events.handle(sid, name, arguments, wants_acknowledgement=ack_id is not None)
    if ack_id is not None and server.manager.is_connected(sid, namespace):
        acknowledgement = server.packet_class(packet.ACK, namespace=namespace, id=ack_id, data=[envelope])
        server._send_packet(eio_sid, acknowledgement)


def drain() -> None:
    """Let running sends finish, then close every connection so that clients know and connect again elsewhere.

    Engine.IO is what closes: a client that is disconnected by Socket.IO itself would not come back on its own. The
    disconnect handlers run, so that presence and typing end at once and not by a lease.
    """
    message_log.log.wait_until_idle(DRAIN_SECONDS)
    server = socketio.server
    for eio_socket in list(server.eio.sockets.values()):
        try:
            eio_socket.close(wait=False, reason=server.reason.SERVER_DISCONNECT)
        except Exception:
            logger.exception("A socket could not be closed")
