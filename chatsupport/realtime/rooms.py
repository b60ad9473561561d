"""Rooms of this process alone, or connected with those of other processes by Redis."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Any

from engineio.packet import MESSAGE, Packet
from socketio import Manager

from chatsupport import json_codec
from chatsupport.realtime import Hooks
from chatsupport.realtime.redis_queue import RedisQueue


def make(redis_url: str | None, hooks: Hooks, channel_prefix: str) -> Manager:
    """Return the rooms of a single process, or of one that shares a Redis with others."""
    return Rooms(hooks) if redis_url is None else SharedRooms(hooks, RedisQueue(redis_url, channel_prefix))


class Rooms(Manager):
    """Rooms of one process, and the rooms of each socket.

    A disconnect looks only at the socket's rooms, and not at all rooms as in python-socketio.
    """

    def __init__(self, hooks: Hooks) -> None:
        super().__init__()
        self._hooks = hooks
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

    def has_members(self, namespace: str, room: str | None) -> bool:
        """Tell whether any socket of this process is in the room."""
        return room in self.rooms.get(namespace, ())

    def emit(
        self, event: str, data: Any, namespace: str, room: Any = None, skip_sid: Any = None, **kwargs: Any
    ) -> None:
        """Emit to the sockets of this process."""
        skipped = self._hooks.overhear(event, data, room, skip_sid or ())
        if skipped is not None:
            self._deliver(event, data, room, skipped)

    def _deliver(self, event: str, data: Any, room: Any, skipped: Collection[str]) -> None:
        """Send an event to the sockets of this process in one or several rooms, as one packet for all of them.

        It does the same as python-socketio's `emit`, without packet objects, attachments and callbacks. For a message
        to few sockets, most of the cost is here.
        """
        packet: Packet | None = None
        for sid, eio_sid in self.get_participants("/", room):
            if sid not in skipped:
                if packet is None:
                    packet = Packet(MESSAGE, "2" + json_codec.dumps([event, data]))
                self.server._send_eio_packet(eio_sid, packet)

    def listening(self, room: str) -> contextlib.AbstractContextManager[None]:
        """Listen to other processes' events of a room. There are no other processes here."""
        return contextlib.nullcontext()

    def flush(self, seconds: float) -> None:
        """Return at once: nothing waits here."""


class SharedRooms(Rooms):
    """Rooms of all processes."""

    def __init__(self, hooks: Hooks, queue: RedisQueue) -> None:
        super().__init__(hooks)
        self._queue = queue

    def initialize(self) -> None:
        """Begin to listen. Called before the first connection is accepted."""
        self.server.start_background_task(self._queue.listen, self._take)

    def listening(self, room: str) -> contextlib.AbstractContextManager[None]:
        """Get other processes' events of a session's room during the block, from its beginning on."""
        channel = self._queue.channel_of(room)
        return contextlib.nullcontext() if channel is None else self._queue.channels.hold(channel)

    def basic_enter_room(self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None) -> None:
        """Put a socket into a room. With the first socket of a session, this process listens to the room's channel."""
        channel, is_first = self._queue.channel_of(room), not self.has_members(namespace, room)
        super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
        if channel is not None and is_first:
            self._queue.channels.add(channel)

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        """Take a socket out of a room. After the last socket of a session, this process stops listening."""
        channel, had_members = self._queue.channel_of(room), self.has_members(namespace, room)
        super().basic_leave_room(sid, namespace, room)
        if channel is not None and had_members and not self.has_members(namespace, room):
            self._queue.channels.remove(channel)
            self._hooks.emptied(str(room))

    def emit(
        self, event: str, data: Any, namespace: Any = None, room: Any = None, skip_sid: Any = None, **kwargs: Any
    ) -> None:
        """Emit to the sockets of all processes, or with `ignore_queue` only to those of this one."""
        super().emit(event, data, namespace, room, skip_sid)
        if not kwargs.get("ignore_queue"):
            self._queue.publish(event, data, room)

    def flush(self, seconds: float) -> None:
        """Wait until everything is sent to the other processes, for at most this many seconds."""
        self._queue.flush(seconds)

    def _take(self, event: str, data: Any, room: Any) -> None:
        """Pass an event of another process on to the sockets of this one."""
        skipped = self._hooks.overhear_from_elsewhere(event, data)
        if skipped is not None:
            skipped = self._hooks.overhear(event, data, room, skipped)
        if skipped is not None:
            self._deliver(event, data, room, skipped)
