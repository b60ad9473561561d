"""What other parts, and other processes, have done to the sockets of this one."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bson import ObjectId

from chatsupport import broadcasts
from chatsupport.extensions import socketio
from chatsupport.identity import Caller
from chatsupport.services import presence, queue, typing
from chatsupport.sockets import connections
from chatsupport.sockets.connections import Connection

logger = logging.getLogger(__name__)


def obey(order: Mapping[str, str]) -> None:
    """Do what `broadcasts.control` says: tell places in the queue, or something to the sockets of one person here."""
    if order["action"] == "announce_positions":
        queue.announce_here()
        return
    person = Caller(order["personId"], order["personType"])
    for connection in connections.of(person):
        try:
            if order["action"] == "close":
                socketio.server.disconnect(connection.sid)
            elif order["action"] == "evict":
                leave(connection, ObjectId(order["sessionId"]), "unassigned")
        except Exception:
            logger.exception("An order to a socket failed", extra={"action": order["action"]})


def leave(connection: Connection, session_id: ObjectId, reason: str) -> bool:
    """Take a socket out of a session's room. False where it is not in it."""
    person = connection.people.pop(session_id, None)
    if person is None:
        return False
    socketio.server.leave_room(connection.sid, broadcasts.session_room(session_id))
    part(connection, session_id, person, reason)
    return True


def part(connection: Connection, session_id: ObjectId, person: Caller, reason: str) -> None:
    """Count a socket out of a session; whose last one it was types no more."""
    presence.leave(session_id, person, connection.sid, reason)
    if not presence.connections_of(session_id, person):
        typing.leave(session_id, person)
