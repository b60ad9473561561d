"""Requests and answers about push subscriptions."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any

from pydantic import Field

from chatsupport.contract.base import Answer, Code, Model, Reads, Request, example, record
from chatsupport.contract.fields import Count, Time
from chatsupport.services.shared.outbound import MAX_URL

WRONG = Code("INVALID_SUBSCRIPTION")
_BASE64 = re.compile(r"[A-Za-z0-9_-]{1,100}={0,2}")


def decoded(text: str) -> bytes:
    """Return the bytes of a text in base64 for URLs. Raises `ValueError`."""
    try:
        return base64.urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except binascii.Error:
        raise ValueError from None


def _bytes(length: int, wording: str) -> Reads:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not _BASE64.fullmatch(value) or len(decoded(value)) != length:
            raise ValueError(f"must be {wording}, as browsers give it.")
        return value.rstrip("=")

    return Reads(read)


def _endpoint(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_URL:
        raise ValueError(f"must be an address of at most {MAX_URL} characters.")
    return value


Endpoint = Annotated[str, Reads(_endpoint, maxLength=MAX_URL), WRONG]


class Keys(Model):
    """The browser's keys."""

    p256dh: Annotated[str, _bytes(65, "a public key of 65 bytes in base64")] = Field(alias="p256dh")
    auth: Annotated[str, _bytes(16, "a secret of 16 bytes in base64")]


class NewSubscription(Request):
    """The result of the browser's `PushSubscription.toJSON()`."""

    endpoint: Endpoint = Field(
        description="The push service's address for this browser. In production it must be https and public."
    )
    keys: Annotated[Keys, WRONG] = Field(description="`p256dh` and `auth`.")

    model_config = example(
        endpoint="https://push.example.com/send/dGVzdA",
        keys={
            "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        },
    )


class OldSubscription(Request):
    """The subscription to end."""

    endpoint: Endpoint | None = Field(
        default=None, description="The endpoint of this browser. Without it, all your subscriptions end."
    )


class OldSubscriptionInBody(OldSubscription):
    """The subscription to end, for a client that names it as it did when it subscribed."""

    model_config = example(endpoint="https://push.example.com/send/dGVzdA")


class Subscription(Answer):
    """A browser that gets pushes."""

    endpoint: str
    created_at: Time
    expires_at: Time = Field(description="Subscribe again before then, as the console does each time it is opened.")


PublicKey = record("PublicKey", public_key=str)
Unsubscribed = record("Unsubscribed", deleted=Count)
