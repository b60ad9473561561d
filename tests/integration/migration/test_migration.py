"""Taking over a database of the Node.js system: nothing is lost, and all our promises hold afterwards."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pymongo
import pymongo.database
import pytest

from chatsupport import documents, migration
from chatsupport.database import connection
from chatsupport.factory import create_app
from chatsupport.migration import messages as numbering
from chatsupport.migration.sessions import DUPLICATE_REASON
from tests.api import Apis
from tests.conftest import MakeConfig
from tests.integration.legacy import Document, Legacy, minutes
from tests.integration.migrating import command, database, legacy, succeeded
from tests.invariants import violations

__all__ = ["command", "database", "legacy"]


def by_id(documents: list[Document]) -> dict[Any, Document]:
    return {document["_id"]: document for document in documents}


def test_a_dry_run_lists_the_work_and_changes_nothing(command: Any, legacy: Legacy) -> None:
    before = legacy.contents()
    indexes = {name: legacy.database[name].index_information() for name in before}

    lines = succeeded(command("migrate", "--dry-run"))

    assert legacy.contents() == before
    assert {name: legacy.database[name].index_information() for name in before} == indexes
    todo = dict(line.removesuffix(" to do").rsplit(": ", 1) for line in lines)
    assert todo == {
        "Give ids stored as text their type": "33",
        "Complete sessions": str(len(before["sessions"])),
        "End all but one of a user's open sessions": "2",
        "Complete agents": "3",
        "Make agents' slots and their sessions agree": todo["Make agents' slots and their sessions agree"],
        "Number messages": str(len(before["messages"])),
        "Make indexes": str(len(documents.missing_indexes())),
    }


def test_after_a_migration_every_promise_holds_and_nothing_is_lost(command: Any, legacy: Legacy) -> None:
    before = deepcopy(legacy.contents())

    lines = succeeded(command("migrate"))

    assert len(lines) == len(migration.STEPS) + 1
    assert violations(legacy.database) == []
    after = legacy.contents()
    for name in ("sessions", "messages", "agents"):
        old, new = by_id(before[name]), by_id(after[name])
        assert old.keys() == new.keys()
        for key, document in old.items():
            kept = {field for field in document if field in ("__v", "mood", "skills", "userId", "message", "timestamp")}
            assert {field: document[field] for field in kept} == {field: new[key][field] for field in kept}


def test_messages_are_numbered_in_the_order_of_time(command: Any, legacy: Legacy) -> None:
    succeeded(command("migrate"))

    everything: dict[Any, list[Document]] = {}
    for message in legacy.database.messages.find(sort=[("seq", 1)]):
        everything.setdefault(message["sessionId"], []).append(message)
    assert len(everything[legacy.current]) == 60
    for found in everything.values():
        assert [message["seq"] for message in found] == list(range(1, len(found) + 1))
        order = [(message["timestamp"], message["_id"]) for message in found]
        assert order == sorted(order)
    assert numbering.INDEX not in legacy.database.messages.index_information()


def test_sessions_are_completed_and_a_user_keeps_one(command: Any, legacy: Legacy) -> None:
    succeeded(command("migrate"))

    sessions = by_id(list(legacy.database.sessions.find()))
    assert {session["userType"] for session in sessions.values()} == {"user"}
    assert sessions[legacy.current]["status"] == "active"
    assert sessions[legacy.current]["agentId"] == legacy.ada
    for session_id in (legacy.older, legacy.oldest):
        assert sessions[session_id]["status"] == "ended"
        assert sessions[session_id]["endReason"] == DUPLICATE_REASON
    assert sessions[legacy.ended]["endedAt"] == minutes(3)
    assert sessions[legacy.ended]["agentId"] == legacy.ben
    assert sessions[legacy.endless]["endedAt"] == minutes(30)
    assert (sessions[legacy.unknown]["status"], sessions[legacy.unknown]["endedAt"]) == ("ended", minutes(2))
    # Sessions without a slot get one of another agent, or wait without an agent.
    lost = [legacy.orphan, legacy.nobodys, legacy.queued, *legacy.crowd]
    for session in (sessions[session_id] for session_id in lost):
        assert session["status"] == ("waiting" if session["agentId"] is None else "active")


def test_agents_keep_as_many_sessions_as_they_may_oldest_first(command: Any, legacy: Legacy) -> None:
    succeeded(command("migrate"))

    agents = by_id(list(legacy.database.agents.find()))
    assert agents[legacy.ada]["activeUsers"] == ["u1", "crowd-0", "crowd-1"]
    assert agents[legacy.cleo]["maxUsers"] == 2
    assert agents[legacy.cleo]["skills"] == ["billing"]
    assert all(len(agent["activeUsers"]) == len(agent["activeSessions"]) for agent in agents.values())


def test_the_api_serves_the_migrated_data(command: Any, legacy: Legacy, make_config: MakeConfig) -> None:
    succeeded(command("migrate"))
    operator = Apis(create_app(make_config(mongodb_db=legacy.database.name))).operator()

    page = operator.get(f"/api/chat/messages/{legacy.current}", limit=100).json["data"]
    assert len(page["messages"]) == page["pagination"]["total"] == 60
    listed = operator.get("/api/chat/sessions", limit=100).json["data"]["sessions"]
    assert len(listed) == legacy.database.sessions.count_documents({})
    for session in listed:
        assert operator.session(session["id"])["id"] == session["id"]
        assert operator.end(session["id"]).status_code == 200
    assert operator.get("/api/agents").status_code == operator.get("/api/chat/stats").status_code == 200
    assert operator.start("u1")["sessionId"] != str(legacy.current)


def test_a_second_run_finds_nothing_to_do(command: Any, legacy: Legacy) -> None:
    succeeded(command("migrate"))
    before = legacy.contents()
    succeeded(command("migrate"))
    after = legacy.contents()

    before.pop("meta")
    after.pop("meta")
    assert after == before


@pytest.mark.parametrize("writes", [0, 1, 2, 4])
def test_an_interrupted_migration_is_run_again(
    command: Any, legacy: Legacy, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    monkeypatch.setattr(numbering, "UPDATES_A_WRITE", 13)
    bulk_write, done = pymongo.collection.Collection.bulk_write, []

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        if len(done) == writes:
            raise KeyboardInterrupt
        done.append(1)
        return bulk_write(*args, **kwargs)

    with monkeypatch.context() as context:
        context.setattr(pymongo.collection.Collection, "bulk_write", interrupted)
        assert command("migrate").exit_code != 0
    assert numbering.count_unnumbered(legacy.database) > 0
    assert migration.is_needed()
    # Unnumbered messages may have changed meanwhile. Numbered ones are numbered again, in the order of time.
    legacy.message(legacy.current, minutes(-1), "the first of all")

    succeeded(command("migrate"))

    seqs = [
        message["seq"] for message in legacy.database.messages.find({"sessionId": legacy.current}, sort=[("seq", 1)])
    ]
    assert seqs == list(range(1, 62))
    first = legacy.database.messages.find_one({"sessionId": legacy.current, "seq": 1})
    assert first is not None
    assert first["message"] == "the first of all"
    assert violations(legacy.database) == []
    assert numbering.INDEX not in legacy.database.messages.index_information()


@pytest.mark.parametrize("number", range(1, len(migration.STEPS)))
def test_a_migration_continues_after_any_step(
    command: Any, legacy: Legacy, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with monkeypatch.context() as context:
        context.setattr(migration, "STEPS", migration.STEPS[:number])
        context.setattr(migration, "mark_current", lambda: 1 / 0)
        command("migrate")
    assert migration.is_needed() == (number < len(migration.STEPS) - 1)

    succeeded(command("migrate"))

    assert violations(legacy.database) == []
    assert not migration.is_needed()


def test_a_long_step_is_not_cut_off(command: Any, legacy: Legacy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's time limit is for callers who wait for an answer. It would also end the build of an index."""
    monkeypatch.setattr(connection.database().client, "_timeout", 0.000_001)

    succeeded(command("migrate"))
