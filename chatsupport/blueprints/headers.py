"""The headers of every response, including those of Socket.IO's long-polling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HSTS_SECONDS = 365 * 24 * 3600

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    # Other sites cannot control our pages, and can load only the files that are meant for them.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    # JSON is not a page: a browser that treats it as one may load and run nothing.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # Tokens, chats and personal data are only for the caller, and not for caches.
    "Cache-Control": "no-store",
}
_BY_LOWER_NAME = [(header[0].lower(), header) for header in ALWAYS.items()]
TRUSTED_TYPES = "require-trusted-types-for 'script'; trusted-types 'none'"
"""No code in our pages may turn text into HTML or scripts, and no script may allow itself to do so."""
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    f"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; {TRUSTED_TYPES}"
)
"""The policy of a page that needs only its own files, and nothing from other hosts."""


def complete(headers: list[tuple[str, str]], environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a response's headers with the missing ones added. Headers set by the response stay."""
    there = {name.lower() for name, _ in headers}
    missing = [header for name, header in _BY_LOWER_NAME if name not in there]
    if environ.get("wsgi.url_scheme") == "https":
        missing.append(("Strict-Transport-Security", f"max-age={HSTS_SECONDS}"))
    return [*headers, *missing]
