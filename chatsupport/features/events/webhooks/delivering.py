"""Deliver the feed to the webhooks. One process at a time does it, under a lease.

Each webhook reads the feed from its own position, in a greenlet of its own, so none waits for another. Its events go
into four lanes by their session, and a lane sends in order: so the events of a session stay in order, and a slow answer
delays only a lane. Each event is tried at once, whatever became of earlier ones. What fails is stored, and is tried
again when it is due.

Outcomes are stored five times a second, with the position up to which every event was tried. The next holder of the
lease sends all events after it again, with the same ids: at most WINDOW, even those that were delivered.
"""

from __future__ import annotations

import logging
import math
import random
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from chatsupport.background import Buffered
from chatsupport.database.clock import elapsed, now
from chatsupport.database.connection import already_there, is_unavailable
from chatsupport.extensions import socketio
from chatsupport.features.events import contents, feed, switch
from chatsupport.features.events.contents import Event
from chatsupport.features.events.documents import BATCH_SIZE
from chatsupport.features.events.tail import tail
from chatsupport.features.events.webhooks import sending, service
from chatsupport.features.events.webhooks.documents import DEAD, DELIVERED, FAILED, PENDING, Delivery, Webhook
from chatsupport.features.events.webhooks.sending import WINDOW, Outcome
from chatsupport.observability import metrics
from chatsupport.realtime.native_threads import deliver
from chatsupport.services.messages import message_log
from chatsupport.services.server import readiness
from chatsupport.services.server.leases import Lease
from chatsupport.services.shared import outbound

logger = logging.getLogger(__name__)

Document = dict[str, Any]

LOOK_SECONDS = 1.0
LEASE_SECONDS = 6.0
STORE_SECONDS = 0.2
LANES, BATCH, MOST_DUE = 4, 50, 200
LATE_SECONDS = 5.0
"""An answer that takes longer holds a thread as no answer does."""
FAILURES_IN_A_ROW, PAUSE_SECONDS = 3, 0.25
"""After so many calls without an answer, or with a late one, a webhook gets only one lane at a time, for one event, and
a pause after it. So a receiver that is away costs little, and most events are tried when it is back."""
MINUTE, HOUR = 60.0, 3600.0
RETRIES = (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
"""The seconds from each failed attempt to the next one."""
JITTER = 0.2
LONGEST_WAIT = 24 * HOUR
DEAD_KEPT, DELIVERED_KEPT = timedelta(days=30), timedelta(days=7)
GIVEN_UP = timedelta(days=5)
"""A webhook is disabled after so long without a success."""
HTTP_GONE = 410
COUNT_SECONDS, MOST_COUNTED = 15.0, 10_000

LEASE = Lease("webhooks", LEASE_SECONDS, when=readiness.is_ready)


@dataclass(slots=True)
class Job:
    """An event on its way to a webhook; `attempts` were made before, and `is_new` if it was never tried."""

    event: Event
    attempts: int
    is_new: bool


class Endpoint:
    """The deliveries of one webhook."""

    def __init__(self, webhook: Document) -> None:
        self.webhook = webhook
        self.is_stopped = False
        self._fetched: int = webhook["through"]
        self._lanes: list[deque[Job]] = [deque() for _ in range(LANES)]
        self._active = [False] * LANES
        self._senders = [sending.Sender() for _ in range(LANES)]
        self._in_progress: dict[int, None] = {}
        """The positions of new events that are not stored yet, in order."""
        self._repeating: set[int] = set()
        self._has_more_due = False
        self._failures = 0
        self._looked_at = self._noted_at = -math.inf
        self._known = -1
        """The number of the last batch when `_noted_at` was set."""
        self._room = threading.Event()

    def stop(self) -> None:
        """Send nothing more."""
        self.is_stopped = True

    def run(self) -> None:
        """Send events as they come, until stopped."""
        while not (self.is_stopped or message_log.log.is_closed):
            seen = tail.number
            try:
                found = self._fetch(seen)
            except Exception as error:
                if not is_unavailable(error):
                    logger.exception("A webhook's events could not be read")
                socketio.sleep(LOOK_SECONDS)
                continue
            self._start_lanes()
            if len(self._in_progress) >= WINDOW or (self._has_more_due and self._repeating):
                self._room.clear()
                self._room.wait(LOOK_SECONDS)
            elif not found:
                tail.wait(seen, LOOK_SECONDS)
            self._close_senders(sending.KEPT_SECONDS)
        self.is_stopped = True
        self._close_senders()

    def through(self) -> int:
        """Return the position up to which the outcome of every event is stored."""
        first = next(iter(self._in_progress), None)
        return self._fetched if first is None else first - 1

    def stored(self, positions: Iterable[int]) -> None:
        """Note that the outcomes of these events are stored."""
        for position in positions:
            self._in_progress.pop(position, None)
            self._repeating.discard(position)
        self._room.set()

    def _fetch(self, seen: int) -> int:
        """Put due and new events into the lanes. Returns the number of new events."""
        if elapsed() - self._looked_at > LOOK_SECONDS or (self._has_more_due and not self._repeating):
            self._looked_at = elapsed()
            self._fetch_due()
        room = WINDOW - len(self._in_progress)
        if room <= 0:
            return 0
        types = service.wanted_types(self.webhook)
        try:
            events = feed.after_position(self._fetched, types, room)
        except feed.PositionGoneError:
            logger.error("A webhook was behind for so long that events are lost", extra=self._about())
            self._fetched = 0
            events = feed.after_position(0, types, room)
        for event in events:
            self._in_progress[event.position] = None
            self._enqueue(Job(event, 0, is_new=True))
        if events:
            self._fetched = events[-1].position
        elif not self._in_progress and elapsed() - self._noted_at > HOUR:
            # Else a webhook for rare events would seem to be behind after a restart. Only up to what was known an hour
            # ago: after a failover, a read may not show at once what was there before.
            self._fetched = max(self._fetched, (self._known + 1) * BATCH_SIZE - 1)
            self._known, self._noted_at = seen, elapsed()
            Webhook.collection().update_one({"_id": self.webhook["_id"]}, {"$max": {"through": self._fetched}})
        return len(events)

    def _fetch_due(self) -> None:
        which = {"webhookId": self.webhook["_id"], "nextAt": {"$lte": now()}}
        # Those whose outcome is stored during the read are not due any more, although the read may say so.
        busy = self._repeating | self._in_progress.keys()
        rows = list(Delivery.collection().find(which, sort=[("nextAt", 1)], limit=MOST_DUE))
        self._has_more_due = len(rows) == MOST_DUE
        for row in rows:
            if row["position"] not in busy:
                self._repeating.add(row["position"])
                self._enqueue(Job(_event_of(row), row["attempts"], is_new=False))

    def _enqueue(self, job: Job) -> None:
        self._lanes[hash(job.event.subject) % LANES].append(job)

    def _start_lanes(self) -> None:
        most = 1 if self._failures >= FAILURES_IN_A_ROW else LANES
        for number, lane in enumerate(self._lanes):
            if lane and not self._active[number] and sum(self._active) < most and not self.is_stopped:
                self._active[number] = True
                socketio.start_background_task(self._send, number)

    def _send(self, number: int) -> None:
        lane = self._lanes[number]
        most = 1 if self._failures >= FAILURES_IN_A_ROW else BATCH
        jobs = [lane.popleft() for _ in range(min(len(lane), most))]
        done = 0
        try:
            done = self._send_some(jobs, self._senders[number])
            if self._failures >= FAILURES_IN_A_ROW:
                socketio.sleep(PAUSE_SECONDS)
        except Exception as error:
            if not is_unavailable(error):
                logger.exception("A webhook's events could not be sent", extra=self._about())
            socketio.sleep(LOOK_SECONDS)
        finally:
            lane.extendleft(reversed(jobs[done:]))
            # The lane goes behind the others, of which there may be only one at a time.
            self._active[number] = False
            if self.is_stopped:
                self._close_senders()
            socketio.start_background_task(self._start_lanes)

    def _send_some(self, jobs: list[Job], sender: sending.Sender) -> int:
        """Send some of the events, the first ones. Returns how many."""
        webhook = self.webhook
        shown = contents.shown([job.event for job in jobs])
        requests = [
            sending.Request(one["id"], sending.body(one["type"], one["timestamp"], one["data"])) for one in shown
        ]
        keys = service.keys_of(webhook, now())
        outcomes = deliver(sender.send, webhook["url"], service.reach(), keys, requests)
        for job, outcome in zip(jobs, outcomes, strict=False):
            is_late = outcome.status is None or outcome.seconds > LATE_SECONDS
            self._failures = self._failures + 1 if is_late else 0
            delivery = _delivery_of(webhook["_id"], job, outcome)
            _outcomes.add(delivery["_id"], (self, delivery))
        return len(outcomes)

    def _close_senders(self, unused_for: float = 0.0) -> None:
        for is_active, sender in zip(self._active, self._senders, strict=True):
            if not is_active:
                sender.close(unused_for)

    def _about(self) -> Document:
        webhook = self.webhook
        return {"event": "webhook", "webhook_id": str(webhook["_id"]), "host": outbound.host_of(webhook["url"])}


def _event_of(row: Document) -> Event:
    return Event(
        position=row["position"],
        type=row["type"],
        id=row["eventId"],
        at=row["eventAt"],
        session_id=row.get("sessionId"),
        seq=row.get("seq", 0),
        about=row.get("about"),
    )


def _delivery_of(webhook_id: ObjectId, job: Job, outcome: Outcome) -> Document:
    """Return the delivery as it is stored after an attempt."""
    event, time = job.event, now()
    attempts = job.attempts + 1
    delivery: Document = {
        "_id": service.delivery_id(webhook_id, event),
        "webhookId": webhook_id,
        "position": event.position,
        "eventId": event.id,
        "type": event.type,
        "eventAt": event.at,
        "attempts": attempts,
        "lastStatus": outcome.status,
        "lastError": outcome.error,
        "updatedAt": time,
    }
    for name, value in (("sessionId", event.session_id), ("seq", event.seq or None), ("about", event.about)):
        if value is not None:
            delivery[name] = value
    if outcome.is_success:
        delivery.update(state=DELIVERED, expiresAt=time + DELIVERED_KEPT)
    elif outcome.status == HTTP_GONE or attempts > len(RETRIES):
        delivery.update(state=DEAD, expiresAt=time + DEAD_KEPT)
    else:
        wait = RETRIES[attempts - 1] * (1 + random.uniform(0, JITTER))  # noqa: S311 - it spreads the load
        wait = max(wait, min(outcome.retry_after or 0.0, LONGEST_WAIT))
        delivery.update(state=FAILED, nextAt=time + timedelta(seconds=wait))
    return delivery


def _store(batch: dict[ObjectId, tuple[Endpoint, Document]]) -> None:
    """Store outcomes, and the position of each webhook: every event up to it has been tried."""
    time = now()
    by_endpoint: dict[int, tuple[Endpoint, list[Document]]] = {}
    for endpoint, delivery in batch.values():
        by_endpoint.setdefault(id(endpoint), (endpoint, []))[1].append(delivery)
    _store_deliveries([delivery for _, delivery in batch.values()], time)
    for endpoint, deliveries in by_endpoint.values():
        endpoint.stored(delivery["position"] for delivery in deliveries)
        _note_health(endpoint, deliveries, time)


def _store_deliveries(deliveries: list[Document], time: datetime) -> None:
    """Insert deliveries that were tried for the first time, and update the others."""
    first = [delivery for delivery in deliveries if delivery["attempts"] == 1]
    others = {delivery["_id"]: delivery for delivery in deliveries if delivery["attempts"] > 1}
    if first:
        try:
            Delivery.collection().insert_many([{**delivery, "createdAt": time} for delivery in first], ordered=False)
        except BulkWriteError as error:
            # They were sent by a process whose outcomes were not stored completely, or by two processes.
            there = already_there(error)
            others |= {delivery["_id"]: delivery for delivery in first if delivery["_id"] in there}
    writes = []
    for delivery_id, delivery in others.items():
        # What another process has delivered meanwhile is not sent again.
        which = {} if delivery["state"] == DELIVERED else {"state": {"$ne": DELIVERED}}
        values = {name: value for name, value in delivery.items() if name != "_id"}
        gone = [name for name in ("nextAt", "expiresAt") if name not in values]
        writes.append(UpdateOne({"_id": delivery_id, **which}, {"$set": values, "$unset": dict.fromkeys(gone, "")}))
    if writes:
        Delivery.collection().bulk_write(writes, ordered=False)


def _note_health(endpoint: Endpoint, deliveries: list[Document], time: datetime) -> None:
    """Store a webhook's position and whether it fails. Disable it if it is gone, or failing for too long."""
    this = {"_id": endpoint.webhook["_id"]}
    has_succeeded = any(delivery["state"] == DELIVERED for delivery in deliveries)
    is_gone = any(delivery["lastStatus"] == HTTP_GONE for delivery in deliveries)
    failing_since = endpoint.webhook.get("failingSince")
    values: Document = {}
    removed: Document = {}
    if has_succeeded:
        if failing_since is not None:
            removed["failingSince"] = ""
    elif failing_since is None:
        values["failingSince"] = time
    is_given_up = not has_succeeded and failing_since is not None and failing_since < time - GIVEN_UP
    if is_gone or is_given_up:
        values.update(isEnabled=False, disabledBecause=service.GONE if is_gone else service.FAILING)
        logger.warning("A webhook was disabled", extra={**endpoint._about(), "reason": values["disabledBecause"]})
        endpoint.stop()
    update: Document = {"$max": {"through": endpoint.through()}}
    if values:
        update["$set"] = values
    if removed:
        update["$unset"] = removed
    if not Webhook.collection().update_one(this, update).matched_count:
        # It was deleted while these were on their way.
        Delivery.collection().delete_many({"webhookId": this["_id"]})
        endpoint.stop()
    endpoint.webhook = {name: value for name, value in {**endpoint.webhook, **values}.items() if name not in removed}


_outcomes: Buffered[ObjectId, tuple[Endpoint, Document]] = Buffered(_store, STORE_SECONDS)


class Dispatcher:
    """The endpoints of this process, while it holds the lease."""

    def __init__(self) -> None:
        self._endpoints: dict[ObjectId, Endpoint] = {}

    def forget(self) -> None:
        """Send nothing, because another application begins."""
        for endpoint in self._endpoints.values():
            endpoint.stop()
        self._endpoints.clear()

    def work(self) -> None:
        """Begin to deliver to new webhooks, and stop for those that are gone or disabled."""
        if not switch.here.is_known_to_be_on or message_log.log.is_closed or not LEASE.hold():
            self.forget()
            return
        webhooks = {row["_id"]: row for row in Webhook.collection().find({"isEnabled": True}, hint="newest")}
        for webhook_id, endpoint in list(self._endpoints.items()):
            if endpoint.is_stopped or webhook_id not in webhooks:
                endpoint.stop()
                del self._endpoints[webhook_id]
            else:
                endpoint.webhook = webhooks[webhook_id]
        for webhook_id in webhooks.keys() - self._endpoints.keys():
            endpoint = self._endpoints[webhook_id] = Endpoint(webhooks[webhook_id])
            socketio.start_background_task(endpoint.run)


def count() -> None:
    """Count the deliveries that wait or are dead, for the metrics."""
    found = {"waiting": 0, "dead": 0}
    for webhook in Webhook.collection().find({}, {"_id": 1}, hint="newest"):
        for name, states in (("waiting", (PENDING, FAILED)), ("dead", (DEAD,))):
            which = {"webhookId": webhook["_id"], "state": {"$in": list(states)}}
            found[name] += Delivery.collection().count_documents(which, limit=MOST_COUNTED, hint="newest_by_state")
    metrics.DELIVERIES.set(found)


def any_webhook() -> bool:
    """Tell whether there is a webhook, so that recording goes on."""
    return Webhook.collection().find_one({}, {"_id": 1}, sort=[("_id", 1)]) is not None


here = Dispatcher()
switch.listeners.append(any_webhook)
