"""The address by which clients call this server: scheme, host and path, whatever proxies stand in between.

PUBLIC_URL and BASE_PATH determine it. If they are not set, the headers of trusted proxies (TRUSTED_PROXIES) do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from chatsupport.config import Config

_SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+/?")


class PublicAddress:
    """WSGI middleware that puts the public scheme, host and path into the environment of a request."""

    def __init__(self, wsgi_app: Callable[..., Iterable[bytes]], config: Config) -> None:
        self._wsgi_app = wsgi_app
        self._proxies = config.trusted_proxies
        self._base_path = config.base_path
        self._scheme = urlsplit(config.public_url).scheme if config.public_url else None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass the request on. Its path may have the prefix, or a proxy may have removed it."""
        scheme = self._scheme or _SCHEMES.get(self._said(environ, "PROTO").lower())
        if scheme:
            environ["wsgi.url_scheme"] = scheme
        host = self._said(environ, "HOST")
        if _HOST.fullmatch(host):
            environ["HTTP_HOST"] = host
        prefix = self._base_path or self._said_prefix(environ)
        if prefix:
            environ["SCRIPT_NAME"] = prefix
            path = environ["PATH_INFO"]
            if path == prefix or path.startswith(f"{prefix}/"):
                environ["PATH_INFO"] = path[len(prefix) :] or "/"
        return self._wsgi_app(environ, start_response)

    def _said(self, environ: dict[str, Any], what: str) -> str:
        # The outermost trusted proxy knows what the client asked for. If a proxy replaces the header instead of
        # appending to it, there are fewer entries than proxies.
        entries = str(environ.get(f"HTTP_X_FORWARDED_{what}", "")).split(",")
        return entries[-self._proxies :][0].strip() if self._proxies else ""

    def _said_prefix(self, environ: dict[str, Any]) -> str:
        prefix = self._said(environ, "PREFIX")
        return prefix.rstrip("/") if _PREFIX.fullmatch(prefix) else ""


def is_own_origin(origin: str | None, environ: Mapping[str, Any]) -> bool:
    """Tell whether the request comes from a page of this server, by its Origin.

    Only host and port count: a proxy that does TLS need not say so, and nothing depends on cookies.
    """
    scheme, _, host = (origin or "").partition("://")
    own = str(environ.get("HTTP_HOST", ""))
    return scheme in _DEFAULT_PORTS and host != "" and host == own.removesuffix(_DEFAULT_PORTS[scheme])


def own_hosts(config: Config, host: str) -> list[str]:
    """Return the hosts that a page of this server may connect to, for the Content-Security-Policy."""
    public = urlsplit(config.public_url).netloc if config.public_url else host
    return [name for name in dict.fromkeys((public, host)) if _HOST.fullmatch(name)]
