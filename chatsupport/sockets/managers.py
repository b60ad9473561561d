"""Rooms: of this process alone, or joined with those of other processes by Redis.

Both kinds see every event on its way to the sockets of this process: they take the orders of `broadcasts.control` off
it, and let `joining` overhear it.
"""

from __future__ import annotations

import logging
import queue
from typing import Any

from socketio import Manager, RedisManager

from chatsupport import broadcasts
from chatsupport.extensions import socketio
from chatsupport.sockets import controls, joining

logger = logging.getLogger(__name__)

CHANNEL = "chatsupport"
OUTBOX_EVENTS = 20_000
CONNECT_TIMEOUT_SECONDS = 2.0


def make(redis_url: str | None) -> Manager:
    """Return the manager for one process, or for several that share a Redis."""
    return LocalManager() if redis_url is None else SharedManager(redis_url)


class RoomsBySocket(Manager):
    """Knows each socket's rooms: a disconnect looks at those and not, as in python-socketio, at all there are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rooms_of: dict[str, set[str | None]] = {}

    def basic_enter_room(self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None) -> None:
        """Put a socket into a room."""
        super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
        self._rooms_of.setdefault(sid, set()).add(room)

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        """Take a socket out of a room."""
        super().basic_leave_room(sid, namespace, room)
        rooms = self._rooms_of.get(sid)
        if rooms is not None:
            rooms.discard(room)
            if not rooms:
                del self._rooms_of[sid]

    def basic_disconnect(self, sid: str, namespace: str, **_: Any) -> None:
        """Take a socket out of all its rooms, and forget it."""
        for room in list(self._rooms_of.get(sid, ())):
            self.basic_leave_room(sid, namespace, room)
        self.callbacks.pop(sid, None)
        for pending in (self.pending_connect, self.pending_disconnect):
            if sid in pending.get(namespace, ()):
                pending[namespace].remove(sid)
                if not pending[namespace]:
                    del pending[namespace]


class LocalManager(RoomsBySocket):
    """Rooms of one process."""

    def emit(self, event: str, data: Any, namespace: str, room: Any = None, **kwargs: Any) -> None:
        """Emit to the sockets of this process."""
        if event == broadcasts.CONTROL_EVENT:
            controls.obey(data)
            return
        joining.overhear(event, data, room)
        super().emit(event, data, namespace, room=room, **kwargs)


class SharedManager(RoomsBySocket, RedisManager):
    """Rooms of all processes. What goes to the others waits in an outbox, so that a stuck Redis holds nobody up.

    While Redis is away, the other processes miss events; their clients notice by `session_sync` and catch up.
    """

    def __init__(self, url: str) -> None:
        # No socket_timeout: the subscription waits as long as nothing comes.
        super().__init__(url, channel=CHANNEL, redis_options={"socket_connect_timeout": CONNECT_TIMEOUT_SECONDS})
        self._outbox: queue.Queue[dict[str, Any]] = queue.Queue(OUTBOX_EVENTS)
        self._publishing = False

    def _handle_emit(self, message: dict[str, Any]) -> None:
        if message["event"] == broadcasts.CONTROL_EVENT:
            controls.obey(message["data"][0])
            return
        joining.overhear(message["event"], message["data"][0] if message["data"] else None, message["room"])
        super()._handle_emit(message)

    def _publish(self, data: dict[str, Any]) -> None:
        if not self._publishing:
            self._publishing = True
            socketio.start_background_task(self._publish_all)
        try:
            self._outbox.put_nowait(data)
        except queue.Full:
            logger.warning("Redis takes no events; the other processes miss one", extra={"event": "outbox_full"})

    def _publish_all(self) -> None:
        while True:
            super()._publish(self._outbox.get())
