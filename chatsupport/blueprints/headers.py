"""The headers that every response carries, those of Socket.IO's long-polling included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HSTS_SECONDS = 365 * 24 * 3600

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    # Other sites get no hold on our pages, and load nothing of ours but what says that it is for them.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    # JSON is no page: a browser that takes it for one may load and run nothing.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # Tokens, chats and people's data are for who asked, and for no proxy.
    "Cache-Control": "no-store",
}
_BY_LOWER_NAME = [(header[0].lower(), header) for header in _ALWAYS.items()]
TRUSTED_TYPES = "require-trusted-types-for 'script'; trusted-types 'none'"
"""Nothing in a page of ours may make HTML or a script of text, and no script may give itself leave to."""
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    f"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; {TRUSTED_TYPES}"
)
"""For a page that needs nothing but its own files, and nothing from any other host."""


def complete(headers: list[tuple[str, str]], environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a response's headers with those it lacks. What a response sets itself stays."""
    there = {name.lower() for name, _ in headers}
    missing = [header for name, header in _BY_LOWER_NAME if name not in there]
    if environ.get("wsgi.url_scheme") == "https":
        missing.append(("Strict-Transport-Security", f"max-age={HSTS_SECONDS}"))
    return [*headers, *missing]
