"""Orders that server processes send each other, and the function that carries out each.

An order goes to every process, including the one that gives it. Clients never see it. It may come late, from a queue
that waited for Redis, or never. So the function checks the current state first, and no promise depends on an order.

The core's orders are here, and features have their own; `bind` names their functions. The fields are JSON values.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chatsupport.realtime import server

logger = logging.getLogger(__name__)

EVENT = ROOM = "chatsupport:order"
"""The event name of orders. `sockets/hooks.py` takes them out before they reach clients."""

BLOCKED, REVOKED = "blocked", "revoked"
"""Why sockets are closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseSockets:
    """Close the sockets of a person, after sending each the reason.

    With `tokens_up_to_ms`, only sockets whose tokens were made by then, except the token made at `kept_ms`. With
    `token_id`, only sockets of that token.
    """

    person_id: str
    person_type: str
    why: str | None = None
    tokens_up_to_ms: int | None = None
    kept_ms: int | None = None
    token_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAddress:
    """Close the sockets from an address, or an IPv6 network /64, because it is blocked."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveSession:
    """Take the sockets of an agent out of a session, unless the agent has it again."""

    session_id: str
    person_id: str
    person_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TellPlaces:
    """Tell the waiting sessions here their places in the queue, if these have changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequeueSessionsOf:
    """Return sessions to the queue that an agent still got at the moment of its deletion."""

    agent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetDenials:
    """Forget what is known of these denials, and answer: their ids are those of the stored documents."""

    ids: list[str]
    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DenialsForgotten:
    """The answer of one process to a `ForgetDenials`."""

    order_id: str
    process_id: str


Handlers = Mapping[type, Callable[[Any], object]]
_obeyed_by: dict[str, tuple[type, Callable[[Any], object]]] = {}


def bind(*tables: Handlers) -> None:
    """Carry out only these orders from now on, each by its function."""
    _obeyed_by.clear()
    for table in tables:
        _obeyed_by.update({order.__name__: (order, obey) for order, obey in table.items()})


def give(order: Any, *, here: bool = False) -> None:
    """Give an order to every server process, or with `here` only to this one."""
    data = {"order": type(order).__name__, **asdict(order)}
    server.emit(EVENT, data, ROOM, here=here)


def obey(data: Mapping[str, Any]) -> None:
    """Carry out an order. An unknown one comes from a process of another release."""
    name = data["order"]
    if name not in _obeyed_by:
        logger.info("Ignored an order that this release does not know", extra={"order": name})
        return
    order, function = _obeyed_by[name]
    try:
        function(order(**{field: value for field, value in data.items() if field != "order"}))
    except Exception:
        logger.exception("An order could not be carried out", extra={"order": name})
