"""The links in mails: to the page of the chat, if its site is one of ours, or else to a page of this server.

A link opens the chat by a token for this one session, unless the site's server vouches for the user: then the user
signs in there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urldefrag, urlsplit

from flask import Flask

from chatsupport import identity
from chatsupport.config import parsers
from chatsupport.extensions import settings
from chatsupport.features.mail.parsers import SMTP_URL
from chatsupport.identity import Caller

LIFETIME = timedelta(days=7)
PAGE, UNSUBSCRIBE = "mail", "unsubscribe"
FRAGMENT = "chat"

_apps: list[Flask] = []


@dataclass(frozen=True)
class ChatLink:
    """Where a mail leads. `site` is the host to show."""

    url: str
    site: str
    has_token: bool


def begin(app: Flask) -> None:
    """Use this application for making tokens."""
    _apps[:] = [app]


def of_widget() -> Mapping[str, Any]:
    """Return the setting that makes the chat bubble open links. Only servers that send mails pay for it."""
    return {} if settings.config.value(SMTP_URL) is None else {"links": True}


def own(path: str) -> str:
    """Return the address of a page of this server. It never comes from a request."""
    return f"{settings.config.public_url}/{path}"


def to_chat(session: Mapping[str, Any], context: Mapping[str, Any], at_ms: int) -> ChatLink:
    """Return the link to a session. Denials after `at_ms` end its token."""
    url = _trusted((context.get("page") or {}).get("url")) or own(PAGE)
    site = urlsplit(url).netloc
    if context.get("isVerified"):
        return ChatLink(url, site, has_token=False)
    person = Caller(session["userId"], session.get("userType", identity.USER), issued_at_ms=at_ms)
    with _apps[0].app_context():
        token = identity.issue_token(person.id, person.type, LIFETIME, renewed=person, session_id=str(session["_id"]))
    return ChatLink(f"{url}#{FRAGMENT}={token}", site, has_token=True)


def _trusted(url: str | None) -> str | None:
    """Return a page's address without its fragment, if FRONTEND_URLS names its origin."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        origin = parsers.origin(wildcard=False)(f"{parts.scheme}://{parts.netloc}")
    except ValueError:
        return None
    return urldefrag(url).url if origin in settings.config.frontend_urls else None
