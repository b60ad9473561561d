"""/metrics of real servers: scraped repeatedly, with several processes, and without a database."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api import make_token
from tests.conftest import API_KEY
from tests.e2e.conftest import Connect
from tests.e2e.mongo import Mongo
from tests.e2e.server import Server, Servers, wait_until
from tests.e2e.valkey import Valkey
from tests.scraping import Scrape

TOKEN = "a-token-for-metrics"


def get(server: Server, path: str = "/metrics", **headers: str) -> tuple[int, str]:
    """Return the status and the body of one answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def scrape(server: Server) -> Scrape:
    status, text = get(server)
    assert status == 200, text
    return Scrape(text)


def lines_of(server: Server) -> list[dict[str, object]]:
    return [json.loads(line) for line in server.output().splitlines() if line.startswith("{")]


def test_a_second_scrape_shows_the_events_since_the_first(server: Server, connect: Connect) -> None:
    operator = server.operator()
    operator.create_agent(maxUsers=5)
    session_id = operator.start("u1")
    first = scrape(server)

    user = connect("python", server.url, {"token": make_token("u1")}, transports=["websocket"])
    watcher = connect("python", server.url, {"apiKey": API_KEY}, transports=["polling"])
    for socket in (user, watcher):
        socket.join(session_id)
    for number in range(10):
        user.send(session_id, f"message {number}")
    watcher.wait_for("new_message", count=10)
    wait_until(lambda: scrape(server).since(first, "chatsupport_send_seconds_count", via="socket") == 10)
    second = scrape(server)

    assert second.since(first, "chatsupport_messages_total") == 10
    assert second.since(first, "chatsupport_send_seconds_sum", via="socket") > 0
    assert second.value("chatsupport_connections", transport="websocket") == 1
    assert second.value("chatsupport_connections", transport="polling") == 1
    assert second.value("chatsupport_joined_sessions") == 1
    assert second.value("chatsupport_sessions", status="active") == 1
    assert second.value("chatsupport_agents", state="online") == 1
    assert second.value("chatsupport_database_connections", state="idle") >= 1
    assert second.value("process_resident_memory_bytes") > 30_000_000
    wait_until(lambda: scrape(server).since(first, "chatsupport_event_loop_lag_seconds_count") >= 4)
    user.close()
    watcher.close()
    wait_until(lambda: scrape(server).value("chatsupport_connections", transport="websocket") == 0)
    assert scrape(server).value("chatsupport_messages_total") == second.value("chatsupport_messages_total")


def test_a_message_is_followed_through_a_real_server(servers: Servers, connect: Connect) -> None:
    server = servers.start(LOG_LEVEL="DEBUG", SLOW_MS="1")
    session_id = server.operator().start("u1")
    user = connect("python", server.url, {"token": make_token("u1")}, transports=["websocket"])
    user.join(session_id)

    user.send(session_id, "a text that is nobody else's")
    server.anonymous(**{"X-API-Key": API_KEY, "X-Request-ID": "follow-me"}).send(session_id, "another")

    def followed() -> list[dict[str, object]]:
        return [line for line in lines_of(server) if line.get("event") == "message"]

    wait_until(lambda: len(followed()) == 2)
    for line in followed():
        times = [
            line[f"{step}_ms"] for step in ("submitted", "taken", "admitted", "inserted", "broadcast", "acknowledged")
        ]
        assert times == sorted(times)  # type: ignore[type-var]
        assert line["session_id"] == session_id
        slow = [other for other in lines_of(server) if other.get("event") == "slow"]
        assert line["request_id"] in [other["request_id"] for other in slow]
    assert followed()[1]["request_id"] == "follow-me"
    assert scrape(server).value("chatsupport_slow_total", kind="operation") >= 2
    assert "a text that is nobody else's" not in server.output()


def test_other_machines_get_no_metrics(server: Server, servers: Servers) -> None:
    status, text = get(server, X_Forwarded_For="203.0.113.7")
    assert (status, json.loads(text)["code"]) == (403, "FORBIDDEN")

    guarded = servers.start(METRICS_TOKEN=TOKEN, TRUSTED_PROXIES="1")
    assert get(guarded)[0] == 401
    assert get(guarded, Authorization="Bearer no")[0] == 401
    assert get(guarded, Authorization=f"Bearer {TOKEN}")[0] == 200
    assert get(guarded, Authorization=f"Bearer {TOKEN}", X_Forwarded_For="203.0.113.7")[0] == 200


def test_two_processes_each_report_their_own_metrics_and_both_the_common_ones(servers: Servers) -> None:
    valkey = Valkey()
    valkey.start()
    try:
        one = servers.start(REDIS_URL=valkey.url)
        two = servers.start(REDIS_URL=valkey.url, MONGODB_DB=one.database)
        session_id = one.operator().start("u1")
        for server, count in ((one, 3), (two, 5)):
            for _ in range(count):
                assert server.operator().send(session_id, "hello").status == 201

        def both_say(name: str, *values: float, **labels: str) -> bool:
            return [scrape(server).value(name, **labels) for server in (one, two)] == list(values)

        assert both_say("chatsupport_messages_total", 3, 5)
        wait_until(lambda: both_say("chatsupport_queue_length", 1, 1))  # The database is asked once a second.
        wait_until(lambda: both_say("chatsupport_sessions", 1, 1, status="waiting"))
    finally:
        valkey.kill()


@pytest.fixture
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongo]:
    directory: Path = tmp_path_factory.mktemp("mongodb")
    mongo = Mongo(directory)
    yield mongo
    mongo.stop()


@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_a_scrape_is_answered_while_the_database_is_away(servers: Servers, mongo: Mongo, fault: str) -> None:
    server = servers.start(MONGODB_URI=mongo.uri)
    assert server.operator().create_agent()
    assert scrape(server).value("chatsupport_database_up") == 1
    getattr(mongo, fault)()

    wait_until(lambda: scrape(server).value("chatsupport_database_up") == 0)
    for _ in range(3):
        away = scrape(server)
        assert away.value("chatsupport_database_up") == 0
        assert "chatsupport_agents" not in away
        assert "chatsupport_messages_total" in away

    mongo.recover()
    wait_until(lambda: scrape(server).value("chatsupport_database_up") == 1)
    assert scrape(server).value("chatsupport_agents", state="online") == 1
