"""How a command reaches the sockets of running servers: through the database, whether or not there is a Redis.

A command has no sockets. It stores its events to clients and its orders to processes as notices. Every server process
looks for new notices once a second and delivers them to its own sockets.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bson import ObjectId

from chatsupport import json_codec
from chatsupport.background import Buffered
from chatsupport.database.clock import now
from chatsupport.documents import Notice
from chatsupport.documents.notice import KEPT_SECONDS
from chatsupport.realtime import server

LOOK_SECONDS = 1.0


def leave_all() -> None:
    """Store everything that this process emits as notices, because it is a command."""
    server.emit_elsewhere(_leave)


def _leave(event: str, data: Any, room: str | list[str]) -> None:
    _left.add(ObjectId(), json_codec.dumps([event, data, room]))


def _store(texts: dict[ObjectId, str]) -> None:
    time = now()
    Notice.collection().insert_many([{"_id": key, "text": text, "at": time} for key, text in texts.items()])


_left: Buffered[ObjectId, str] = Buffered(_store, LOOK_SECONDS)


class Reader:
    """The notices that one process has read."""

    def __init__(self) -> None:
        self._known: set[ObjectId] | None = None

    def look(self) -> None:
        """Deliver new notices to the sockets of this process, but none that are older than the process."""
        recent = {"at": {"$gt": now() - timedelta(seconds=KEPT_SECONDS)}}
        notices = list(Notice.collection().find(recent, sort=[("_id", 1)]))
        known, self._known = self._known, {notice["_id"] for notice in notices}
        if known is None:
            return
        for notice in notices:
            if notice["_id"] not in known:
                event, data, room = json_codec.loads(notice["text"])
                server.emit(event, data, room, here=True)
