"""Unauthenticated Engine.IO connections: how many there may be, by address and in all.

Each costs memory before its client is known, by websocket as well as by long-polling. The number for one address is
limited. If there are too many in all, the oldest is closed, because an honest client authenticates at once.
"""

from __future__ import annotations

import logging
from collections import Counter

from chatsupport import addresses
from chatsupport.errors import RateLimitedError
from chatsupport.extensions import settings
from chatsupport.observability import metrics
from chatsupport.services.shared.budgets import Allowance

logger = logging.getLogger(__name__)

RETRY_SECONDS = 10
"""How long a connection may take to authenticate."""

_from: dict[str, str] = {}
"""The address of each, by its Engine.IO id; the oldest comes first."""
_by_address: Counter[str] = Counter()
_strays: dict[str, Allowance] = {}
"""How many more packets that are no events each connection may send, if it has sent one."""
_noted: set[str] = set()
"""The connections that the log has a line about: one is enough for an unauthenticated connection."""


def make_room(address: str) -> str | None:
    """Return the connection that must make room for another, None if there is room.

    Raises `RateLimitedError` if this address has too many.
    """
    config = settings.config
    if not config.rate_limits:
        return None
    if _by_address[addresses.counted(address)] >= config.max_unfinished_sockets_per_address:
        metrics.RATE_LIMITED.add("unfinished")
        raise RateLimitedError("sockets that have not finished connecting", RETRY_SECONDS)
    if len(_from) < config.max_unfinished_sockets:
        return None
    metrics.RATE_LIMITED.add("unfinished")
    return next(iter(_from))


def add(eio_sid: str, address: str) -> None:
    """Count an unauthenticated connection."""
    key = addresses.counted(address)
    if eio_sid not in _from:
        _from[eio_sid] = key
        _by_address[key] += 1


def remove(eio_sid: str) -> None:
    """Count one less: the connection is authenticated now, or gone."""
    _noted.discard(eio_sid)
    key = _from.pop(eio_sid, None)
    if key is not None:
        _by_address[key] -= 1
        if not _by_address[key]:
            del _by_address[key]


def forget(eio_sid: str) -> None:
    """Forget a connection that is gone."""
    remove(eio_sid)
    _strays.pop(eio_sid, None)


def may_stray(eio_sid: str) -> bool:
    """Count a packet that is no event of an authenticated socket. False if a connection has sent too many."""
    config = settings.config
    if not config.rate_limits:
        return True
    allowance = _strays.get(eio_sid)
    if allowance is None:
        allowance = _strays[eio_sid] = Allowance(config.rate_limit_stray_packets)
    allowance.take()
    if not allowance.seconds_to_wait:
        return True
    metrics.RATE_LIMITED.add("stray_packets")
    note(eio_sid, "A socket that sends what is no event is closed", event="flood")
    return False


def note(eio_sid: str | None, message: str, **about: object) -> None:
    """Log a line about a connection, unless it is unauthenticated and has its line already."""
    if eio_sid in _noted:
        return
    if eio_sid in _from:
        _noted.add(eio_sid)
        about = {"address": _from[eio_sid], **about}
    logger.info(message, extra=about)


def count() -> int:
    """Return the number of unauthenticated connections."""
    return len(_from)
