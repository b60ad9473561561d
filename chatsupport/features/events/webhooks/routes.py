"""Webhooks, for API keys and systems. Supervisors read them, and change them if WEBHOOKS_BY_SUPERVISORS is on."""

from __future__ import annotations

from typing import Any

from flask.blueprints import BlueprintSetupState

from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import MANAGERS, WEBHOOKS, Access, route
from chatsupport.contract.calls import Says
from chatsupport.features.events.routes import blueprint
from chatsupport.features.events.webhooks import delivering
from chatsupport.features.events.webhooks import service as webhooks
from chatsupport.features.events.webhooks.description import described
from chatsupport.features.events.webhooks.models import (
    Deliveries,
    Delivery,
    DeliveryId,
    DeliveryPage,
    NewWebhook,
    Recovered,
    Recovery,
    Tested,
    Webhook,
    WebhookChanges,
    WebhookId,
    WebhookPage,
    Webhooks,
    WebhookWithSecret,
)

Json = dict[str, Any]
WRITERS = Access(check=webhooks.require_writer)


@blueprint.record
def _begin(state: BlueprintSetupState) -> None:
    delivering.here.forget()
    state.app.extensions[WEBHOOKS] = described()


@route(blueprint.get("/api/webhooks"), query=WebhookPage, answers={200: Says("Webhooks", Webhooks)}, access=MANAGERS)
def list_webhooks(page: WebhookPage) -> Json:
    """List the webhooks, newest first."""
    return webhooks.list_page(caller(), page)


@route(
    blueprint.post("/api/webhooks"),
    body=NewWebhook,
    answers={201: Says("Webhook created", WebhookWithSecret)},
    access=WRITERS,
)
def create_webhook(new: NewWebhook) -> Json:
    """Make a webhook. It gets each event of its types from now on.

    The answer has the secret, which is not shown again. At most 100 webhooks are possible.
    """
    return webhooks.create(caller(), new)


@route(blueprint.get("/api/webhooks/<webhook_id>"), answers={200: Says("Webhook", Webhook)}, access=MANAGERS)
def get_webhook(webhook_id: WebhookId) -> Json:
    """Read a webhook."""
    return webhooks.read(caller(), webhook_id)


@route(
    blueprint.patch("/api/webhooks/<webhook_id>"),
    body=WebhookChanges,
    answers={200: Says("Webhook changed", Webhook)},
    access=WRITERS,
)
def update_webhook(webhook_id: WebhookId, changes: WebhookChanges) -> Json:
    """Change the given fields of a webhook."""
    return webhooks.change(caller(), webhook_id, changes)


@route(blueprint.delete("/api/webhooks/<webhook_id>"), answers={200: Says("Webhook deleted", Webhook)}, access=WRITERS)
def delete_webhook(webhook_id: WebhookId) -> Json:
    """Delete a webhook, with its deliveries."""
    return webhooks.delete(caller(), webhook_id)


@route(
    blueprint.post("/api/webhooks/<webhook_id>/rotate-secret"),
    answers={200: Says("Secret rotated", WebhookWithSecret)},
    access=WRITERS,
)
def rotate_webhook_secret(webhook_id: WebhookId) -> Json:
    """Give a webhook a new secret. For 24 hours, deliveries are signed with both."""
    return webhooks.rotate_secret(caller(), webhook_id)


@route(blueprint.post("/api/webhooks/<webhook_id>/test"), answers={200: Says("Webhook tested", Tested)}, access=WRITERS)
def test_webhook(webhook_id: WebhookId) -> Json:
    """Send a webhook an event of the type `webhook.test` now, and answer with the outcome."""
    return webhooks.test(caller(), webhook_id)


@route(
    blueprint.get("/api/webhooks/<webhook_id>/deliveries"),
    query=DeliveryPage,
    answers={200: Says("Deliveries", Deliveries)},
    access=MANAGERS,
)
def list_webhook_deliveries(webhook_id: WebhookId, page: DeliveryPage) -> Json:
    """List a webhook's deliveries, newest first."""
    return webhooks.list_deliveries(caller(), webhook_id, page)


@route(
    blueprint.post("/api/webhooks/<webhook_id>/deliveries/<delivery_id>/retry"),
    answers={200: Says("The delivery will be tried again", Delivery)},
    access=WRITERS,
)
def retry_webhook_delivery(webhook_id: WebhookId, delivery_id: DeliveryId) -> Json:
    """Try a delivery again at once."""
    return webhooks.retry(caller(), webhook_id, delivery_id)


@route(
    blueprint.post("/api/webhooks/<webhook_id>/recover"),
    body=Recovery,
    answers={200: Says("The deliveries will be tried again", Recovered)},
    access=WRITERS,
)
def recover_webhook(webhook_id: WebhookId, recovery: Recovery) -> Json:
    """Try all failed and dead deliveries of events since a time again."""
    return webhooks.recover(caller(), webhook_id, recovery.since)
