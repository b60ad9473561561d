"""Engine.IO connections behind which nobody is known, yet or any more: how many there may be, by address and in all.

Each costs memory before it says who it is, by whatever it came: a websocket, or one request of many on one connection.
"""

from __future__ import annotations

from collections import Counter

from chatsupport import addresses, metrics
from chatsupport.errors import RateLimitedError
from chatsupport.extensions import settings

RETRY_SECONDS = 10
"""How long one of them has to finish connecting."""

_from: dict[str, str] = {}
"""The address of each, by its Engine.IO id."""
_by_address: Counter[str] = Counter()


def check_room(address: str) -> None:
    """Raise `RateLimitedError` where no more are taken."""
    config = settings.config
    if not config.rate_limits:
        return
    from_here = _by_address[addresses.counted(address)]
    if len(_from) >= config.max_unfinished_sockets or from_here >= config.max_unfinished_sockets_per_address:
        metrics.RATE_LIMITED.add("unfinished")
        raise RateLimitedError("sockets that have not finished connecting", RETRY_SECONDS)


def add(eio_sid: str, address: str) -> None:
    """Count a connection behind which nobody is known."""
    key = addresses.counted(address)
    if eio_sid not in _from:
        _from[eio_sid] = key
        _by_address[key] += 1


def remove(eio_sid: str) -> None:
    """Count one less: somebody is known behind it now, or it is gone."""
    key = _from.pop(eio_sid, None)
    if key is not None:
        _by_address[key] -= 1
        if not _by_address[key]:
            del _by_address[key]


def address_of(eio_sid: str) -> str | None:
    """Return the address, of IPv6 the network, of one of them."""
    return _from.get(eio_sid)


def count() -> int:
    """Return how many there are."""
    return len(_from)
