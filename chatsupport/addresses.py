"""Addresses of clients, normalized once, so that everything else compares, counts, stores and logs the same text.

The address of this server is in `public_address.py`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

MAX_LENGTH = 128

_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]{2,64}(?:%[^\]]{0,32})?)\](?::[0-9]{0,5})?|([0-9.]{7,15}):[0-9]{0,5}")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def plain(text: str) -> str | None:
    """Return an address in its standard spelling: no port, brackets or zone, IPv4-mapped as IPv4. None if invalid."""
    return _spelled(text) if len(text) <= MAX_LENGTH else None


@lru_cache(maxsize=4096)
def counted(address: str) -> str:
    """Return the key by which clients are counted: an IPv4 address, or the /64 of an IPv6 address (one household).

    A text that is not an address, such as that of a Unix socket, is returned as it is.
    """
    parsed = _parse(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed), 64), strict=False))
    return address if parsed is None else str(parsed)


@lru_cache(maxsize=4096)
def _spelled(text: str) -> str | None:
    address = _parse(text)
    return None if address is None else str(address)


def _parse(text: str) -> _Address | None:
    text = text.strip()
    match = _WITH_PORT.fullmatch(text)
    if match is not None:
        text = match[1] or match[2]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address


class PlainAddresses:
    """WSGI middleware that normalizes REMOTE_ADDR, whether it comes from the connection or from a trusted proxy.

    If a proxy names no address ("unknown"), the proxy's own stays.
    """

    def __init__(self, wsgi_app: Callable[..., Iterable[bytes]]) -> None:
        self._wsgi_app = wsgi_app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Pass the request on."""
        said = environ.get("REMOTE_ADDR", "")
        address = plain(said)
        if address is None:
            connected: str = environ.get("werkzeug.proxy_fix.orig", {}).get("REMOTE_ADDR") or said
            address = plain(connected) or connected
        environ["REMOTE_ADDR"] = address
        return self._wsgi_app(environ, start_response)
