"""The check of `doctor`: whether the mail server takes mails from this machine."""

from __future__ import annotations

from collections.abc import Iterator

from chatsupport.config import Config
from chatsupport.feature import FAIL, OK, WARN, Finding
from chatsupport.features.mail import smtp
from chatsupport.features.mail.parsers import MAIL_FROM, SMTP_URL


def mail_server(config: Config) -> Iterator[Finding]:
    """Connect to the mail server, and sign in. No mail is sent."""
    server, sender = config.value(SMTP_URL), config.value(MAIL_FROM)
    if server is None or sender is None:
        yield Finding(OK, "not configured; without SMTP_URL, no mails are sent")
        return
    try:
        smtp.try_out(server, sender.domain)
    except smtp.MailError as error:
        yield Finding(FAIL, f"{server}: {error}", "check SMTP_URL; until then, mails wait for at most a day")
        return
    yield Finding(OK, f"{server} answers")
    if server.tls == "none" and config.is_production and server.host not in ("localhost", "127.0.0.1", "::1"):
        yield Finding(WARN, f"{server} is not encrypted", "leave out ?starttls=off; others can read the mails")
