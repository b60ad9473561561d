"""What mails look like: the headers, and the same text as plain text and as simple HTML.

Whatever people have written is data. It can neither add a header or an address, nor imitate the text around it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from chatsupport.database.clock import now
from chatsupport.extensions import settings
from chatsupport.features.mail import texts
from chatsupport.features.mail.parsers import MAIL_FROM

MAX_LINE = 120

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters, and those that change the direction of the text behind them."""
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:1.5em auto;padding:0 1em}"
    "dt{font-weight:600}time,.small{color:#666;font-weight:400;font-size:14px}"
    "dd{margin:0 0 1em;white-space:pre-wrap;overflow-wrap:anywhere}"
)


class CancelledError(Exception):
    """A mail is no longer to be sent. The text says why."""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of ours."""

    text: str
    is_small: bool = False


@dataclass(frozen=True)
class Said:
    """A message that somebody has written."""

    name: str
    time: str
    text: str


@dataclass(frozen=True)
class Link:
    """A link with what it does."""

    label: str
    url: str
    is_small: bool = False


@dataclass(frozen=True)
class Body:
    """The same text as plain text and as HTML."""

    text: str
    html: str


Part = Paragraph | Said | Link


def line(text: str) -> str:
    """Return a text as one line that fits into a header, without characters that hide or turn others."""
    cleaned = " ".join(_CONTROLS.sub(" ", text).split())
    return cleaned if len(cleaned) <= MAX_LINE else f"{cleaned[: MAX_LINE - 1]}…"


def compose(
    job_id: str,
    to: str,
    subject: str,
    body: Body,
    headers: Mapping[str, str] | None = None,
) -> EmailMessage:
    """Return a mail. Its Message-ID follows from the job. Raises `CancelledError` for an address of a wrong form."""
    sender = settings.config.value(MAIL_FROM)
    if sender is None:
        raise CancelledError("MAIL_FROM is not set")
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    try:
        mail["To"] = _address(to)
    except (ValueError, MessageError, IndexError):
        raise CancelledError("the address cannot be written in a mail") from None
    mail["Subject"] = line(subject)
    mail["Date"] = format_datetime(now())
    mail["Message-ID"] = f"<{job_id}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    for name, value in (headers or {}).items():
        mail[name] = value
    mail.set_content(body.text)
    mail.add_alternative(body.html, subtype="html")
    return mail


def body(language: str, subject: str, parts: Sequence[Part]) -> Body:
    """Return the text of a mail that consists of these parts."""
    return Body("\n".join(map(_text_of, parts)), _html(language, line(subject), parts))


def _address(text: str) -> Address:
    """Return an address with its domain in the form of the DNS. The part before the @ stays as it is."""
    name, _, domain = text.rpartition("@")
    return Address(username=name, domain=domain if domain.isascii() else domain.encode("idna").decode())


def _text_of(part: Part) -> str:
    if isinstance(part, Paragraph):
        return f"{part.text}\n"
    if isinstance(part, Link):
        return f"{part.label}:\n{part.url}\n"
    # Lines of a message are indented, so that they cannot imitate what is around it.
    said = "\n".join(f"    {_CONTROLS.sub(chr(0xFFFD), row)}" for row in part.text.splitlines())
    return f"{line(part.name)}, {part.time}\n{said}\n"


def _html(language: str, title: str, parts: Sequence[Part]) -> str:
    direction = "rtl" if language in texts.RIGHT_TO_LEFT else "ltr"
    return (
        f'<!doctype html>\n<html lang="{language}" dir="{direction}">\n<meta charset="utf-8">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n{''.join(map(_html_of, parts))}</html>\n"
    )


def _html_of(part: Part) -> str:
    if isinstance(part, Said):
        body = html.escape("\n".join(_CONTROLS.sub(chr(0xFFFD), row) for row in part.text.splitlines()))
        head = f"<dt><bdi>{html.escape(line(part.name))}</bdi> <time>{html.escape(part.time)}</time></dt>"
        return f'<dl>{head}\n<dd dir="auto">{body}</dd></dl>\n'
    small = ' class="small"' if part.is_small else ""
    if isinstance(part, Link):
        return f'<p{small}><a href="{html.escape(part.url)}">{html.escape(part.label)}</a></p>\n'
    return f"<p{small}>{html.escape(part.text)}</p>\n"
