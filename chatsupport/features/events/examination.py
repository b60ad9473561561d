"""The check of `doctor`: whether the feed is complete, and whether webhooks get their events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from chatsupport import serializers
from chatsupport.config import Config
from chatsupport.database.clock import now
from chatsupport.documents import Session
from chatsupport.feature import OK, WARN, Finding
from chatsupport.features.events import relay, switch
from chatsupport.features.events.webhooks.documents import Webhook
from chatsupport.services.shared import outbound

LATE = timedelta(minutes=1)


def events(_: Config) -> Iterator[Finding]:
    """Look for changes that are not recorded, and for webhooks that are disabled or fail."""
    switch.here.look()
    if not switch.here.is_known_to_be_on:
        yield Finding(OK, "nobody listens, so nothing is recorded")
        return
    oldest = relay.oldest_mark(Session)
    if oldest is not None and oldest < now() - LATE:
        todo = "read the log of the server processes; events are late until then"
        yield Finding(WARN, f"changes since {serializers.iso(oldest)} are not in the feed yet", todo)
    else:
        yield Finding(OK, f"recorded since {serializers.iso(switch.here.feed['since'])}")
    for webhook in Webhook.collection().find({}, hint="newest"):
        host = outbound.host_of(webhook["url"])
        if not webhook["isEnabled"] and webhook.get("disabledBecause") in ("gone", "failing"):
            todo = "mend the receiver, then enable it: PATCH /api/webhooks/:id"
            yield Finding(WARN, f"the webhook to {host} was disabled: {webhook['disabledBecause']}", todo)
        elif webhook.get("failingSince") is not None:
            since = serializers.iso(webhook["failingSince"])
            todo = "GET /api/webhooks/:id/deliveries?state=failed says why"
            yield Finding(WARN, f"the webhook to {host} has failed since {since}", todo)
