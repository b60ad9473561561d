"""Webhooks and their deliveries, for operators. Supervisors read them, and may change them if they are allowed to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument

from chatsupport import events, serializers
from chatsupport.config import Variable
from chatsupport.config import parsers as parse
from chatsupport.contract.base import refused
from chatsupport.database.clock import elapsed, now
from chatsupport.errors import ForbiddenError
from chatsupport.events import Administered
from chatsupport.extensions import settings
from chatsupport.features.events import feed, switch
from chatsupport.features.events.contents import TYPES, Event
from chatsupport.features.events.documents import BATCH_SIZE
from chatsupport.features.events.tail import last_number
from chatsupport.features.events.webhooks import parsers, sending, signing
from chatsupport.features.events.webhooks.documents import DEAD, FAILED, PENDING, Delivery, Webhook
from chatsupport.features.events.webhooks.models import (
    ALL,
    WRONG,
    DeliveryNotFoundError,
    DeliveryPage,
    NewWebhook,
    WebhookChanges,
    WebhookNotFoundError,
    WebhookPage,
)
from chatsupport.identity import SYSTEM, Caller
from chatsupport.realtime.native_threads import call_out
from chatsupport.recording import NOTE_CREATED
from chatsupport.services.shared import access, outbound, pages
from chatsupport.services.shared.outbound import AddressRefusedError, Allowed, Reach

WEBHOOK_ALLOW: Variable[Allowed | None] = Variable("WEBHOOK_ALLOW", parsers.allowed, None)
WEBHOOKS_BY_SUPERVISORS: Variable[bool] = Variable("WEBHOOKS_BY_SUPERVISORS", parse.boolean, False)

MOST = 100
ROTATION = timedelta(hours=24)
"""For so long after a rotation, the previous secret signs too."""
TEST = "webhook.test"
BY_REQUEST, GONE, FAILING = "request", "gone", "failing"

Document = dict[str, Any]

(CREATED, CHANGED, DELETED, ROTATED, TESTED, RETRIED, RECOVERED) = (
    "webhook_created",
    "webhook_changed",
    "webhook_deleted",
    "webhook_secret_rotated",
    "webhook_tested",
    "webhook_retried",
    "webhook_recovered",
)


def reach() -> Reach:
    """Return the addresses that webhooks may have."""
    return Reach(settings.config.is_production, settings.config.value(WEBHOOK_ALLOW) or Allowed())


def wanted_types(webhook: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the types of events that a webhook gets."""
    named = webhook["types"]
    return tuple(kind for kind in TYPES if kind in named or (ALL in named and kind != NOTE_CREATED))


def keys_of(webhook: Mapping[str, Any], time: datetime) -> list[str]:
    """Return the secrets that sign at this time."""
    until = webhook.get("previousUntil")
    return [webhook["secret"], *([webhook["previousSecret"]] if until is not None and until > time else [])]


def list_page(caller: Caller, wanted: WebhookPage) -> Document:
    """Return one page of the webhooks, newest first."""
    access.require_manager(caller)
    rows, cursor = pages.read(Webhook.collection(), {}, wanted.limit, wanted.cursor, time="createdAt")
    may_change = caller.type == SYSTEM or settings.config.value(WEBHOOKS_BY_SUPERVISORS)
    return {**serializers.page("webhooks", [serialize(row) for row in rows], cursor), "mayChange": may_change}


def read(caller: Caller, webhook_id: ObjectId) -> Document:
    """Return a webhook."""
    access.require_manager(caller)
    return serialize(_find(webhook_id))


def create(caller: Caller, new: NewWebhook) -> Document:
    """Make a webhook that gets every event from now on, and return it with its secret."""
    require_writer(caller)
    _check(new.url)
    if Webhook.collection().count_documents({}, limit=MOST, hint="newest") >= MOST:
        raise refused("url", WRONG.code, f"There are {MOST} webhooks, and no more are possible. Delete one first.")
    switch.here.begin()
    time = now()
    webhook = {
        "_id": ObjectId(),
        "url": new.url,
        "types": new.types,
        "description": new.description,
        "secret": signing.new_secret(),
        "isEnabled": True,
        "through": (last_number() + 1) * BATCH_SIZE - 1,
        "createdAt": time,
        "updatedAt": time,
    }
    Webhook.collection().insert_one(webhook)
    _audit(CREATED, caller, webhook)
    return {**serialize(webhook), "secret": webhook["secret"]}


def change(caller: Caller, webhook_id: ObjectId, changes: WebhookChanges) -> Document:
    """Change the given fields of a webhook."""
    require_writer(caller)
    if "url" in changes.given:
        _check(changes.url)
    values: Document = {**changes.model_dump(include=changes.given, by_alias=True), "updatedAt": now()}
    removed: Document = {}
    if changes.is_enabled:
        removed = {"disabledBecause": "", "failingSince": ""}
    elif changes.is_enabled is False:
        values["disabledBecause"] = BY_REQUEST
    return _done(CHANGED, caller, webhook_id, {"$set": values, **({"$unset": removed} if removed else {})})


def delete(caller: Caller, webhook_id: ObjectId) -> Document:
    """Delete a webhook with its deliveries, and return it."""
    require_writer(caller)
    webhook = Webhook.collection().find_one_and_delete({"_id": webhook_id})
    Delivery.collection().delete_many({"webhookId": webhook_id})
    if webhook is None:
        raise WebhookNotFoundError
    _audit(DELETED, caller, webhook)
    return serialize(webhook)


def rotate_secret(caller: Caller, webhook_id: ObjectId) -> Document:
    """Give a webhook a new secret, and return it with that. For a day, the previous one signs too."""
    require_writer(caller)
    time = now()
    secret = signing.new_secret()
    values = {
        "previousSecret": "$secret",
        "previousUntil": time + ROTATION,
        "secret": {"$literal": secret},
        "updatedAt": time,
    }
    return {**_done(ROTATED, caller, webhook_id, [{"$set": values}]), "secret": secret}


def test(caller: Caller, webhook_id: ObjectId) -> Document:
    """Send a webhook an event of the type `webhook.test` now, and return how it was answered."""
    require_writer(caller)
    webhook, time = _find(webhook_id), now()
    request = sending.Request(
        f"evt_{ObjectId()}", sending.body(TEST, serializers.iso(time), {"webhookId": str(webhook_id)})
    )
    began = elapsed()
    sender = sending.Sender()
    (outcome,) = call_out(sender.send, webhook["url"], reach(), keys_of(webhook, time), [request])
    sender.close()
    _audit(TESTED, caller, webhook)
    return {
        "isDelivered": outcome.is_success,
        "status": outcome.status,
        "error": outcome.error,
        "durationMs": round((elapsed() - began) * 1000),
    }


def list_deliveries(caller: Caller, webhook_id: ObjectId, wanted: DeliveryPage) -> Document:
    """Return one page of a webhook's deliveries, newest first. Those that were not tried yet come last."""
    access.require_manager(caller)
    webhook = _find(webhook_id)
    which: Document = {"webhookId": webhook_id, **({} if wanted.state is None else {"state": wanted.state})}
    rows, cursor = pages.read(Delivery.collection(), which, wanted.limit, wanted.cursor, time="createdAt")
    found = [serialize_delivery(row) for row in rows]
    if wanted.state == PENDING and cursor is None and len(found) < wanted.limit:
        found += _not_tried(webhook, wanted.limit - len(found))
    return serializers.page("deliveries", found, cursor)


def retry(caller: Caller, webhook_id: ObjectId, delivery_id: ObjectId) -> Document:
    """Try a delivery again as soon as possible, whatever its state."""
    require_writer(caller)
    webhook = _find(webhook_id)
    time = now()
    delivery = Delivery.collection().find_one_and_update(
        {"_id": delivery_id, "webhookId": webhook_id},
        {"$set": {"state": PENDING, "nextAt": time, "updatedAt": time}, "$unset": {"expiresAt": ""}},
        return_document=ReturnDocument.AFTER,
    )
    if delivery is None:
        waiting = {one["id"]: one for one in _not_tried(webhook, sending.WINDOW)}
        if str(delivery_id) not in waiting:
            raise DeliveryNotFoundError
        return waiting[str(delivery_id)]
    _audit(RETRIED, caller, webhook, delivery_id=str(delivery_id))
    return serialize_delivery(delivery)


def recover(caller: Caller, webhook_id: ObjectId, since: datetime) -> Document:
    """Have all failed and dead deliveries of events since a time tried again, and return their number."""
    require_writer(caller)
    webhook = _find(webhook_id)
    time = now()
    which = {"webhookId": webhook_id, "state": {"$in": [FAILED, DEAD]}, "eventAt": {"$gte": since}}
    values = {"state": PENDING, "nextAt": time, "attempts": 0, "updatedAt": time}
    result = Delivery.collection().update_many(which, {"$set": values, "$unset": {"expiresAt": ""}})
    _audit(RECOVERED, caller, webhook, deliveries=result.modified_count)
    return {"deliveries": result.modified_count}


def _not_tried(webhook: Document, limit: int) -> list[Document]:
    """Return deliveries of events that were not tried yet, the next ones first."""
    try:
        coming = feed.after_position(webhook["through"], wanted_types(webhook), limit)
    except feed.PositionGoneError:
        coming = feed.after_position(0, wanted_types(webhook), limit)
    by_id = {delivery_id(webhook["_id"], event): event for event in coming}
    tried = {row["_id"] for row in Delivery.collection().find({"_id": {"$in": list(by_id)}}, {"_id": 1})}
    return [
        {
            "id": str(key),
            "eventId": event.id,
            "type": event.type,
            "state": PENDING,
            "attempts": 0,
            "lastStatus": None,
            "lastError": None,
            "nextAttemptAt": None,
            "createdAt": serializers.iso(event.at),
            "updatedAt": serializers.iso(event.at),
        }
        for key, event in by_id.items()
        if key not in tried
    ]


def delivery_id(webhook_id: ObjectId, event: Event) -> ObjectId:
    """Return the id of the delivery of an event to a webhook."""
    return ObjectId(hashlib.sha256(f"{webhook_id}{event.id}".encode()).digest()[:12])


def serialize(webhook: Mapping[str, Any]) -> Document:
    """Serialize a webhook, without its secret."""
    return {
        "id": str(webhook["_id"]),
        "url": webhook["url"],
        "types": list(webhook["types"]),
        "description": webhook.get("description", ""),
        "isEnabled": webhook["isEnabled"],
        "disabledBecause": webhook.get("disabledBecause"),
        "failingSince": serializers.iso(webhook.get("failingSince")),
        "createdAt": serializers.iso(webhook["createdAt"]),
        "updatedAt": serializers.iso(webhook["updatedAt"]),
    }


def serialize_delivery(delivery: Mapping[str, Any]) -> Document:
    """Serialize a delivery that was tried."""
    return {
        "id": str(delivery["_id"]),
        "eventId": delivery["eventId"],
        "type": delivery["type"],
        "state": delivery["state"],
        "attempts": delivery["attempts"],
        "lastStatus": delivery.get("lastStatus"),
        "lastError": delivery.get("lastError"),
        "nextAttemptAt": serializers.iso(delivery.get("nextAt")),
        "createdAt": serializers.iso(delivery["createdAt"]),
        "updatedAt": serializers.iso(delivery["updatedAt"]),
    }


def _find(webhook_id: ObjectId) -> Document:
    webhook: Document | None = Webhook.collection().find_one({"_id": webhook_id})
    if webhook is None:
        raise WebhookNotFoundError
    return webhook


def require_writer(caller: Caller) -> None:
    """Raise `ForbiddenError` unless the caller may change webhooks and see their secrets."""
    if caller.type == SYSTEM:
        return
    access.require_manager(caller)
    if not settings.config.value(WEBHOOKS_BY_SUPERVISORS):
        raise ForbiddenError("Supervisors can change webhooks only if WEBHOOKS_BY_SUPERVISORS is on.")


def _check(url: str) -> None:
    try:
        call_out(outbound.check, url, reach())
    except AddressRefusedError as error:
        raise refused("url", WRONG.code, f"url {error}") from None


def _done(action: str, caller: Caller, webhook_id: ObjectId, update: Any) -> Document:
    webhook = Webhook.collection().find_one_and_update(
        {"_id": webhook_id}, update, return_document=ReturnDocument.AFTER
    )
    if webhook is None:
        raise WebhookNotFoundError
    _audit(action, caller, webhook)
    return serialize(webhook)


def _audit(action: str, caller: Caller, webhook: Document, **details: Any) -> None:
    about = {"webhook_id": str(webhook["_id"]), "host": outbound.host_of(webhook["url"]), **details}
    events.happened(Administered(caller, action, about))
