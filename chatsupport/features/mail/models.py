"""Requests and answers about mails."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from chatsupport.contract.base import Code, Request, about, absent, example, record
from chatsupport.contract.fields import Id
from chatsupport.contract.people import AgentEmail, Email, NewPassword

Offer = record("MailOffer", is_offered=about(bool, "Whether the server sends mails (`SMTP_URL`)."))

MailedTranscript = record("MailedTranscript", session_id=Id, email=about(str, "The address to which it goes."))


class TranscriptMail(Request):
    """The address for a transcript."""

    email: Email | None = absent("Without it, the visitor's address (`visitor.email`). Users can name no other one.")

    model_config = example(email="grace@example.com")


class ForgottenPassword(AgentEmail):
    """The email of an agent who has forgotten the password."""

    model_config = example(email="ada@example.com")


class PasswordReset(Request):
    """A new password, with the token of a mail."""

    token: Annotated[
        str,
        Field(min_length=1, max_length=500, description="It stands behind `#reset=` in the link of the mail."),
        Code("INVALID_RESET_TOKEN"),
    ]
    password: NewPassword

    model_config = example(token="WyI2YjA4….abc", password="correct horse battery")  # noqa: S106 an example


class Unsubscription(Request):
    """An address that wants no more mails about unread messages."""

    token: Annotated[str, BeforeValidator(lambda value: value if isinstance(value, str) else "")] = Field(
        default="", description="The token of a mail: it stands behind the `#` of the link that ends the mails."
    )

    model_config = example(token="ImQ2Zj….abc")  # noqa: S106 an example
