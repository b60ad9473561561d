"""Web push: alerts that reach an agent whose console is closed. For agents."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import Access, route
from chatsupport.contract.calls import Says
from chatsupport.features.push import keys, subscriptions
from chatsupport.features.push.models import (
    NewSubscription,
    OldSubscription,
    OldSubscriptionInBody,
    PublicKey,
    Subscription,
    Unsubscribed,
)

blueprint = Blueprint("push", __name__, url_prefix="/api/push")

Json = dict[str, Any]
SUBSCRIBERS = Access(check=subscriptions.require_agent)


@blueprint.record
def _begin(_: object) -> None:
    keys.forget()
    subscriptions.forget()


@route(blueprint.get("/key"), answers={200: Says("Public key", PublicKey)})
def get_push_key() -> Json:
    """Get the public key with which a browser subscribes: its `applicationServerKey`."""
    subscriptions.require_agent(caller())
    return {"publicKey": keys.pair().public}


@route(
    blueprint.put("/subscription"),
    body=NewSubscription,
    answers={200: Says("Subscribed", Subscription)},
    access=SUBSCRIBERS,
)
def put_push_subscription(new: NewSubscription) -> Json:
    """Subscribe this browser to pushes while the console is closed.

    An agent has at most 10 browsers. The oldest are forgotten.
    """
    return subscriptions.add(caller(), new)


@route(
    blueprint.delete("/subscription"),
    query=OldSubscription,
    body=OldSubscriptionInBody,
    answers={200: Says("Unsubscribed", Unsubscribed)},
    access=SUBSCRIBERS,
)
def delete_push_subscription(old: OldSubscription, same: OldSubscriptionInBody) -> Json:
    """Unsubscribe one browser, or all of your browsers. The query or the body names it."""
    return {"deleted": subscriptions.remove(caller(), old.endpoint or same.endpoint)}
