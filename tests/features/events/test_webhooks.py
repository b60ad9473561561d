"""Webhooks: signed, at least once, in order where nothing fails, and in nobody's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from chatsupport import background
from chatsupport.database.clock import now
from chatsupport.features.events import feed, relay, switch
from chatsupport.features.events.documents import BATCH_SIZE, EventBatch
from chatsupport.features.events.webhooks import delivering, sending, service
from chatsupport.features.events.webhooks.documents import Delivery, Webhook
from chatsupport.services.shared import outbox
from tests.api import Api, Apis, assert_failure, data_of
from tests.applications import MakeApp
from tests.concurrency import eventually
from tests.features.events.receivers import Receiver, receiving
from tests.interleaving import just_after

WEBHOOKS = "/api/webhooks"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture(autouse=True)
def deliver_quickly(operator: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Store outcomes and look for due ones quickly; stop everything after the test."""
    monkeypatch.setattr(delivering._outcomes, "seconds", 0.02)
    monkeypatch.setattr(delivering, "LOOK_SECONDS", 0.05)
    yield
    delivering.here.forget()
    assert eventually(lambda: delivering._outcomes.is_idle)
    assert not background.flush_all()


def create(operator: Api, receiver: Receiver | None, *types: str, **fields: Any) -> dict[str, Any]:
    url = fields.pop("url", None) or (receiver and receiver.url)
    response = operator.post(WEBHOOKS, {"url": url, "types": list(types or ("*",)), **fields})
    assert response.status_code == 201, response.json
    webhook = data_of(response)
    if receiver is not None:
        receiver.secrets.append(webhook["secret"])
    return webhook


def move() -> None:
    """Let the relay move everything, and the dispatcher look."""
    outbox.flush()
    relay.here.round()
    delivering.here.work()


def deliveries(operator: Api, webhook: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = data_of(operator.get(f"{WEBHOOKS}/{webhook['id']}/deliveries", **query))["deliveries"]
    return found


def states(operator: Api, webhook: dict[str, Any]) -> list[str]:
    return [one["state"] for one in deliveries(operator, webhook)]


def test_a_chat_is_delivered_signed_and_in_its_order(
    operator: Api, user: Api, ada: str, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    webhook = create(operator, receiver)
    session_id = operator.start("u1")["sessionId"]
    for number in range(30):
        user.send(session_id, str(number))
    user.end(session_id)
    move()

    bodies = receiver.wait_for(34)

    of_session = [body for body in bodies if not body["type"].startswith("agent.")]
    assert [body["type"] for body in of_session] == [
        "session.started",
        "session.assigned",
        *["message.created"] * 30,
        "session.ended",
    ]
    assert [body["data"]["message"] for body in of_session[2:-1]] == [str(number) for number in range(30)]
    feed = data_of(operator.get("/api/events", limit=100))["events"]
    assert sorted(receiver.ids) == sorted(event["id"] for event in feed)
    by_id = {event["id"]: event for event in feed}
    for event_id, body in zip(receiver.ids, bodies, strict=True):
        assert body == {name: by_id[event_id][name] for name in ("type", "timestamp", "data")}
    assert eventually(lambda: states(operator, webhook) == ["delivered"] * 34)
    assert receiver.connections < 12, "Events that come together share a connection."
    assert "events are lost" not in caplog.text
    with pytest.raises(WebhookVerificationError):
        Verifier(service.signing.new_secret()).verify(
            b"{}", {"webhook-id": "a", "webhook-timestamp": "1", "webhook-signature": "v1,a"}
        )


@pytest.mark.features("notes")
def test_notes_must_be_named(operator: Api, session_id: str, receiver: Receiver) -> None:
    operator.get("/api/events")
    move()
    create(operator, receiver, "*")
    with receiving() as named:
        create(operator, named, "note.created")
        operator.post(f"/api/chat/notes/{session_id}", {"text": "secret"})
        operator.send(session_id, "hello")
        move()

        assert [body["data"]["text"] for body in named.wait_for(1)] == ["secret"]
        receiver.wait_for(1)
        time.sleep(0.2)
        assert receiver.types == ["message.created"]
        assert named.types == ["note.created"]


def test_a_failure_is_repeated_with_the_same_id_and_holds_back_nothing(
    operator: Api, session_id: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "RETRIES", (0.1, 0.1))
    failing = {"one": 2, "never": 99}

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, str]]:
        text = body["data"]["message"]
        failing[text] = failing.get(text, 0) - 1
        return (500 if failing[text] >= 0 else 200), {}

    receiver.answer = answer
    webhook = create(operator, receiver, "message.created")
    for text in ("one", "never", "three"):
        operator.send(session_id, text)
    move()

    assert eventually(lambda: sorted(states(operator, webhook)) == ["dead", "delivered", "delivered"])
    texts = [body["data"]["message"] for body in receiver.bodies]
    assert texts[:3] == ["one", "never", "three"]
    assert (texts.count("one"), texts.count("never"), texts.count("three")) == (3, 3, 1)
    assert len(set(receiver.ids)) == 3
    (dead,) = deliveries(operator, webhook, state="dead")
    assert (dead["attempts"], dead["lastStatus"], dead["nextAttemptAt"]) == (3, 500, None)

    failing["never"] = 0
    path = f"{WEBHOOKS}/{webhook['id']}/deliveries/{dead['id']}/retry"
    assert data_of(operator.post(path))["state"] == "pending"
    assert eventually(lambda: states(operator, webhook) == ["delivered"] * 3)
    assert_failure(operator.post(path.replace(dead["id"], str(ObjectId()))), 404, "DELIVERY_NOT_FOUND")


def test_retry_after_is_heeded_and_waits_have_jitter(operator: Api, session_id: str, receiver: Receiver) -> None:
    receiver.answer = lambda body: (503, {"Retry-After": "600"})
    webhook = create(operator, receiver, "message.created")
    operator.send(session_id)
    move()
    receiver.wait_for(1)
    assert eventually(lambda: states(operator, webhook) == ["failed"])
    (delivery,) = Delivery.objects
    assert timedelta(seconds=540) < delivery.next_at - now() < timedelta(seconds=601)

    waits = set()
    for attempts, seconds in enumerate(delivering.RETRIES):
        job = delivering.Job(delivering._event_of(delivery.to_mongo()), attempts, is_new=False)
        stored = delivering._delivery_of(ObjectId(), job, sending.Outcome(500))
        wait = (stored["nextAt"] - now()).total_seconds()
        assert seconds - 1 < wait < seconds * 1.2 + 1
        waits.add(wait / seconds)
    assert len(waits) == len(delivering.RETRIES) == 9
    job.attempts = 9
    assert delivering._delivery_of(ObjectId(), job, sending.Outcome(500))["state"] == "dead"


def test_410_disables_a_webhook_and_enabling_it_sends_what_was_missed(
    operator: Api, session_id: str, receiver: Receiver
) -> None:
    receiver.answer = lambda body: (410, {})
    webhook = create(operator, receiver, "message.created")
    operator.send(session_id, "gone")
    move()
    path = f"{WEBHOOKS}/{webhook['id']}"
    assert eventually(lambda: data_of(operator.get(path))["isEnabled"] is False)
    assert data_of(operator.get(path))["disabledBecause"] == "gone"
    assert eventually(lambda: states(operator, webhook) == ["dead"])

    receiver.answer = lambda body: (200, {})
    operator.send(session_id, "meanwhile")
    move()
    assert len(receiver.bodies) == 1
    assert [one["type"] for one in deliveries(operator, webhook, state="pending")] == ["message.created"]
    enabled = data_of(operator.patch(path, {"isEnabled": True}))
    assert (enabled["isEnabled"], enabled["disabledBecause"]) == (True, None)
    move()
    assert [body["data"]["message"] for body in receiver.wait_for(2)] == ["gone", "meanwhile"]


def test_five_days_of_failures_disable_a_webhook_and_a_success_forgets_them(
    operator: Api, session_id: str, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    webhook = create(operator, receiver, "message.created")
    long_ago = now() - timedelta(days=5, minutes=1)
    Webhook.collection().update_one({}, {"$set": {"failingSince": long_ago}})
    path = f"{WEBHOOKS}/{webhook['id']}"
    operator.send(session_id)
    move()
    assert eventually(lambda: data_of(operator.get(path))["failingSince"] is None)

    receiver.answer = lambda body: (302, {"Location": receiver.url})
    operator.send(session_id)
    move()
    assert eventually(lambda: data_of(operator.get(path))["failingSince"] is not None)
    assert data_of(operator.get(path))["isEnabled"] is True
    Webhook.collection().update_one({}, {"$set": {"failingSince": long_ago}})
    delivering.here.forget()
    operator.send(session_id)
    move()
    assert eventually(lambda: data_of(operator.get(path))["disabledBecause"] == "failing")
    assert "A webhook was disabled" in caplog.text


def test_a_slow_receiver_delays_no_other(operator: Api, session_id: str, receiver: Receiver) -> None:
    release = threading.Event()

    def hang(body: dict[str, Any]) -> tuple[int, dict[str, str]]:
        release.wait(60)
        return 200, {}

    with receiving() as slow:
        slow.answer = hang
        create(operator, slow, "message.created")
        create(operator, receiver, "message.created")
        for number in range(50):
            operator.send(session_id, str(number))
        move()
        assert [body["data"]["message"] for body in receiver.wait_for(50)] == [str(number) for number in range(50)]
        assert slow.bodies == []
        release.set()
        slow.wait_for(50)


def test_a_receiver_that_answers_late_gets_one_event_at_a_time(
    operator: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "LATE_SECONDS", 0.01)
    monkeypatch.setattr(delivering, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(delivering, "BATCH", 1)
    at_once: list[int] = []
    busy = threading.Semaphore(delivering.LANES)

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, str]]:
        with busy:
            at_once.append(delivering.LANES - busy._value)
            eventually(lambda: len(at_once) > 1)
            time.sleep(0.03)
        return 200, {}

    receiver.answer = answer
    create(operator, receiver, "message.created")
    for number in range(8):
        session_id = operator.start(f"u{number}")["sessionId"]
        for text in range(2):
            operator.send(session_id, str(text))
    move()
    receiver.wait_for(16)

    assert max(at_once) > 1
    assert set(at_once[-6:]) == {1}


def test_a_receiver_that_is_away_gets_a_few_events_a_second(
    operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(delivering, "RETRIES", (3600.0,))
    with receiving() as away:
        pass
    webhook = create(operator, None, "message.created", url=away.url)
    for number in range(30):
        operator.send(session_id, str(number))
    began = time.monotonic()
    move()
    failed = eventually(lambda: states(operator, webhook).count("failed"))
    assert 0 < failed <= delivering.FAILURES_IN_A_ROW + (time.monotonic() - began) / delivering.PAUSE_SECONDS

    with receiving(away.port) as back:
        assert eventually(lambda: len(back.bodies) + states(operator, webhook).count("failed") == 30)
        texts = [int(body["data"]["message"]) for body in back.bodies]
        assert texts == sorted(texts), "They have never failed."


def test_what_another_process_has_delivered_stays_delivered(operator: Api, session_id: str, receiver: Receiver) -> None:
    webhook = create(operator, receiver, "message.created")
    operator.send(session_id)
    move()
    assert eventually(lambda: states(operator, webhook) == ["delivered"])
    (row,) = Delivery.collection().find({})
    job = delivering.Job(delivering._event_of(row), 0, is_new=True)

    for attempts, outcome in ((0, sending.Outcome(error="late")), (1, sending.Outcome(500))):
        job.attempts = attempts
        delivering._store_deliveries([delivering._delivery_of(row["webhookId"], job, outcome)], now())

    assert list(Delivery.collection().find({})) == [row]


def test_what_was_not_stored_before_a_kill_is_sent_again_with_the_same_id(
    operator: Api, session_id: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = create(operator, receiver, "message.created")
    lost: dict[Any, Any] = {}
    monkeypatch.setattr(delivering._outcomes, "write", lost.update)
    for number in range(3):
        operator.send(session_id, str(number))
    move()
    receiver.wait_for(3)
    delivering.here.forget()
    assert eventually(lambda: len(lost) == 3)
    monkeypatch.setattr(delivering._outcomes, "write", delivering._store)
    assert len(deliveries(operator, webhook, state="pending")) == 3

    delivering.here.work()

    receiver.wait_for(6)
    assert receiver.ids[:3] == receiver.ids[3:6]
    assert eventually(lambda: states(operator, webhook) == ["delivered"] * 3)
    assert deliveries(operator, webhook, state="pending") == []


def test_after_an_outage_of_ten_minutes_every_event_arrives(operator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute takes 60 ms here, in the pauses between attempts too."""
    minute = 0.06
    monkeypatch.setattr(delivering, "RETRIES", tuple(seconds * minute / 60 for seconds in delivering.RETRIES))
    monkeypatch.setattr(delivering, "PAUSE_SECONDS", delivering.PAUSE_SECONDS * minute / 60)
    sessions = [operator.start(f"u{number}")["sessionId"] for number in range(3)]

    def send(text: str) -> None:
        for session_id in sessions:
            operator.send(session_id, text)
        move()

    with receiving() as receiver:
        webhook = create(operator, receiver, "message.created")
        send("before")
        receiver.wait_for(3)
    path = f"{WEBHOOKS}/{webhook['id']}"
    began = time.monotonic()
    for number in range(10):
        send(f"minute {number}")
        time.sleep(max(0.0, began + (number + 1) * minute - time.monotonic()))
    assert eventually(lambda: len(deliveries(operator, webhook, state="failed")) == 30)
    during = data_of(operator.get(path))
    assert (during["isEnabled"], during["disabledBecause"]) == (True, None)
    assert during["failingSince"] is not None

    def repeated() -> list[dict[str, Any]]:
        return [one for one in deliveries(operator, webhook, state="failed") if one["attempts"] > 1]

    worst = eventually(repeated)[0]
    assert worst["nextAttemptAt"] is not None
    assert (worst["lastStatus"], worst["lastError"]) == (None, "The connection was refused.")

    with receiving(receiver.port) as again:
        again.secrets.append(webhook["secret"])
        for number in range(5):
            send(f"after {number}")
        again.wait_for(45)
        assert eventually(lambda: states(operator, webhook) == ["delivered"] * 48)

    feed = data_of(operator.get("/api/events", types="message.created", limit=100))["events"]
    assert sorted(receiver.ids + again.ids) == sorted(event["id"] for event in feed)
    for session_id in sessions:
        of_session = [body["data"]["message"] for body in again.bodies if body["data"]["sessionId"] == session_id]
        new = [text for text in of_session if text.startswith("after")]
        assert new == [f"after {number}" for number in range(5)]
    after = data_of(operator.get(path))
    assert (after["isEnabled"], after["failingSince"]) == (True, None)


def test_what_is_delivered_while_due_deliveries_are_read_is_not_sent_again(
    operator: Api, session_id: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "RETRIES", (0.0,))
    monkeypatch.setattr(delivering, "list", list, raising=False)
    create(operator, receiver, "message.created")
    operator.send(session_id, "hello")
    relay.here.round()
    endpoint = delivering.Endpoint(Webhook.collection().find_one() or {})

    def finish(outcome: sending.Outcome) -> None:
        (job,) = [lane.popleft() for lane in endpoint._lanes if lane]
        delivery = delivering._delivery_of(endpoint.webhook["_id"], job, outcome)
        delivering._store({delivery["_id"]: (endpoint, delivery)})

    assert endpoint._fetch(0) == 1
    finish(sending.Outcome(500))
    endpoint._fetch_due()
    just_after(monkeypatch, delivering, "list", lambda: finish(sending.Outcome(200)))

    endpoint._fetch_due()

    assert Delivery.collection().distinct("state") == ["delivered"]
    assert not any(endpoint._lanes)


def test_a_webhook_that_was_behind_for_too_long_goes_on_and_the_log_says_what_it_missed(
    operator: Api, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    webhook = create(operator, receiver)
    operator.patch(f"{WEBHOOKS}/{webhook['id']}", {"isEnabled": False})
    for name in ("Ada", "Bob", "Cyd"):
        operator.create_agent(name)
        relay.here.round()
    EventBatch.collection().update_many({}, {"$set": {"at": now() - timedelta(days=31)}})
    operator.create_agent("Dee")
    relay.here.round()
    switch._purge(now() - timedelta(days=30))  # This process has not looked since.
    assert [one["type"] for one in deliveries(operator, webhook, state="pending")] == ["agent.created"] * 2

    operator.patch(f"{WEBHOOKS}/{webhook['id']}", {"isEnabled": True})
    move()

    assert {body["data"]["name"] for body in receiver.wait_for(2)} == {"Cyd", "Dee"}
    assert "A webhook was behind for so long that events are lost" in caplog.text


def test_what_a_read_does_not_show_yet_is_delivered_by_the_next_one(
    operator: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(operator, receiver)
    operator.create_agent("Ada")
    relay.here.round()

    # A new primary may not know at once what its predecessor knew that a majority has.
    read, shown = feed.after_position, [[]]
    monkeypatch.setattr(feed, "after_position", lambda *query: shown.pop() if shown else read(*query))
    move()

    assert [body["type"] for body in receiver.wait_for(1)] == ["agent.created"]
    assert shown == []


def test_a_webhook_for_rare_events_is_not_behind_after_a_restart(
    operator: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "HOUR", 0.1)
    webhook = create(operator, receiver, "agent.deleted")
    operator.create_agent("Ada")
    move()

    assert eventually(lambda: Webhook.objects.get(id=webhook["id"]).through == 2 * BATCH_SIZE - 1)


def test_a_rotated_secret_signs_beside_the_old_one_for_a_day(
    operator: Api, session_id: str, receiver: Receiver
) -> None:
    webhook = create(operator, receiver, "message.created")
    rotated = data_of(operator.post(f"{WEBHOOKS}/{webhook['id']}/rotate-secret"))
    assert rotated["secret"] != webhook["secret"]
    receiver.secrets.append(rotated["secret"])
    operator.send(session_id)
    move()
    receiver.wait_for(1)
    assert receiver.signatures[0].count("v1,") == 2

    Webhook.collection().update_one({}, {"$set": {"previousUntil": now()}})
    receiver.secrets.remove(webhook["secret"])
    assert data_of(operator.post(f"{WEBHOOKS}/{webhook['id']}/test")) | {"durationMs": 0} == {
        "isDelivered": True,
        "status": 204,
        "error": None,
        "durationMs": 0,
    }
    assert receiver.signatures[-1].count("v1,") == 1
    assert receiver.bodies[-1]["type"] == "webhook.test"
    assert "secret" not in data_of(operator.get(f"{WEBHOOKS}/{webhook['id']}"))
    assert "whsec_" not in str(operator.get(WEBHOOKS).json)


def test_many_due_deliveries_do_not_wait_for_the_next_look(
    operator: Api, session_id: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "RETRIES", (3600.0,))
    monkeypatch.setattr(delivering, "MOST_DUE", 1)
    receiver.answer = lambda body: (500, {})
    webhook = create(operator, receiver, "message.created")
    for number in range(20):
        operator.send(session_id, str(number))
    move()
    assert eventually(lambda: states(operator, webhook) == ["failed"] * 20)
    receiver.answer = lambda body: (200, {})
    monkeypatch.setattr(delivering, "LOOK_SECONDS", 3.0)

    operator.post(f"{WEBHOOKS}/{webhook['id']}/recover", {"since": "2026-11-22"})

    assert eventually(lambda: states(operator, webhook) == ["delivered"] * 20), "One a look takes 60 s."


def test_a_connection_is_kept_for_the_next_events(
    operator: Api, session_id: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(operator, receiver, "message.created")
    for number in range(3):
        operator.send(session_id, str(number))
        move()
        receiver.wait_for(number + 1)
    assert receiver.connections == 1

    monkeypatch.setattr(sending, "KEPT_SECONDS", 0.0)
    operator.send(session_id, "later")
    move()
    receiver.wait_for(4)
    assert receiver.connections == 2


def test_a_recovery_repeats_all_failures_since_a_time(
    operator: Api, session_id: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "RETRIES", (3600.0,))
    receiver.answer = lambda body: (500, {})
    webhook = create(operator, receiver, "message.created")
    since = now()
    for number in range(3):
        operator.send(session_id, str(number))
    move()
    assert eventually(lambda: states(operator, webhook) == ["failed"] * 3)
    Delivery.collection().update_one({"seq": 1}, {"$set": {"eventAt": since - timedelta(hours=1)}})
    Delivery.collection().update_one({"seq": 2}, {"$set": {"state": "dead"}, "$unset": {"nextAt": ""}})

    receiver.answer = lambda body: (200, {})
    answer = operator.post(f"{WEBHOOKS}/{webhook['id']}/recover", {"since": since.isoformat()})

    assert data_of(answer) == {"deliveries": 2}
    assert eventually(lambda: sorted(states(operator, webhook)) == ["delivered", "delivered", "failed"])
    assert_failure(operator.post(f"{WEBHOOKS}/{webhook['id']}/recover", {"since": "x"}), 400, "INVALID_WEBHOOK")


def test_a_receiver_that_cannot_be_reached_says_why(operator: Api) -> None:
    webhook = create(operator, None, url="http://127.0.0.1:9/hook")
    tested = data_of(operator.post(f"{WEBHOOKS}/{webhook['id']}/test"))
    assert (tested["isDelivered"], tested["status"], tested["error"]) == (False, None, "The connection was refused.")


def test_data_that_is_too_long_is_cut_to_its_ids() -> None:
    body = sending.body("session.updated", "2026-11-22T09:00:00.000Z", {"id": "1" * 24, "fields": "x" * 20_000})
    assert len(body) < 200
    assert b'"data":{"id":"111111111111111111111111","truncated":true}' in body
    assert b"truncated" not in sending.body("session.updated", None, {"id": "1", "fields": "x" * 19_000})


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"url": "ftp://example.com/"}, "url"),
        ({"url": "https://user:password@example.com/"}, "url"),
        ({"url": "http://10.0.0.1/"}, "url"),
        ({"url": "http://169.254.169.254/latest/meta-data"}, "url"),
        ({"url": "http://[::ffff:10.0.0.1]/"}, "url"),
        ({"url": "http://0x0a000001/"}, "url"),
        ({"url": "x" * 2001}, "url"),
        ({"url": ["http://example.com"]}, "url"),
        ({"url": None}, "url"),
        ({"types": []}, "types"),
        ({"types": ["session.begun"]}, "types.0"),
        ({"types": "*"}, "types"),
        ({"description": "x" * 201}, "description"),
        ({"isEnabled": "yes"}, "isEnabled"),
    ],
)
def test_an_invalid_webhook_is_refused(operator: Api, fields: dict[str, Any], wrong: str) -> None:
    webhook = create(operator, None, url="http://127.0.0.1:9/hook")
    responses = [operator.patch(f"{WEBHOOKS}/{webhook['id']}", fields)]
    if wrong != "isEnabled":
        responses.append(operator.post(WEBHOOKS, {"url": "http://127.0.0.1:9/", "types": ["*"], **fields}))
    for response in responses:
        failure = assert_failure(response, 400, "INVALID_WEBHOOK")
        assert [detail["field"] for detail in failure["details"]] == [wrong]


def test_webhooks_are_listed_changed_and_deleted(operator: Api) -> None:
    made = [create(operator, None, url=f"http://127.0.0.1:9/{number}", description=" CRM ") for number in range(3)]
    listed = data_of(operator.get(WEBHOOKS, limit=2))
    rest = data_of(operator.get(WEBHOOKS, cursor=listed["nextCursor"]))
    shown = [{name: value for name, value in one.items() if name != "secret"} for one in reversed(made)]
    assert listed["webhooks"] + rest["webhooks"] == shown
    assert made[0]["description"] == "CRM"

    path = f"{WEBHOOKS}/{made[0]['id']}"
    changed = data_of(operator.patch(path, {"types": ["agent.changed", "agent.changed"], "isEnabled": False}))
    assert (changed["types"], changed["isEnabled"], changed["disabledBecause"]) == (["agent.changed"], False, "request")
    assert data_of(operator.delete(path)) == changed
    for response in (
        operator.get(path),
        operator.patch(path, {"types": ["*"]}),
        operator.delete(path),
        operator.post(f"{path}/test"),
        operator.post(f"{path}/rotate-secret"),
        operator.get(f"{path}/deliveries"),
        operator.post(f"{path}/recover", {"since": "2026-11-22"}),
        operator.get(f"{WEBHOOKS}/none"),
    ):
        assert_failure(response, 404, "WEBHOOK_NOT_FOUND")


def test_supervisors_read_webhooks_and_change_them_only_where_they_may(make_app: MakeApp) -> None:
    for may_change in (False, True):
        apis = Apis(make_app(of_features={"WEBHOOKS_BY_SUPERVISORS": may_change}))
        operator = apis.operator()
        webhook = create(operator, None, url="http://127.0.0.1:9/hook")
        path = f"{WEBHOOKS}/{webhook['id']}"
        sue = apis.agent(operator.create_agent("Sue", role="supervisor")["id"])
        ann = apis.agent(operator.create_agent("Ann")["id"])
        assert data_of(sue.get(path))["id"] == webhook["id"]
        assert data_of(sue.get(WEBHOOKS))["mayChange"] is may_change
        assert sue.get(f"{path}/deliveries").status_code == sue.get(WEBHOOKS).status_code == 200
        status = 200 if may_change else 403
        assert sue.patch(path, {"types": ["*"]}).status_code == status
        assert sue.post(f"{path}/rotate-secret").status_code == status
        for api in (ann, apis.user("u1")):
            assert_failure(api.get(WEBHOOKS), 403, "FORBIDDEN")
            assert_failure(api.post(WEBHOOKS, {"url": "http://127.0.0.1:9/", "types": ["*"]}), 403, "FORBIDDEN")
            assert_failure(api.delete(path), 403, "FORBIDDEN")


@pytest.mark.features("audit")
def test_every_change_of_a_webhook_is_audited(operator: Api) -> None:
    webhook = create(operator, None, url="http://127.0.0.1:9/a-secret-path")
    path = f"{WEBHOOKS}/{webhook['id']}"
    operator.patch(path, {"types": ["*"]})
    operator.post(f"{path}/rotate-secret")
    operator.post(f"{path}/test")
    operator.post(f"{path}/recover", {"since": "2026-11-22"})
    operator.delete(path)
    background.flush_all()

    entries = data_of(operator.get("/api/audit"))["entries"]

    assert [entry["action"] for entry in entries][::-1] == [
        "webhook_created",
        "webhook_changed",
        "webhook_secret_rotated",
        "webhook_tested",
        "webhook_recovered",
        "webhook_deleted",
    ]
    assert entries[0]["details"] == {"webhookId": webhook["id"], "host": "127.0.0.1:9"} or entries[0]["details"]
    assert "a-secret-path" not in str(entries)


def test_recording_goes_on_while_there_is_a_webhook(operator: Api) -> None:
    create(operator, None, url="http://127.0.0.1:9/hook")
    switch.Feed.collection().update_one({}, {"$set": {"readAt": now() - timedelta(days=31)}})
    switch.here.look()
    switch.keep_up()
    assert switch.here.is_known_to_be_on
    assert Webhook.objects.count() == 1

    operator.delete(f"{WEBHOOKS}/{Webhook.objects.get().id}")
    switch.keep_up()
    assert switch.here.is_known_to_be_on, "There was a listener a moment ago."


def test_a_process_that_does_not_know_that_recording_has_stopped_begins_it_again(operator: Api) -> None:
    operator.get("/api/events")
    long_ago = now() - timedelta(days=31)
    switch.here.feed = {**switch.here.feed, "readAt": long_ago}
    # Another process has stopped it.
    switch.Feed.collection().update_one({}, {"$set": {"isOn": False, "readAt": long_ago}})

    create(operator, None, url="http://127.0.0.1:9/hook")

    assert switch.Feed.collection().find_one({})["isOn"]  # type: ignore[index]


def test_a_deleted_webhook_leaves_no_late_delivery(operator: Api) -> None:
    webhook = create(operator, None, url="http://127.0.0.1:9/hook")
    stored: Any = Webhook.collection().find_one({})
    endpoint = delivering.Endpoint(stored)
    operator.delete(f"{WEBHOOKS}/{webhook['id']}")
    Delivery.collection().insert_one({"_id": ObjectId(), "webhookId": stored["_id"], "position": 1})

    delivering._note_health(endpoint, [{"state": "failed", "lastStatus": 500}], now())

    assert endpoint.is_stopped
    assert Delivery.collection().count_documents({}) == 0


@pytest.mark.parametrize("date", ["Mon, 01 Jan 2026 00:00:00 +99999999999999999999", "1 Jan 99999999999999999999", "x"])
def test_a_retry_after_that_is_no_time_is_ignored(date: str) -> None:
    assert sending._seconds(date) is None
