"""Requests and answers about mails."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from chatsupport.contract.base import Request, about, example, record

Offer = record("MailOffer", is_offered=about(bool, "Whether the server sends mails (`SMTP_URL`)."))


class Unsubscription(Request):
    """An address that wants no more mails about unread messages."""

    token: Annotated[str, BeforeValidator(lambda value: value if isinstance(value, str) else "")] = Field(
        default="", description="The token of a mail: it stands behind the `#` of the link that ends the mails."
    )

    model_config = example(token="ImQ2Zj….abc")  # noqa: S106 an example
