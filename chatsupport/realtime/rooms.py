"""Rooms: of this process alone, or joined with those of other processes by Redis."""

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
    """Return the rooms of one process, or those of several that share a Redis."""
    return Rooms(hooks) if redis_url is None else SharedRooms(hooks, RedisQueue(redis_url, channel_prefix))


class Rooms(Manager):
    """Rooms of one process, and for each socket the rooms it is in.

    A disconnect looks at those and not, as in python-socketio, at all rooms there are.
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
        """Send an event to the sockets of this process in a room, or in several; one packet for all of them.

        What python-socketio's `emit` does, without packets of its own, attachments and callbacks: it is most of what a
        message costs that comes to few sockets.
        """
        packet: Packet | None = None
        for sid, eio_sid in self.get_participants("/", room):
            if sid not in skipped:
                if packet is None:
                    packet = Packet(MESSAGE, "2" + json_codec.dumps([event, data]))
                self.server._send_eio_packet(eio_sid, packet)

    def listening(self, room: str) -> contextlib.AbstractContextManager[None]:
        """Hear a room from elsewhere; there is no elsewhere."""
        return contextlib.nullcontext()

    def flush(self, seconds: float) -> None:
        """Nothing waits here."""


class SharedRooms(Rooms):
    """Rooms of all processes."""

    def __init__(self, hooks: Hooks, queue: RedisQueue) -> None:
        super().__init__(hooks)
        self._queue = queue

    def initialize(self) -> None:
        """Begin to listen; called before the first connection is taken."""
        self.server.start_background_task(self._queue.listen, self._take)

    def listening(self, room: str) -> contextlib.AbstractContextManager[None]:
        """Hear what other processes say in a session's room, for the length of a block, from its beginning on."""
        channel = self._queue.channel_of(room)
        return contextlib.nullcontext() if channel is None else self._queue.channels.hold(channel)

    def basic_enter_room(self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None) -> None:
        """Put a socket into a room; the first one of a session's has this process listen to it."""
        channel, is_first = self._queue.channel_of(room), not self.has_members(namespace, room)
        super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
        if channel is not None and is_first:
            self._queue.channels.add(channel)

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        """Take a socket out of a room; after the last one of a session's, this process hears of it no more."""
        channel, had_members = self._queue.channel_of(room), self.has_members(namespace, room)
        super().basic_leave_room(sid, namespace, room)
        if channel is not None and had_members and not self.has_members(namespace, room):
            self._queue.channels.remove(channel)
            self._hooks.emptied(str(room))

    def emit(
        self, event: str, data: Any, namespace: Any = None, room: Any = None, skip_sid: Any = None, **kwargs: Any
    ) -> None:
        """Emit to the sockets of all processes, or with `ignore_queue` to those of this one."""
        super().emit(event, data, namespace, room, skip_sid)
        if not kwargs.get("ignore_queue"):
            self._queue.publish(event, data, room)

    def flush(self, seconds: float) -> None:
        """Wait until the other processes have it all, for so many seconds at most."""
        self._queue.flush(seconds)

    def _take(self, event: str, data: Any, room: Any) -> None:
        """Take an event from another process to the sockets of this one."""
        skipped = self._hooks.overhear_from_elsewhere(event, data)
        if skipped is not None:
            skipped = self._hooks.overhear(event, data, room, skipped)
        if skipped is not None:
            self._deliver(event, data, room, skipped)
