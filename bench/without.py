"""Remove patches from a server for `bench.patches`. It runs in the server's process, before the application is made.

Each function restores the library's own behaviour in place of one patch of chatsupport/realtime/, or removes one
optimization of the message log. Promises may be broken then, because this measures only speed and memory.
"""

from __future__ import annotations

import contextlib
from typing import Any

import engineio.socket
import eventlet
import socketio
from engineio import packet
from eventlet.websocket import RFC6455WebSocket

from chatsupport.realtime import engine, redis_queue, rooms, websocket
from chatsupport.realtime.packets import Receiver
from chatsupport.services.messages import admission, backlog

ENGINE_SOCKET = engineio.socket.Socket


def engine_socket() -> None:
    """Three greenlets a connection, and python-engineio's own loops."""
    ENGINE_SOCKET.take_stray = lambda self: True
    engine.install = lambda hooks, max_packet_bytes: None


def direct_write() -> None:
    """Queue every packet and have a greenlet write it."""

    def send(self: Any, pkt: Any) -> None:
        if self.check_ping_timeout():
            self._enqueue(pkt)

    engine.EngineSocket.send = send


def pinger() -> None:
    """Have a greenlet for each connection's next ping."""

    def schedule_ping(self: Any) -> None:
        if self.last_ping:
            self.last_ping = None
            self.server.start_background_task(ping_later, self)

    def ping_later(connection: Any) -> None:
        eventlet.sleep(connection.server.ping_interval)
        connection.ping()

    engine.EngineSocket.schedule_ping = schedule_ping


def receive_next() -> None:
    """Decode each packet by python-engineio, which looks for JSON in it, and give it the library's way."""

    def take(self: Any, data: Any) -> bool:
        self.receive(packet.Packet(encoded_packet=data))
        return not self.closed

    engine.EngineSocket._take = take


def frames() -> None:
    """Unmask byte by byte, as eventlet does."""
    websocket.unmask = RFC6455WebSocket._apply_mask


def listen() -> None:
    """Have a greenlet for each websocket, which reads until its end, and keeps the request that it began with."""

    def listen(self: Any, take: Any, gone: Any) -> None:
        self._gone = gone
        with contextlib.suppress(OSError):
            while (message := self.wait()) is not None and take(message):
                pass
        self._end()

    websocket.ChatWebSocket.listen = listen


def deliver() -> None:
    """Send an event to a room by python-socketio's `emit`."""

    def deliver(self: Any, event: str, data: Any, room: Any, skipped: Any) -> None:
        socketio.Manager.emit(self, event, data, "/", room=room, skip_sid=list(skipped))

    rooms.Rooms._deliver = deliver


def event_packets() -> None:
    """Parse each event packet by python-socketio."""

    def take_event(self: Any, eio_sid: str, data: str) -> bool:
        decoded = self._decoded(data)
        return decoded is not None and self._handle(eio_sid, decoded.namespace or "/", decoded.id, decoded.data)

    Receiver._take_event = take_event


def rooms_of() -> None:
    """Look for a socket in all rooms when it disconnects."""
    rooms.Rooms.basic_disconnect = socketio.Manager.basic_disconnect


def admission_memory() -> None:
    """Read the session of each message."""
    admission.Admission._knows = lambda self, draft: False


def more_writers() -> None:
    """Have one batch in progress at a time."""
    backlog.MAX_WRITERS = 1


def room_channels() -> None:
    """Tell every process what is said in every session."""
    redis_queue.RedisQueue.channel_of = lambda self, room: None
