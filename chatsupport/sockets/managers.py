"""Rooms: of this process alone, or joined with those of other processes by Redis.

Both kinds see every event on its way to the sockets of this process: they take the orders of `broadcasts.control` off
it, and let `joining` overhear it.
"""

from __future__ import annotations

from typing import Any

from socketio import Manager

from chatsupport import broadcasts
from chatsupport.services import read_marks
from chatsupport.sockets import controls, joining
from chatsupport.sockets.redis_queue import RedisQueue


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

    def emit(
        self, event: str, data: Any, namespace: str, room: Any = None, skip_sid: Any = None, **kwargs: Any
    ) -> None:
        """Emit to the sockets of this process."""
        if event == broadcasts.CONTROL_EVENT:
            controls.obey(data)
            return
        skip_sid = joining.overhear(event, data, room, skip_sid)
        super().emit(event, data, namespace, room=room, skip_sid=skip_sid, **kwargs)

    def flush(self, seconds: float) -> None:
        """Nothing waits here."""


class SharedManager(RoomsBySocket, RedisQueue):
    """Rooms of all processes."""

    def emit(self, event: str, data: Any, namespace: Any = None, room: Any = None, **kwargs: Any) -> None:
        """Emit to the sockets of all processes, or with `ignore_queue` to those of this one."""
        if kwargs.get("ignore_queue"):
            if event == broadcasts.CONTROL_EVENT:
                controls.obey(data)
                return
            kwargs["skip_sid"] = joining.overhear(event, data, kwargs.get("to") or room, kwargs.get("skip_sid"))
        super().emit(event, data, namespace=namespace, room=room, **kwargs)

    def _handle_emit(self, message: dict[str, Any]) -> None:
        """Take an event to the sockets of this process, whichever process it is from."""
        event: str = message["event"]
        data: Any = message["data"][0] if message["data"] else None
        if event == broadcasts.CONTROL_EVENT:
            controls.obey(data)
            return
        if event == "messages_read" and message["host_id"] != self.host_id:
            read_marks.heard(data)
        skip_sid = joining.overhear(event, data, message["room"], message["skip_sid"])
        super()._handle_emit({**message, "skip_sid": skip_sid})
