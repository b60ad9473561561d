"""Missing indexes are built while the server serves, but those that hold a promise before it writes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import OperationFailure

from chatsupport import documents, migration, startup
from chatsupport.documents import Agent, Message, Session
from chatsupport.documents.indexes import Index, IndexConflictError
from chatsupport.errors import CannotServeError
from chatsupport.factory import create_app
from chatsupport.services.server import index_builds, readiness
from tests.api import Apis, assert_failure, data_of
from tests.concurrency import eventually
from tests.conftest import MakeConfig
from tests.integration.migrating import Database, database

__all__ = ["database"]

Start = Callable[[], Apis]


@pytest.fixture
def start(make_config: MakeConfig, database: Database) -> Iterator[Start]:
    """Start an application with its own database, which is kept."""
    yield lambda: Apis(create_app(make_config(mongodb_db=database.name)))
    assert eventually(lambda: not index_builds._missing)


@pytest.fixture
def used(start: Start) -> Apis:
    """A used database, with sessions, messages and agents."""
    apis = start()
    apis.operator().create_agent()
    apis.user("u1").send(apis.user("u1").start("u1")["sessionId"])
    return apis


@pytest.fixture
def building(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Index builds end when this is set."""
    may_end, build = threading.Event(), index_builds.build

    def build_slowly(collection: str, indexes: list[Index]) -> None:
        assert may_end.wait(40)
        build(collection, indexes)

    monkeypatch.setattr(index_builds, "build", build_slowly)
    yield may_end
    may_end.set()


def indexes_of(apis: Apis) -> dict[str, Any]:
    state: dict[str, Any] = data_of(apis.anonymous().get("/api/health"))["services"]["indexes"]
    return state


def test_a_new_database_gets_its_indexes_before_the_server_serves(start: Start) -> None:
    assert indexes_of(start()) == {"status": "ready", "missing": []}
    assert documents.missing_indexes() == []


def test_an_old_database_gets_missing_indexes_while_the_server_serves(
    used: Apis, start: Start, building: threading.Event
) -> None:
    start()
    Session.collection().drop_index("newest")
    Message.collection().drop_index("fences")

    apis = start()

    assert eventually(lambda: len(indexes_of(apis)["missing"]) == 2)
    assert {entry["name"] for entry in indexes_of(apis)["missing"]} == {"sessions.newest", "messages.fences"}
    assert eventually(lambda: "being built" in [entry["reason"] for entry in indexes_of(apis)["missing"]])
    assert apis.user("u2").send(apis.user("u2").start("u2")["sessionId"]).status_code == 201
    building.set()
    assert eventually(lambda: indexes_of(apis) == {"status": "ready", "missing": []})
    assert documents.missing_indexes() == []


@pytest.mark.parametrize(
    ("document", "name"), [(Session, "one_open_session_per_user"), (Message, "seq"), (Message, "retries")]
)
def test_nothing_is_written_before_the_indexes_of_promises_exist(
    used: Apis, start: Start, building: threading.Event, monkeypatch: pytest.MonkeyPatch, document: Any, name: str
) -> None:
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0.0)
    start()
    document.collection().drop_index(name)

    apis = start()

    assert_failure(apis.user("u2").post("/api/chat/start-session", {"userId": "u2"}), 503, "DATABASE_UNAVAILABLE")
    assert apis.operator().get("/api/chat/sessions").status_code == 200
    assert data_of(apis.anonymous().get("/api/health"))["status"] == "degraded"
    building.set()
    assert eventually(readiness.is_ready)
    assert apis.user("u2").start("u2")["sessionId"]
    assert data_of(apis.anonymous().get("/api/health"))["status"] == "healthy"


def test_an_index_refused_by_mongodb_is_logged_and_tried_again(
    used: Apis, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(index_builds, "RETRY_SECONDS", 0.05)
    start()
    agents = Agent.collection()
    agents.drop_index("one_agent_per_email")
    agents.drop_index("by_name")
    twins = [{"_id": ObjectId(), "name": "twin", "email": "twin@example.com"} for _ in range(2)]
    agents.insert_many(twins)

    apis = start()

    refused = {"name": "agents.one_agent_per_email", "reason": "MongoDB refuses it; the log says why"}
    assert eventually(lambda: indexes_of(apis)["missing"] == [refused])
    assert "The index agents.one_agent_per_email cannot be built; trying again" in caplog.messages
    agents.delete_many({"name": "twin"})
    assert eventually(lambda: indexes_of(apis)["status"] == "ready")
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1


def test_a_different_index_of_the_same_name_stops_the_start_with_one_sentence(used: Apis, start: Start) -> None:
    start()
    for name, keys, options, said in (
        (
            "newest",
            [("updatedAt", 1)],
            {},
            "is on {updatedAt: 1}, and this release needs it on {createdAt: -1, _id: -1}",
        ),
        ("queue", [("queuedAt", 1)], {"unique": True}, "sessions.queue is unique on {queuedAt: 1}"),
    ):
        Session.collection().drop_index(name)
        Session.collection().create_index(keys, name=name, **options)
        with pytest.raises(IndexConflictError) as refused:
            start()
        assert said in str(refused.value)
        assert f"db.sessions.dropIndex('{name}')" in str(refused.value)
        Session.collection().drop_index(name)
    Session.collection().create_index([("createdAt", -1), ("_id", -1)], name="newest", unique=True)
    with pytest.raises(IndexConflictError, match="newest is unique on"):
        start()
    Session.collection().drop_index("newest")
    start()


def test_a_later_schema_is_refused_with_one_sentence(used: Apis, start: Start, database: Database) -> None:
    start()
    database.meta.update_one({"_id": "schema"}, {"$set": {"version": 2}})
    with pytest.raises(CannotServeError, match="its schema is version 2, and this release knows 1"):
        start()
    with pytest.raises(CannotServeError):
        migration.is_needed()
    database.meta.update_one({"_id": "schema"}, {"$set": {"version": 1}})


@pytest.mark.features("upkeep")
def test_the_doctor_reports_missing_and_conflicting_indexes(used: Apis, start: Start) -> None:
    app = start().app
    sessions = Session.collection()
    sessions.drop_index("newest")
    said = app.test_cli_runner().invoke(args=["doctor"]).output
    assert "indexes: missing: sessions.newest -> start a server or run `flask --app wsgi init-db`" in said
    sessions.create_index([("updatedAt", 1)], name="newest")
    said = app.test_cli_runner().invoke(args=["doctor"]).output
    assert "fail  indexes: The index sessions.newest is on {updatedAt: 1}" in said
    sessions.drop_index("newest")


def test_an_interrupted_index_build_is_continued(used: Apis, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "RETRY_SECONDS", 0.05)
    start()
    Message.collection().drop_index("fences")
    Message.collection().delete_many({})
    answers, build = iter([False]), index_builds.build

    def build_when_it_answers(collection: str, indexes: list[Index]) -> None:
        if not next(answers, True):
            raise OperationFailure("the primary steps down", code=189)
        build(collection, indexes)

    monkeypatch.setattr(index_builds, "build", build_when_it_answers)
    apis = start()
    assert eventually(lambda: indexes_of(apis)["status"] == "ready")
