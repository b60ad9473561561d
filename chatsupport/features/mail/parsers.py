"""The variables of the feature: the mail server, the sender, and when a visitor gets a mail."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.policy import SMTP
from typing import Literal
from urllib.parse import unquote, urlsplit

from chatsupport.config import Variable
from chatsupport.config import parsers as parse
from chatsupport.contract.people import email

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:.]+")
_PORTS = {"smtp": 587, "smtps": 465}
_UNENCRYPTED = "starttls=off"


@dataclass(frozen=True)
class MailServer:
    """The server that takes our mails, and how the connection to it is encrypted."""

    host: str
    port: int
    tls: Literal["none", "starttls", "at once"]
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def mail_server(text: str) -> MailServer:
    """Return the server of a URL. A server on another machine must encrypt, unless the URL has `?starttls=off`."""
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        host, port = "", 0
    is_good = _HOST.fullmatch(host) and port != 0 and not re.search(r"\s", text)
    if not is_good or parts.scheme not in _PORTS or parts.path.strip("/") or parts.fragment:
        raise ValueError(
            "a URL such as smtp://user:password@mail.example.com:587, smtps://… or smtp://localhost:1025; in the "
            "password, write / ? # [ ] @ % as %2F %3F %23 %5B %5D %40 %25"
        )
    if parts.query not in ("", _UNENCRYPTED) or (parts.query and parts.scheme != "smtp"):
        raise ValueError(f"a URL with no option except ?{_UNENCRYPTED}, and this one only with smtp://")
    user, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
    if (user is None) != (password is None) or not f"{user}{password}".isprintable():
        raise ValueError("a URL with a user and a password, or with neither")
    plain = bool(parts.query) or _is_this_machine(host)
    tls: Literal["none", "starttls", "at once"] = (
        "at once" if parts.scheme == "smtps" else "none" if plain else "starttls"
    )
    return MailServer(host, port or _PORTS[parts.scheme], tls, user, password)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def sender(text: str) -> Address:
    """Return the address from which mails come, with the name to show."""
    wanted = "an address such as chat@example.com, or a name with it: Example Support <chat@example.com>"
    name, _, address = text.strip().removesuffix(">").rpartition("<") if text.strip().endswith(">") else ("", "", text)
    name = name.strip().removeprefix('"').removesuffix('"')
    if not text.isprintable() or any(character in '<>"' for character in name):
        raise ValueError(wanted)
    try:
        found = Address(name, addr_spec=email(address))
        SMTP.header_factory("From", str(found))
        found.addr_spec.encode("ascii")
    except (ValueError, MessageError, IndexError):
        raise ValueError(wanted) from None
    return found


SMTP_URL: Variable[MailServer | None] = Variable("SMTP_URL", mail_server, None, requires=("MAIL_FROM", "PUBLIC_URL"))
MAIL_FROM: Variable[Address | None] = Variable("MAIL_FROM", sender, None)
MAIL_AFTER: Variable[float] = Variable("MAIL_AFTER", parse.seconds(1, 86_400), 120.0)
