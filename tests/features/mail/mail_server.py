"""A real mail server on the loopback, which keeps what it takes."""

from __future__ import annotations

import asyncio
import email
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.concurrency import eventually
from tests.e2e.server import free_port


@dataclass(frozen=True)
class Mail:
    """A mail as it was taken, and the envelope around it."""

    raw: bytes
    sender: str
    recipients: list[str]
    is_encrypted: bool
    user: str | None
    at: float

    @property
    def parsed(self) -> EmailMessage:
        parsed: Any = email.message_from_bytes(self.raw, policy=default)
        return parsed  # type: ignore[no-any-return]

    @property
    def id(self) -> str:
        return str(self.parsed["Message-ID"])

    def text(self, kind: str = "plain") -> str:
        body = self.parsed.get_body((kind,))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")

    def links(self) -> list[str]:
        return re.findall(r"https?://\S+", self.text())


@dataclass
class MailServer:
    """Takes mails, or answers with `answers`: of RCPT and of DATA, by the order of the attempts."""

    options: dict[str, Any] = field(default_factory=dict)
    refuses_recipient: str | None = None
    refuses_data: list[str] = field(default_factory=list)
    before_answer: Callable[[], None] | None = None
    """Called when a mail is taken, before the server says so."""
    got: list[Mail] = field(default_factory=list)
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self._controller: Controller | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin to listen, also again after a stop."""
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, ready_timeout=40, **self.options)
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def wait_for(self, count: int) -> list[Mail]:
        """Wait until so many mails have come."""
        assert eventually(lambda: len(self.got) >= count), f"{len(self.got)} instead of {count}"
        return self.got

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuses_recipient is not None:
            return self.refuses_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refuses_data:
            return self.refuses_data.pop(0)
        login: Any = session.auth_data
        self.got.append(
            Mail(
                envelope.original_content or b"",
                envelope.mail_from or "",
                list(envelope.rcpt_tos),
                session.ssl is not None,
                login.login.decode() if login else None,
                time.monotonic(),
            )
        )
        if self.before_answer is not None:
            await asyncio.get_running_loop().run_in_executor(None, self.before_answer)
        return "250 OK"


def takes_login(user: str, password: str) -> Callable[..., AuthResult]:
    """Return an authenticator that knows one user."""

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (user.encode(), password.encode()), handled=False)

    return authenticate


__all__ = ["Mail", "MailServer", "takes_login"]
