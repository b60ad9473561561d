"""The sockets of this process, and the caller of each."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from bson import ObjectId

from chatsupport import broadcasts
from chatsupport.errors import ChatSupportError, InvalidTokenError
from chatsupport.identity import AGENT, Caller
from chatsupport.realtime import server
from chatsupport.services.shared.budgets import Budget
from chatsupport.sockets.open_sends import OpenSends


@dataclass(slots=True, eq=False)
class Connection:
    """One connected socket. `people` has its person in each session that it has joined."""

    sid: str
    caller: Caller
    address: str
    budget: Budget | None = None
    """The budget of its caller, or None if it is not limited."""
    refused: int = 0
    """How often it exceeded the budget, minus one for each later event within it."""
    people: dict[ObjectId, Caller] = field(default_factory=dict)
    open_sends: OpenSends = field(default_factory=OpenSends)
    accepted: bool = False
    denied: ChatSupportError | None = None
    """The reason to close the socket, if that was decided before it was accepted."""


_connections: dict[str, Connection] = {}
_by_caller: dict[Caller, dict[str, Connection]] = {}


def add(connection: Connection) -> None:
    """Remember an accepted socket."""
    _connections[connection.sid] = connection
    _by_caller.setdefault(connection.caller, {})[connection.sid] = connection


def find(sid: str) -> Connection | None:
    """Return the socket's connection, or None if it is not connected."""
    return _connections.get(sid)


def remove(sid: str) -> Connection | None:
    """Forget a socket that is gone."""
    connection = _connections.pop(sid, None)
    if connection is not None:
        mine = _by_caller[connection.caller]
        del mine[sid]
        if not mine:
            del _by_caller[connection.caller]
    return connection


def of(caller: Caller) -> list[Connection]:
    """Return the caller's sockets."""
    return list(_by_caller.get(caller, {}).values())


def agents() -> list[Caller]:
    """Return the agents who have sockets here."""
    return [caller for caller in list(_by_caller) if caller.type == AGENT]


def from_addresses(addresses: Callable[[str], bool]) -> list[Connection]:
    """Return the sockets whose address meets the condition."""
    return [connection for connection in list(_connections.values()) if addresses(connection.address)]


def close(connection: Connection, why: ChatSupportError | None = None) -> None:
    """Close a socket after an `error` event with the reason; one that is still connecting will be refused."""
    if not connection.accepted:
        connection.denied = why or InvalidTokenError("Connect again.")
        return
    if why is not None:
        broadcasts.to_socket(connection.sid, "error", {**why.envelope(uuid.uuid4().hex), "event": None})
    server.disconnect(connection.sid)


def cut(connection: Connection, why: ChatSupportError) -> None:
    """Send an `error` event to a socket that asks for too much, and close its transport. It may reconnect by itself."""
    broadcasts.to_socket(connection.sid, "error", {**why.envelope(uuid.uuid4().hex), "event": None})
    server.cut(server.connection_of(connection.sid))


def count() -> int:
    """Return how many sockets this process has."""
    return len(_connections)
