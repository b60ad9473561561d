"""What `doctor` and the metrics say about the feed and the webhooks."""

from __future__ import annotations

from datetime import timedelta

from bson import ObjectId

from chatsupport.database.clock import now
from chatsupport.documents import Session
from chatsupport.extensions import settings
from chatsupport.features.events import examination, relay, switch
from chatsupport.features.events.documents import Feed
from chatsupport.features.events.webhooks import delivering
from chatsupport.features.events.webhooks.documents import Delivery, Webhook
from chatsupport.observability import metrics
from tests.api import Api

MINUTE = timedelta(minutes=1)


def findings() -> list[str]:
    return [f"{found.state} {found.what}" for found in examination.events(settings.config)]


def test_doctor_says_whether_the_feed_is_complete_and_which_webhook_fails(operator: Api) -> None:
    assert findings() == ["ok nobody listens, so nothing is recorded"]
    for number in range(3):
        operator.post("/api/webhooks", {"url": f"http://127.0.0.1:{number + 1}/", "types": ["*"]})
    assert [found[:17] for found in findings()] == ["ok recorded since"]

    operator.start("u1")
    Feed.collection().update_one({}, {"$set": {"since": now() - 10 * MINUTE}})
    Session.collection().update_one({}, {"$set": {"unrecorded.$[].at": now() - 2 * MINUTE}})
    Webhook.collection().update_one(
        {"url": "http://127.0.0.1:1/"}, {"$set": {"isEnabled": False, "disabledBecause": "gone"}}
    )
    Webhook.collection().update_one({"url": "http://127.0.0.1:2/"}, {"$set": {"failingSince": now()}})
    said = sorted(findings())

    assert [one.split(" since")[0] for one in said] == [
        "warn changes",
        "warn the webhook to 127.0.0.1:1 was disabled: gone",
        "warn the webhook to 127.0.0.1:2 has failed",
    ]
    relay.here.round()
    assert any(found.startswith("ok recorded since") for found in findings())


def test_the_metrics_show_the_lag_and_the_deliveries(operator: Api) -> None:
    assert relay.here.lag() is None
    operator.post("/api/webhooks", {"url": "http://127.0.0.1:9/", "types": ["*"]})
    relay.here.work()
    assert 0 <= (relay.here.lag() or 0) < 5
    (webhook,) = Webhook.objects
    for state in ("failed", "pending", "dead", "delivered"):
        Delivery(
            id=ObjectId(),
            webhook_id=webhook.id,
            position=1,
            event_id="evt_1",
            type="session.ended",
            event_at=now(),
            state=state,
            attempts=1,
            created_at=now(),
            updated_at=now(),
        ).save()
    delivering.count()

    assert metrics.DELIVERIES._read() == {"waiting": 2, "dead": 1}
    switch.here.forget()
    relay.here.work()
    assert relay.here.lag() is None
