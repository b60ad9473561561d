"""Sockets leave a session or the server by themselves, or because of an order (`orders.py`)."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from bson import ObjectId

from chatsupport import broadcasts
from chatsupport.errors import BlockedError, ChatSupportError
from chatsupport.identity import Caller
from chatsupport.orders import (
    BLOCKED,
    REVOKED,
    CloseAddress,
    CloseSockets,
    DenialsForgotten,
    ForgetDenials,
    Handlers,
    LeaveSession,
    RequeueSessionsOf,
    TellPlaces,
)
from chatsupport.realtime import server
from chatsupport.services.assignment import queue, transitions
from chatsupport.services.people import denials, settling
from chatsupport.services.presence import membership, typing
from chatsupport.sockets import connections, held_events
from chatsupport.sockets.connections import Connection
from chatsupport.sockets.errors import as_chat_support_error

logger = logging.getLogger(__name__)


def close_sockets(order: CloseSockets) -> None:
    """Close the sockets of a person here, unless the reason is a block that has been lifted since."""
    denials.forget(Caller(order.person_id, order.person_type))
    _close(_meant_by(order), order.why)


def close_address(order: CloseAddress) -> None:
    """Close the sockets from an address here, unless the block has been lifted since."""
    denials.forget_address(order.address)
    meant = connections.from_addresses(lambda address: order.address in denials.networks_of(address))
    # An API key is never denied.
    _close((connection for connection in meant if connection.caller.issued_at_ms is not None), BLOCKED)


def leave_session(order: LeaveSession) -> None:
    """Take a person's sockets out of a session that is not theirs. If that fails, the next heartbeat looks again."""
    session_id, person = ObjectId(order.session_id), Caller(order.person_id, order.person_type)
    inside = [connection for connection in connections.of(person) if session_id in connection.people]
    if inside and membership.strangers([(session_id, person)]):
        for connection in inside:
            leave(connection, session_id, "unassigned")


OBEYED: Handlers = {
    CloseSockets: close_sockets,
    CloseAddress: close_address,
    LeaveSession: leave_session,
    TellPlaces: lambda _: queue.announce_here(),
    RequeueSessionsOf: transitions.expect_late,
    ForgetDenials: settling.forget,
    DenialsForgotten: settling.take_answer,
}
"""The core's orders, and the function that carries out each."""


def _meant_by(order: CloseSockets) -> list[Connection]:
    mine = connections.of(Caller(order.person_id, order.person_type))
    if order.token_id is not None:
        return [connection for connection in mine if connection.caller.token_id == order.token_id]
    if order.tokens_up_to_ms is None:
        return mine
    made = [(item, item.caller.issued_at_ms) for item in mine]
    return [item for item, at in made if at is not None and at <= order.tokens_up_to_ms and at != order.kept_ms]


def _close(meant: Iterable[Connection], why: str | None) -> None:
    for connection in meant:
        try:
            if why != BLOCKED or _is_blocked(connection):
                connections.close(connection, _reason(why))
        except Exception:
            logger.exception("A socket could not be closed")


def _is_blocked(connection: Connection) -> bool:
    """Tell whether a socket's caller or address is blocked. If that remains unknown, the order holds."""
    try:
        denials.check_blocked(connection.caller, connection.address)
    except Exception as error:
        if not isinstance(error, BlockedError):
            as_chat_support_error(error)
        return True
    return False


def _reason(why: str | None) -> ChatSupportError | None:
    return BlockedError() if why == BLOCKED else denials.revoked() if why == REVOKED else None


def leave(connection: Connection, session_id: ObjectId, reason: str) -> bool:
    """Take a socket out of a session's room. False if it is not in it."""
    person = connection.people.pop(session_id, None)
    if person is None:
        return False
    server.leave(connection.sid, broadcasts.session_room(session_id))
    server.leave(connection.sid, broadcasts.staff_room(session_id))
    part(connection, session_id, person, reason)
    return True


def part(connection: Connection, session_id: ObjectId, person: Caller, reason: str) -> None:
    """Stop counting a socket in a session. A person without another socket there stops typing."""
    held_events.forget(connection.sid, broadcasts.session_room(session_id))
    membership.leave(session_id, person, connection.sid, reason)
    if not membership.connections_of(session_id, person):
        typing.leave(session_id, person)
