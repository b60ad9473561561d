"""Requests and answers about the details of a visitor."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from chatsupport.contract.base import Answer, Code, Model, Reads, Request, absent, example
from chatsupport.contract.fields import Line, Time, time_zones
from chatsupport.contract.people import MAX_EMAIL_LENGTH, email
from chatsupport.contract.schemas import LARGEST
from chatsupport.contract.socket_events import InSession
from chatsupport.contract.text import UNSTORABLE, is_visible, trimmed

CODE = "INVALID_CONTEXT"
MAX_URL, MAX_FIELDS, MAX_VALUE, MAX_PAGES = 2000, 20, 500, 5

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_LOCALE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,9}")
_NOT_IN_URLS = re.compile(r"[\x00-\x20\x7f\ud800-\udfff]")


def _text(value: Any, otherwise: str) -> str | None:
    """Return a text, trimmed, or None for null and for a text without visible characters."""
    if value is None:
        return None
    if not isinstance(value, str) or UNSTORABLE.search(value):
        raise ValueError(otherwise)
    text = trimmed(value)
    return text if is_visible(text) else None


def _email(value: Any) -> str | None:
    wording = f"must be an address such as ada@example.com, of at most {MAX_EMAIL_LENGTH} characters."
    text = _text(value, wording)
    if text is not None:
        try:
            email(text)
        except ValueError:
            raise ValueError(wording) from None
    return text


def _url(value: Any) -> str | None:
    wording = f"must be an http or https URL of at most {MAX_URL} characters, without a user name or a password."
    text = _text(value, wording)
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        is_url = is_url and parts.port != 0
    except ValueError:  # No port, or no IPv6 address.
        is_url = False
    if len(text) > MAX_URL or _NOT_IN_URLS.search(text) or not is_url:
        raise ValueError(wording)
    return text


def _locale(value: Any) -> str | None:
    wording = "must be a language tag of BCP 47, such as en or pt-BR."
    text = _text(value, wording)
    if text is not None and not _LOCALE.fullmatch(text):
        raise ValueError(wording)
    return text


def _time_zone(value: Any) -> str | None:
    wording = "must be the name of a time zone, such as Europe/Berlin."
    text = _text(value, wording)
    if text is not None and text not in time_zones():
        raise ValueError(wording)
    return text


def _keys(value: Any) -> Any:
    """Refuse invalid keys before an error repeats them: they may be anything."""
    if not isinstance(value, dict):
        return value
    if len(value) > MAX_FIELDS:
        raise ValueError(f"must have at most {MAX_FIELDS} keys.")
    if not all(isinstance(key, str) and _KEY.fullmatch(key) for key in value):
        raise ValueError("must have keys of a letter and up to 39 letters, digits or underscores.")
    return value


def _value(value: Any) -> str | int | float | bool | None:
    if isinstance(value, str):
        text = trimmed(value)
        if len(text) <= MAX_VALUE and not UNSTORABLE.search(text):
            return text
    elif (
        value is None
        or isinstance(value, bool)
        or (isinstance(value, int) and abs(value) <= LARGEST)
        or (isinstance(value, float) and math.isfinite(value))
    ):
        return value
    raise ValueError(f"must be a string of at most {MAX_VALUE} characters, a number, true, false or null.")


Name = Annotated[str | None, Line(100)]
Url = Annotated[str | None, Reads(_url, maxLength=MAX_URL, format="uri")]
Locale = Annotated[str | None, Reads(_locale, pattern=f"^{_LOCALE.pattern}$"), Code(CODE)]
TimeZone = Annotated[str | None, Reads(_time_zone), Code(CODE)]
Value = str | int | float | bool


class Visitor(Model):
    """Who the visitor says it is."""

    name: Name = None
    email: Annotated[str | None, Reads(_email, maxLength=MAX_EMAIL_LENGTH)] = None
    phone: Annotated[str | None, Line(40)] = None


class Page(Model):
    """The page that the visitor looks at."""

    url: Url = Field(default=None, description="http or https, without a user name or a password.")
    title: Annotated[str | None, Line(200)] = None
    referrer: Url = None


class Told(Request):
    """Details of a visitor. A field that is left out stays as it is; null removes it."""

    visitor: Annotated[Visitor | None, Code(CODE)] = Field(
        default=None, description="`name` (at most 100 characters), `email` (254), `phone` (40)."
    )
    page: Annotated[Page | None, Code(CODE)] = Field(
        default=None,
        description="`url` (at most 2000 characters, http or https), `title` (200), `referrer` (2000, http or https).",
    )
    locale: Locale = Field(default=None, description="The visitor's language as in BCP 47, such as `pt-BR`.")
    timezone: TimeZone = Field(default=None, description="An IANA name, such as `Europe/Berlin`.")
    fields: Annotated[
        dict[
            str,
            Annotated[Value | None, Reads(_value, type=["string", "number", "boolean", "null"], maxLength=MAX_VALUE)],
        ]
        | None,
        Field(max_length=MAX_FIELDS, json_schema_extra={"propertyNames": {"pattern": f"^{_KEY.pattern}$"}}),
        BeforeValidator(_keys),
        Code(CODE),
    ] = Field(
        default=None,
        description="Whatever else your site knows: at most 20 keys (a letter, then up to 39 letters, digits or "
        "underscores) with strings (at most 500 characters), numbers or booleans.",
    )

    model_config = example(
        visitor={"name": "Grace Hopper", "email": "grace@example.com"},
        page={"url": "https://shop.example/cart", "title": "Your cart"},
        locale="en-GB",
        timezone="Europe/London",
        fields={"plan": "pro", "orders": 3},
    )


class SessionUpdate(Told):
    """Changes of a visitor's details. A field that is left out stays as it is; null removes it."""


class UpdateSession(SessionUpdate, InSession):
    """Changes of a visitor's details. A field that is left out stays as it is; null removes it."""

    model_config = example(sessionId="6b02b30b4405bfc85b4b0ba5", page={"url": "https://shop.example/cart"})


class ShownVisitor(Answer):
    """Who the visitor says it is."""

    name: str | None
    email: str | None
    phone: str | None


class ShownPage(Answer):
    """A page that the visitor looks at."""

    url: str
    title: str | None
    referrer: str | None


class VisitedPage(ShownPage):
    """A page, and when the visitor opened it."""

    at: Time


class Device(Answer):
    """The visitor's device, from the browser's User-Agent header."""

    browser: str | None
    os: str | None
    kind: Literal["phone", "tablet", "desktop", "bot"]


class Context(Answer):
    """What is known of the visitor."""

    visitor: ShownVisitor
    page: ShownPage | None = Field(description="The page that the visitor looks at.")
    locale: str | None
    timezone: str | None
    fields: dict[str, Value] = Field(description="Users get only the fields that a user has set last.")
    pages: Annotated[list[VisitedPage], Field(max_length=MAX_PAGES)] = absent(
        "For staff only. The last pages, including the current one, oldest first."
    )
    device: Device | None = absent("For staff only.")
    is_verified: bool = absent("For staff only. Whether the site's server vouched for the user's id.")


class ShownContext(Answer):
    """What a session shows of its visitor."""

    context: Context = absent("What is known of the visitor.")
