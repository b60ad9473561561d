"""GET /metrics: who may read it, and that what happens is counted."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from chatsupport.database import connection
from chatsupport.database.embedded import EmbeddedMongo
from chatsupport.documents import Agent, Session
from chatsupport.services import first_replies, observation
from tests.api import Api, Apis, assert_failure, make_token
from tests.concurrency import eventually
from tests.integration.conftest import MakeApp
from tests.scraping import Scrape
from tests.sockets import Sockets, assert_refused, succeeded

TOKEN = "a-token-for-metrics"


@pytest.fixture(autouse=True)
def _read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observation, "KEPT_SECONDS", 0.0)


def scrape(app: Flask, **headers: str) -> Scrape:
    response = app.test_client().get("/metrics", headers=headers)
    assert response.status_code == 200, response.json
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Scrape(response.text)


def from_address(app: Flask, address: str, **headers: str) -> int:
    """Return the status of a request that came from this address."""
    return app.test_client().get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": address}).status_code


def test_the_token_is_asked_for_where_there_is_one(make_app: MakeApp) -> None:
    app = make_app(metrics_token=TOKEN)
    apis = Apis(app)

    error = assert_failure(apis.anonymous().get("/metrics"), 401, "AUTH_REQUIRED")
    assert "METRICS_TOKEN" in error["message"]
    for wrong in ("wrong", TOKEN + "x", TOKEN[:-1]):
        assert_failure(apis.anonymous(Authorization=f"Bearer {wrong}").get("/metrics"), 401, "INVALID_TOKEN")
    assert_failure(apis.anonymous(Authorization=f"Basic {TOKEN}").get("/metrics"), 401, "INVALID_TOKEN")
    assert_failure(apis.operator().get("/metrics"), 401, "AUTH_REQUIRED")
    assert from_address(app, "203.0.113.7", Authorization=f"Bearer {TOKEN}") == 200
    assert scrape(app, Authorization=f"Bearer {TOKEN}").value("chatsupport_database_up") == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_without_a_token_this_machine_may_ask(app: Flask, address: str) -> None:
    assert from_address(app, address) == 200


@pytest.mark.parametrize("address", ["203.0.113.7", "10.0.0.1", "::ffff:203.0.113.7", "2001:db8::1", "", "localhost"])
def test_without_a_token_no_other_machine_may(app: Flask, address: str) -> None:
    assert from_address(app, address) == 403


@pytest.mark.parametrize("trusted_proxies", [0, 1])
@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Via", "X-Forwarded-Proto", "X-Forwarded-Host"]
)
@pytest.mark.parametrize("text", ["203.0.113.7", "127.0.0.1"])
def test_what_came_through_a_proxy_is_not_from_this_machine(
    make_app: MakeApp, trusted_proxies: int, header: str, text: str
) -> None:
    app = make_app(trusted_proxies=trusted_proxies)

    response = app.test_client().get("/metrics", headers={header: text})

    error = assert_failure(response, 403, "FORBIDDEN")
    assert "METRICS_TOKEN" in error["message"]


def test_a_trusted_proxy_does_not_make_a_stranger_local(make_app: MakeApp) -> None:
    app = make_app(trusted_proxies=1)

    assert from_address(app, "203.0.113.7", **{"X-Forwarded-For": "127.0.0.1"}) == 403
    assert from_address(app, "203.0.113.7") == 403
    assert from_address(app, "127.0.0.1") == 200


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

    eventually(lambda: scrape(app).since(before, "chatsupport_first_reply_seconds_count") >= 1)
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


def test_a_session_has_its_first_reply_once_also_for_a_server_that_has_just_started(
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


def test_resuming_is_counted_by_what_came_of_it(
    app: Flask, operator: Api, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatsupport.services.messages.RESUME_HISTORY", 2)
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


def test_what_came_too_often_is_counted_by_its_limit(make_app: MakeApp) -> None:
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


def test_agents_are_told_apart_and_each_counts_once(app: Flask, operator: Api) -> None:
    for name, fields in {
        "free": {},
        "full": {"hasRoom": False},
        "away": {"isAway": True, "hasRoom": False},
        "offline": {"isOnline": False},
        "gone": {"isOnline": False, "isAway": True},
    }.items():
        agent = operator.create_agent(name)
        Agent._get_collection().update_one({"name": agent["name"]}, {"$set": fields or {"isOnline": True}})

    now = scrape(app)

    states = {state: now.value("chatsupport_agents", state=state) for state in ("online", "full", "away", "offline")}
    assert states == {"online": 1, "full": 1, "away": 1, "offline": 2}


def test_the_database_is_asked_once_a_second_whoever_asks(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observation, "KEPT_SECONDS", 60.0)
    monkeypatch.setattr(observation, "_read_at", float("-inf"))
    assert scrape(app).value("chatsupport_sessions", status="waiting") == 0
    Session(user_id="u1", status="waiting").save()

    assert scrape(app).value("chatsupport_sessions", status="waiting") == 0

    monkeypatch.setattr(observation, "KEPT_SECONDS", 0.0)
    assert scrape(app).value("chatsupport_sessions", status="waiting") == 1


@pytest.fixture(scope="module")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A MongoDB for this module only, which may be frozen."""
    directory: Path = tmp_path_factory.mktemp("mongodb-metrics")
    server = EmbeddedMongo(directory)
    yield server.start()
    server.stop()


def test_without_the_database_the_process_tells_of_itself(make_app: MakeApp, mongo: str) -> None:
    app = make_app(mongodb_uri=mongo)
    assert scrape(app).value("chatsupport_database_up") == 1
    process_id = connection.database().command("serverStatus")["pid"]
    os.kill(process_id, signal.SIGSTOP)
    try:
        for _ in range(2):
            started = time.monotonic()
            away = scrape(app)
            assert time.monotonic() - started < 2
            assert away.value("chatsupport_database_up") == 0
            assert "chatsupport_database_up" in away
            assert "chatsupport_messages_total" in away
            assert "process_resident_memory_bytes" in away
            for unknown in ("chatsupport_sessions", "chatsupport_queue_length", "chatsupport_agents"):
                assert unknown not in away
    finally:
        os.kill(process_id, signal.SIGCONT)
    eventually(lambda: scrape(app).value("chatsupport_database_up") == 1)
