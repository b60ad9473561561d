"""While the database does not answer, every place answers 503 in time, and all is well afterwards."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from chatsupport import startup
from chatsupport.database import connection
from chatsupport.database.embedded import EmbeddedMongo
from chatsupport.documents import Session
from chatsupport.factory import create_app
from chatsupport.services.messages import message_log
from tests.api import Api, Apis, assert_failure, data_of, make_token
from tests.applications import MakeApp
from tests.concurrency import eventually, run_together
from tests.conftest import MakeConfig
from tests.freezing import freeze, thaw
from tests.sockets import Socket, Sockets, assert_refused, succeeded


@dataclass
class Service:
    """An application with its own database, which can be taken away."""

    apis: Apis
    operator: Api
    socket: Socket
    agent_id: str
    session_id: str
    process_id: int

    def freeze(self) -> None:
        freeze(self.process_id)

    def thaw(self) -> None:
        thaw(self.process_id)


@pytest.fixture(scope="module")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A MongoDB only for the tests of this module."""
    server = EmbeddedMongo(tmp_path_factory.mktemp("mongodb-away"))
    yield server.start()
    server.stop()


@pytest.fixture
def service(make_app: MakeApp, mongo: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    # The time-outs of a server, shortened.
    monkeypatch.setattr(connection, "OPERATION_TIMEOUT_MS", 1500)
    monkeypatch.setattr(message_log, "BATCH_TIMEOUT_SECONDS", 1.5)
    monkeypatch.setattr(message_log, "MAX_WAIT_SECONDS", 1.8)
    app = make_app(mongodb_uri=mongo)
    operator, socket = Apis(app).operator(), Sockets(app).user("u1")
    agent = operator.create_agent()
    session_id = operator.start("u1")["sessionId"]
    socket.join(session_id)
    process_id = connection.database().command("serverStatus")["pid"]
    service = Service(Apis(app), operator, socket, agent["id"], session_id, process_id)
    yield service
    service.thaw()


def test_health_answers_503(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "chatsupport.blueprints.request_log")
    service.freeze()

    for _ in range(2):
        response = service.apis.anonymous().get("/api/health")
        body = assert_failure(response, 503, "DATABASE_UNAVAILABLE")
        assert int(response.headers["Retry-After"]) > 0
        assert set(body["data"]) == {"status", "timestamp", "uptime", "environment", "version", "services"}
        assert body["data"]["status"] == "unhealthy"
        assert body["data"]["services"]["database"] == "disconnected"
        assert set(body["data"]["services"]["sessions"]) == {"active", "total"}
        line = caplog.records[-1]
        assert (line.status, line.code) == (503, "DATABASE_UNAVAILABLE")  # type: ignore[attr-defined]
        for inside in ("mongo", "Traceback", "timed out", "sock"):
            assert inside not in response.text


def test_every_call_that_needs_the_database_answers_503(service: Service) -> None:
    user, operator, session_id = service.apis.user("u1"), service.operator, service.session_id
    agent = service.apis.agent(service.agent_id)
    service.freeze()

    responses = run_together(
        lambda: user.post("/api/chat/start-session", {"userId": "u1"}),
        lambda: user.get(f"/api/chat/session/{session_id}"),
        lambda: user.get(f"/api/chat/messages/{session_id}"),
        lambda: user.send(session_id),
        lambda: user.end(session_id),
        lambda: user.get("/api/chat/stats"),
        lambda: operator.get("/api/agents"),
        lambda: operator.post("/api/agents", {"name": "Ada"}),
        lambda: agent.get("/api/chat/stats"),
    )

    for response in responses:
        assert_failure(response, 503, "DATABASE_UNAVAILABLE")
        assert int(response.headers["Retry-After"]) > 0
        for inside in ("mongo", "Mongo", "Traceback", "timed out", "sock"):
            assert inside not in response.text


def test_calls_without_the_database_still_work(service: Service) -> None:
    service.freeze()

    assert service.apis.anonymous().get("/").status_code == 200
    assert service.apis.anonymous().post("/api/auth/token", {"userId": "u1"}).status_code == 201
    assert service.socket.is_connected


def test_sockets_get_the_error_and_stay_connected(service: Service) -> None:
    service.freeze()

    assert_refused(service.socket.say(service.session_id), "DATABASE_UNAVAILABLE")
    assert_refused(service.socket.call("join_session", {"sessionId": service.session_id}), "DATABASE_UNAVAILABLE")
    service.socket.emit("end_session", {"sessionId": service.session_id})
    assert_refused(service.socket.heard("error")[0], "DATABASE_UNAVAILABLE")
    newcomer = Sockets(service.apis.app).attempt({"token": make_token(service.agent_id, "agent")})
    assert_refused(newcomer.refusal, "DATABASE_UNAVAILABLE")
    assert service.socket.is_connected


def test_after_the_outage_a_retry_stores_the_message_once(service: Service) -> None:
    succeeded(service.socket.say(service.session_id, "before"))
    service.freeze()
    assert_refused(service.socket.say(service.session_id, "retried", clientMessageId="c1"), "DATABASE_UNAVAILABLE")
    service.thaw()

    answer = eventually(lambda: retry(service))

    assert succeeded(answer)["message"]["seq"] == 2
    history = data_of(service.operator.get(f"/api/chat/messages/{service.session_id}"))
    assert [message["message"] for message in history["messages"]] == ["before", "retried"]
    assert data_of(service.apis.anonymous().get("/api/health"))["services"]["database"] == "connected"


def retry(service: Service) -> Any:
    answer = service.socket.say(service.session_id, "retried", clientMessageId="c1")
    return answer if answer["success"] else None


def test_a_server_starts_without_its_database_and_prepares_it_later(
    service: Service,
    mongo: str,
    make_config: MakeConfig,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(startup, "RETRY_SECONDS", 0.05)
    connection.disconnect()
    service.freeze()
    config = make_config(mongodb_uri=mongo, mongodb_db="prepared-late", default_agents=("Ada",), log_level="INFO")

    apis = Apis(create_app(config))

    assert_failure(apis.anonymous().get("/api/health"), 503, "DATABASE_UNAVAILABLE")
    service.thaw()
    assert eventually(lambda: "everything is prepared" in caplog.text)
    assert [agent["name"] for agent in data_of(apis.operator().get("/api/agents"))["agents"]] == ["Ada"]
    assert "one_open_session_per_user" in Session.collection().index_information()
