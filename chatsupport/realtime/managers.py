"""Rooms: of this process alone, or joined with those of other processes by Redis.

Both kinds see every event on its way to the sockets of this process: they take orders (`orders.py`) off it, and let
`held_events` overhear it.
"""

from __future__ import annotations

import contextlib
from typing import Any

from engineio.packet import MESSAGE, Packet
from socketio import Manager

from chatsupport import broadcasts, json_codec, orders
from chatsupport.realtime.redis_queue import CHANNEL, RedisQueue, channel_of
from chatsupport.services.messages import read_marks
from chatsupport.services.presence import membership
from chatsupport.services.sessions import told_here
from chatsupport.sockets import held_events


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

    def deliver(self, event: str, data: Any, room: Any, skip_sid: str | list[str] | None) -> None:
        """Send an event to the sockets of this process in a room, or in several; one packet for all of them.

        What python-socketio's `emit` does, without packets of its own, attachments and callbacks: it is most of what a
        message costs that comes to few sockets.
        """
        if event == orders.EVENT:
            orders.obey(data)
            return
        if event in told_here.EVENTS:
            told_here.heard(event, data)
        skip_sid = held_events.overhear(event, data, room, skip_sid)
        skipped = (skip_sid,) if isinstance(skip_sid, str) else skip_sid or ()
        packet: Packet | None = None
        for sid, eio_sid in self.get_participants("/", room):
            if sid not in skipped:
                if packet is None:
                    packet = Packet(MESSAGE, "2" + json_codec.dumps([event, data]))
                self.server._send_eio_packet(eio_sid, packet)


class LocalManager(RoomsBySocket):
    """Rooms of one process."""

    def emit(
        self, event: str, data: Any, namespace: str, room: Any = None, skip_sid: Any = None, **kwargs: Any
    ) -> None:
        """Emit to the sockets of this process."""
        self.deliver(event, data, room or kwargs.get("to"), skip_sid)

    def listening(self, room: str) -> contextlib.AbstractContextManager[None]:
        """Hear a room from elsewhere; there is no elsewhere."""
        return contextlib.nullcontext()

    def flush(self, seconds: float) -> None:
        """Nothing waits here."""


class SharedManager(RoomsBySocket, RedisQueue):
    """Rooms of all processes."""

    def listening(self, room: str) -> contextlib.AbstractContextManager[None]:
        """Hear what other processes say in a session's room, for the length of a block, from its beginning on."""
        return self.channels.hold(channel_of(room))

    def basic_enter_room(self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None) -> None:
        """Put a socket into a room; the first one of a session's has this process listen to it."""
        is_first = not self._has_members(namespace, room)
        super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
        if is_first and channel_of(room) != CHANNEL:
            self.channels.add(channel_of(room))

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        """Take a socket out of a room; after the last one of a session's, this process hears of it no more."""
        had_members = self._has_members(namespace, room)
        super().basic_leave_room(sid, namespace, room)
        if had_members and not self._has_members(namespace, room) and channel_of(room) != CHANNEL:
            self.channels.remove(channel_of(room))
            read_marks.forget(str(room).removeprefix(broadcasts.SESSION_ROOMS))

    def _has_members(self, namespace: str, room: str | None) -> bool:
        return room in self.rooms.get(namespace, ())

    def emit(
        self, event: str, data: Any, namespace: Any = None, room: Any = None, skip_sid: Any = None, **kwargs: Any
    ) -> None:
        """Emit to the sockets of all processes, or with `ignore_queue` to those of this one."""
        room = room or kwargs.get("to")
        self.deliver(event, data, room, skip_sid)
        if not kwargs.get("ignore_queue"):
            # The keys are those of python-socketio.
            self._publish(
                {
                    "method": "emit",
                    "event": event,
                    "data": [data],
                    "binary": False,
                    "namespace": namespace,
                    "room": room,
                    "skip_sid": skip_sid,
                    "callback": None,
                    "host_id": self.host_id,
                }
            )

    def _handle_emit(self, message: dict[str, Any]) -> None:
        """Take an event from another process to the sockets of this one."""
        event: str = message["event"]
        data: Any = message["data"][0] if message["data"] else None
        if event == orders.EVENT:
            # It may have to ask the database, and whoever listens to Redis must not wait.
            self.server.start_background_task(orders.obey, data)
            return
        skipped: list[str] = []
        if event in broadcasts.TO_THE_OTHERS:
            # The process it is from has left out the person's sockets there; these are the ones here.
            skipped = membership.connections_of_user(data["sessionId"], data["userId"])
        if event == "messages_read":
            read_marks.heard(data)
        self.deliver(event, data, message["room"], skipped)
