"""Requests and answers about webhooks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from bson import ObjectId
from pydantic import AfterValidator, Field

from chatsupport.contract.base import Answer, Code, Reads, Request, about, absent, example, page, record
from chatsupport.contract.fields import DEFAULT_PAGE, Cursor, DocumentId, Id, Limit, Line, Moment, Time
from chatsupport.errors import NotFoundError
from chatsupport.features.events.contents import TYPES
from chatsupport.features.events.models import EventType
from chatsupport.features.events.webhooks.documents import MAX_DESCRIPTION, MAX_URL

WRONG = Code("INVALID_WEBHOOK")
ALL = "*"
TYPES_OR_ALL = (*TYPES, ALL)


class WebhookNotFoundError(NotFoundError):
    """No webhook has this id."""

    code = "WEBHOOK_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("No webhook has this id. GET /api/webhooks lists the webhooks.")


class DeliveryNotFoundError(NotFoundError):
    """The webhook has no delivery with this id."""

    code = "DELIVERY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("This webhook has no delivery with this id. GET /api/webhooks/:id/deliveries lists them.")


def _url(value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_URL:
        raise ValueError
    return value


def _some(types: list[str]) -> list[str]:
    if not types:
        raise ValueError("must name at least one type, or *.")
    return list(dict.fromkeys(types))


Url = Annotated[
    str,
    Reads(_url, f"an http or https address of at most {MAX_URL} characters", maxLength=MAX_URL, format="uri"),
    WRONG,
]
Types = Annotated[list[Literal[TYPES_OR_ALL]], AfterValidator(_some), WRONG]  # type: ignore[valid-type]
Description = Annotated[str, Line(MAX_DESCRIPTION, ""), WRONG]
WebhookId = Annotated[ObjectId, DocumentId(WebhookNotFoundError), WRONG]
DeliveryId = Annotated[ObjectId, DocumentId(DeliveryNotFoundError), WRONG]

_URL_USE = "It gets the events by POST. In production it must be https, and public unless WEBHOOK_ALLOW names it."
_TYPES_USE = "The types of events. `*` stands for all but `note.created`, which must be named."


class NewWebhook(Request):
    """A new webhook."""

    url: Url = Field(description=_URL_USE)
    types: Types = Field(description=_TYPES_USE)
    description: Description = ""

    model_config = example(url="https://crm.example.com/chat-events", types=["session.ended", "session.rated"])


class WebhookChanges(Request):
    """Changes of a webhook. `given` names the fields that are present."""

    url: Url = absent(_URL_USE)
    types: Types = absent(_TYPES_USE)
    description: Description = absent()
    is_enabled: Annotated[bool, WRONG] = absent(
        "Events of the time in which it was disabled are sent when it is enabled again, as far as they are kept."
    )

    model_config = example(types=["*"], isEnabled=True)


class WebhookPage(Request):
    """The page of the webhooks."""

    limit: Limit = DEFAULT_PAGE
    cursor: Cursor | None = None


class DeliveryPage(Request):
    """The deliveries to be listed."""

    state: Annotated[Literal["pending", "delivered", "failed", "dead"], Code("INVALID_STATUS")] | None = absent(
        "`pending`: not tried yet, or about to be tried again by request; `failed`: will be tried again; `dead`: will "
        "not. Without it, all that were tried."
    )
    limit: Limit = DEFAULT_PAGE
    cursor: Cursor | None = None


class Recovery(Request):
    """The time from which on failed deliveries are repeated."""

    since: Annotated[Moment, WRONG]

    model_config = example(since="2026-11-22T09:00:00Z")


class Webhook(Answer):
    """A webhook, without its secret."""

    id: Id
    url: str
    types: list[str]
    description: str
    is_enabled: bool
    disabled_because: Literal["gone", "failing", "request"] | None = Field(
        description="`gone`: it has answered 410. `failing`: it has only failed for five days. `request`: somebody has "
        "disabled it."
    )
    failing_since: Time | None = Field(description="The first failure after the last success.")
    created_at: Time
    updated_at: Time


class WebhookWithSecret(Webhook):
    """A webhook, with the secret that is shown only once."""

    secret: str = Field(pattern="^whsec_", description="Keep it: it is not shown again.")


class Delivery(Answer):
    """An event for a webhook."""

    id: Id
    event_id: str
    type: EventType
    state: Literal["pending", "delivered", "failed", "dead"]
    attempts: int
    last_status: int | None = Field(description="The status of the last answer.")
    last_error: str | None = Field(description="Why there was no answer.")
    next_attempt_at: Time | None
    created_at: Time
    updated_at: Time


Webhooks = record(
    "Webhooks",
    webhooks=list[Webhook],
    has_more=bool,
    next_cursor=str | None,
    may_change=about(bool, "Whether the caller may change webhooks."),
)
Deliveries = page("Deliveries", "deliveries", Delivery)
Tested = record("Tested", is_delivered=bool, status=int | None, error=str | None, duration_ms=int)
Recovered = record("Recovered", deliveries=int)
