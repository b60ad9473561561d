"""What other parts, and other processes, have done to the sockets of this one."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bson import ObjectId

from chatsupport import broadcasts
from chatsupport.errors import AuthenticationError, BlockedError, ChatSupportError
from chatsupport.extensions import socketio
from chatsupport.features.consoles import roles
from chatsupport.features.consoles import service as consoles
from chatsupport.identity import Caller
from chatsupport.services.assignment import queue
from chatsupport.services.people import denials
from chatsupport.services.presence import membership, typing
from chatsupport.sockets import connections, held_events
from chatsupport.sockets.connections import Connection
from chatsupport.sockets.errors import as_chat_support_error

logger = logging.getLogger(__name__)


def obey(order: Mapping[str, str]) -> None:
    """Do what `broadcasts.control` says: tell something, or do something to the sockets of somebody here."""
    if order["action"] == "announce_positions":
        queue.announce_here()
        return
    if order["action"] == "console":
        consoles.tell_here(order["sessions"].split(), order["agents"].split())
        return
    if order["action"] == "roles":
        roles.check(order["agentId"])
        return
    if order["action"] == "evict":
        _evict(ObjectId(order["sessionId"]), Caller(order["personId"], order["personType"]))
        return
    for connection in _meant(order):
        try:
            if not _is_outdated(order, connection):
                connections.close(connection, _reason(order))
        except Exception:
            logger.exception("An order to a socket failed", extra={"action": order["action"]})


def _evict(session_id: ObjectId, person: Caller) -> None:
    """Have a person's sockets leave a session that is not theirs. The order may be late, so the database is asked."""
    inside = [connection for connection in connections.of(person) if session_id in connection.people]
    try:
        if inside and membership.strangers([(session_id, person)]):
            for connection in inside:
                leave(connection, session_id, "unassigned")
    except Exception:
        # The next heartbeat looks again.
        logger.exception("An agent could not be taken out of a session", extra={"session_id": str(session_id)})


def _meant(order: Mapping[str, str]) -> list[Connection]:
    """Return the sockets here that an order is about."""
    if order["action"] == "close_address":
        meant = connections.from_addresses(lambda address: order["address"] in denials.networks_of(address))
        # An API key is never denied.
        return [connection for connection in meant if connection.caller.issued_at_ms is not None]
    mine = connections.of(Caller(order["personId"], order["personType"]))
    if "tokenId" in order:
        return [connection for connection in mine if connection.caller.token_id == order["tokenId"]]
    if "tokensUpToMs" not in order:
        return mine
    up_to, kept = int(order["tokensUpToMs"]), order.get("keptMs")
    made = [(item, item.caller.issued_at_ms) for item in mine]
    return [item for item, at in made if at is not None and at <= up_to and str(at) != kept]


def _is_outdated(order: Mapping[str, str], connection: Connection) -> bool:
    """Tell whether a block that an order is about has been lifted since. Where that stays unknown, the order holds."""
    if order.get("code") != BlockedError.code:
        return False
    try:
        denials.check_blocked(connection.caller, connection.address)
    except Exception as error:
        if not isinstance(error, BlockedError):
            as_chat_support_error(error)
        return False
    return True


def _reason(order: Mapping[str, str]) -> ChatSupportError | None:
    if "code" not in order:
        return None
    if order["code"] == BlockedError.code:
        return BlockedError()
    return AuthenticationError(order["message"], code=order["code"])


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
    held_events.forget(connection.sid, broadcasts.session_room(session_id))
    membership.leave(session_id, person, connection.sid, reason)
    if not membership.connections_of(session_id, person):
        typing.leave(session_id, person)
