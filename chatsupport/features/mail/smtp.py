"""Hand mails to the mail server. This blocks, so it belongs in a native thread (`native_threads.call_out`)."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from email.message import EmailMessage

from chatsupport.features.mail.parsers import MailServer

SECONDS = 20.0
"""How long the server may take for each step."""


class MailError(Exception):
    """The server did not take a mail. The text says why, without the address. `is_final`: it never will."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


def send(server: MailServer, own_name: str, mail: EmailMessage) -> None:
    """Return when the server has taken the mail. Raises `MailError`."""
    with _translated(), _connected(server, own_name) as client:
        client.send_message(mail)


def try_out(server: MailServer, own_name: str) -> None:
    """Connect and sign in, and send nothing. Raises `MailError`."""
    with _translated(), _connected(server, own_name) as client:
        client.noop()


@contextlib.contextmanager
def _connected(server: MailServer, own_name: str) -> Iterator[smtplib.SMTP]:
    context = ssl.create_default_context()
    client = (
        smtplib.SMTP_SSL(server.host, server.port, own_name, timeout=SECONDS, context=context)
        if server.tls == "at once"
        else smtplib.SMTP(server.host, server.port, own_name, timeout=SECONDS)
    )
    try:
        if server.tls == "starttls":
            client.starttls(context=context)
        if server.user is not None and server.password is not None:
            client.login(server.user, server.password)
        yield client
        with contextlib.suppress(smtplib.SMTPException, OSError):
            client.quit()  # The mail is sent, whatever follows.
    finally:
        client.close()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        raise MailError(_said(code, text), is_final=code >= 500) from None
    except smtplib.SMTPDataError as error:
        raise MailError(_said(error.smtp_code, error.smtp_error), is_final=error.smtp_code >= 500) from None
    except smtplib.SMTPAuthenticationError as error:
        raise MailError(f"the server refuses the user and password of SMTP_URL ({error.smtp_code})") from None
    except smtplib.SMTPResponseException as error:
        raise MailError(_said(error.smtp_code, error.smtp_error)) from None
    except smtplib.SMTPNotSupportedError as error:
        raise MailError(f"the server cannot do what is needed: {error}") from None
    except (smtplib.SMTPException, OSError, UnicodeError) as error:
        raise MailError(f"{type(error).__name__}: {error}"[:200]) from None


def _said(code: int, text: bytes | str) -> str:
    """Return the server's answer without addresses, which it likes to repeat."""
    words = (text.decode(errors="replace") if isinstance(text, bytes) else text).split()
    return f"{code} {' '.join('…' if '@' in word else word for word in words)}"[:200]
