"""Tell whether a request comes from the machine itself, without a proxy that may forward for others."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from flask import request

from chatsupport.extensions import settings

_BY_PROXY = {"forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "x-cluster-client-ip"}
"""Headers that only a proxy or a tunnel sends. Even if it is trusted, anybody may be behind it."""
_PREFIXES_BY_PROXY = ("x-forwarded", "x-original-", "cf-", "x-envoy-", "x-amz", "fly-", "x-vercel-", "ngrok-")


def connects_from_this_machine() -> bool:
    """Tell whether the connection comes from this machine and no proxy says that it forwards for another client."""
    names = [name.lower() for name, _ in request.headers]
    if any(name in _BY_PROXY or name.startswith(_PREFIXES_BY_PROXY) for name in names):
        return False
    return _is_loopback(request.environ.get("REMOTE_ADDR", ""))


def is_on_this_machine() -> bool:
    """Tell whether a program or page of this machine calls the server by a name of this machine.

    A tunnel without headers uses another name, and so does a page elsewhere whose host name resolves to this machine
    for a moment. A page sends its origin: it must be of this machine or in FRONTEND_URLS (`*` does not count).
    """
    origin = request.headers.get("Origin")
    is_ours = origin is None or origin in settings.config.frontend_urls or _is_own_name(origin)
    return is_ours and _is_own_name(f"//{request.host}") and connects_from_this_machine()


def _is_own_name(url: str) -> bool:
    try:
        name = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return False
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
