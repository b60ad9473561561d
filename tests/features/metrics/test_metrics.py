"""GET /metrics counts events and reports the current state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from chatsupport.database import clock, connection
from chatsupport.database.embedded import EmbeddedMongo
from chatsupport.documents import Agent, Session
from chatsupport.features.metrics import first_replies, gauges
from tests.api import Api, Apis, assert_failure, make_token
from tests.applications import MakeApp
from tests.concurrency import eventually
from tests.freezing import freeze, thaw
from tests.scraping import Scrape
from tests.sockets import Sockets, assert_refused, succeeded


@pytest.fixture(autouse=True)
def _read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "KEPT_SECONDS", 0.0)


def scrape(app: Flask, **headers: str) -> Scrape:
    response = app.test_client().get("/metrics", headers=headers)
    assert response.status_code == 200, response.json
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Scrape(response.text)


def test_a_chat_is_counted(app: Flask, operator: Api, sockets: Sockets) -> None:
    agent = operator.create_agent(maxUsers=1)
    before = scrape(app)
    session_id = operator.start("u1")["sessionId"]
    operator.start("u2")
    user, helper = sockets.user("u1"), sockets.agent(agent["id"])
    user.join(session_id)
    succeeded(user.say(session_id, clientMessageId="c1"))
    succeeded(user.say(session_id, clientMessageId="c1"))
    assert operator.send(session_id).status_code == 201
    assert_refused(user.say("0" * 24), "SESSION_NOT_FOUND")
    helper.join(session_id)
    succeeded(helper.say(session_id))
    succeeded(helper.say(session_id))

    def grown(name: str, **labels: str) -> float:
        return scrape(app).since(before, name, **labels)

    eventually(lambda: grown("chatsupport_first_reply_seconds_count") >= 1)
    # A writer counts its batch after it has answered the senders.
    eventually(lambda: grown("chatsupport_batch_messages_sum") == 6)
    eventually(lambda: grown("chatsupport_batch_seconds_count") == grown("chatsupport_batch_messages_count"))
    eventually(lambda: grown("chatsupport_send_seconds_count", via="socket") == 4)
    after = scrape(app)

    assert after.since(before, "chatsupport_messages_total") == 4
    assert after.since(before, "chatsupport_retries_answered_total") == 1
    assert after.since(before, "chatsupport_send_seconds_count", via="socket") == 4
    assert after.since(before, "chatsupport_send_seconds_count", via="rest") == 1
    assert after.since(before, "chatsupport_refused_total", code="SESSION_NOT_FOUND") == 1
    assert after.since(before, "chatsupport_assignment_seconds_count") == 1
    assert after.since(before, "chatsupport_first_reply_seconds_count") == 1
    assert after.since(before, "chatsupport_batch_messages_sum") == 6
    batches = after.since(before, "chatsupport_batch_messages_count")
    assert after.since(before, "chatsupport_batch_seconds_count") == batches >= 1
    assert after.since(before, "chatsupport_database_wait_seconds_count") > 0
    assert after.value("chatsupport_joined_sessions") == 1
    assert after.value("chatsupport_backlog_messages") == 0
    assert after.value("chatsupport_sessions", status="active") == 1
    assert after.value("chatsupport_sessions", status="waiting") == after.value("chatsupport_queue_length") == 1
    assert after.value("chatsupport_agents", state="full") == 1
    assert 0 < after.value("chatsupport_queue_longest_wait_seconds") < 60
    assert after.value("chatsupport_connections_limit") == 12000
    assert after.value("chatsupport_database_connections", state="idle") >= 1


def test_the_first_reply_of_a_session_counts_once_even_after_a_restart(
    app: Flask, operator: Api, sockets: Sockets
) -> None:
    agent = operator.create_agent()
    session_id, other = operator.start("u1")["sessionId"], operator.start("u2")["sessionId"]
    helper = sockets.agent(agent["id"])
    before = scrape(app)
    succeeded(helper.say(session_id))
    eventually(lambda: scrape(app).since(before, "chatsupport_first_reply_seconds_count") == 1)

    first_replies._seen.clear()
    succeeded(helper.say(session_id))
    succeeded(helper.say(other))
    eventually(lambda: scrape(app).since(before, "chatsupport_first_reply_seconds_count") == 2)

    assert scrape(app).since(before, "chatsupport_first_reply_seconds_count") == 2


def test_resumptions_are_counted_by_their_outcome(
    app: Flask, operator: Api, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatsupport.services.messages.history.RESUME_HISTORY", 2)
    session_id = operator.start("u1")["sessionId"]
    for _ in range(4):
        operator.send(session_id)
    before, user = scrape(app), sockets.user("u1")

    user.join(session_id)
    for after in (4, 2, 1):
        user.join(session_id, after=after)

    now = scrape(app)
    for result in ("nothing_missed", "replayed", "gap"):
        assert now.since(before, "chatsupport_resumes_total", result=result) == 1


def test_rate_limited_calls_are_counted_by_their_limit(make_app: MakeApp) -> None:
    app = make_app(rate_limits=True, rate_limit_messages="1/minute", max_sockets_per_caller=1)
    session_id = Apis(app).operator().start("u1")["sessionId"]
    before, user = scrape(app), Sockets(app).user("u1")

    succeeded(user.say(session_id))
    assert_refused(user.say(session_id), "RATE_LIMITED")
    assert_failure(Apis(app).user("u1").send(session_id), 429, "RATE_LIMITED")
    assert Sockets(app).attempt({"token": "no token"}).refusal["code"] == "INVALID_TOKEN"
    assert not Sockets(app).attempt({"token": make_token("u1")}).is_connected

    after = scrape(app)
    assert after.since(before, "chatsupport_rate_limited_total", limit="messages") == 2
    assert after.since(before, "chatsupport_rate_limited_total", limit="sockets") == 1
    assert after.since(before, "chatsupport_refused_total", code="RATE_LIMITED") == 3
    assert after.since(before, "chatsupport_refused_total", code="INVALID_TOKEN") == 1


def test_agents_are_counted_once_by_their_state(app: Flask, operator: Api) -> None:
    for name, fields in {
        "free": {},
        "full": {"hasRoom": False},
        "away": {"isAway": True, "hasRoom": False},
        "offline": {"isOnline": False},
        "gone": {"isOnline": False, "isAway": True},
    }.items():
        agent = operator.create_agent(name)
        Agent.collection().update_one({"name": agent["name"]}, {"$set": fields or {"isOnline": True}})

    now = scrape(app)

    states = {state: now.value("chatsupport_agents", state=state) for state in ("online", "full", "away", "offline")}
    assert states == {"online": 1, "full": 1, "away": 1, "offline": 2}


def test_the_database_is_asked_at_most_once_a_second(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "KEPT_SECONDS", 60.0)
    gauges._is_read.forget()
    assert scrape(app).value("chatsupport_sessions", status="waiting") == 0
    Session(user_id="u1", status="waiting").save()

    assert scrape(app).value("chatsupport_sessions", status="waiting") == 0

    gauges._is_read.forget()
    assert scrape(app).value("chatsupport_sessions", status="waiting") == 1


@pytest.fixture(scope="module")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A MongoDB only for this module, which may be frozen."""
    directory: Path = tmp_path_factory.mktemp("mongodb-metrics")
    server = EmbeddedMongo(directory)
    yield server.start()
    server.stop()


def test_without_the_database_the_process_still_reports_its_own_metrics(make_app: MakeApp, mongo: str) -> None:
    app = make_app(mongodb_uri=mongo)
    assert scrape(app).value("chatsupport_database_up") == 1
    process_id = connection.database().command("serverStatus")["pid"]
    freeze(process_id)
    try:
        for _ in range(2):
            away = scrape(app)
            assert away.value("chatsupport_database_up") == 0
            assert "chatsupport_database_up" in away
            assert "chatsupport_messages_total" in away
            assert "process_resident_memory_bytes" in away
            for unknown in ("chatsupport_sessions", "chatsupport_queue_length", "chatsupport_agents"):
                assert unknown not in away
    finally:
        thaw(process_id)
    assert eventually(lambda: scrape(app).value("chatsupport_database_up") == 1)


def test_a_scrape_reads_only_indexes_however_much_is_stored(
    app: Flask, profile: Callable[[], list[dict[str, Any]]]
) -> None:
    time_now = clock.now()
    Session.collection().insert_many(
        [
            {"userId": f"u{number}", "userType": "user", "status": "ended", "createdAt": time_now}
            for number in range(2000)
        ]
        + [
            {"userId": f"w{number}", "userType": "user", "status": "waiting", "queuedAt": time_now, "queuePriority": 1}
            for number in range(50)
        ]
    )
    Agent.collection().insert_many([{"name": f"a{number}", "isOnline": False} for number in range(300)])

    gauges.refresh()

    read = [entry for entry in profile() if entry["op"] in ("query", "command") and "docsExamined" in entry]
    assert {entry["ns"].rpartition(".")[2] for entry in read} >= {"sessions", "agents"}
    for entry in read:
        assert "COLLSCAN" not in entry.get("planSummary", ""), entry
    assert sum(entry["docsExamined"] for entry in read) < 20, [(e["command"], e["docsExamined"]) for e in read]
    assert sum(entry["keysExamined"] for entry in read) < 600
