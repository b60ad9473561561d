"""Repairs after a killed process, and the lease of the timed work."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask

from chatsupport import background, documents
from chatsupport.background import Every
from chatsupport.database import connection
from chatsupport.database.clock import now
from chatsupport.documents import Agent, Session
from chatsupport.services.assignment import agent_presence, reconciliation, serving, slots, transitions
from chatsupport.services.server.leases import HOUSEKEEPING_SECONDS, Lease
from tests.api import Api
from tests.interleaving import Killed, just_before, kill_before_write
from tests.invariants import violations

Chat = Callable[[Api, dict[str, Any]], object]


@pytest.fixture(autouse=True)
def no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "SECOND_LOOK_SECONDS", 0.0)


@pytest.fixture
def log(app: Flask, caplog: pytest.LogCaptureFixture) -> Callable[[], list[logging.LogRecord]]:
    return lambda: [record for record in caplog.records if getattr(record, "event", None) == "reconciled"]


@pytest.fixture
def full(operator: Api) -> dict[str, Any]:
    """Two agents, one of them full, and a user who waits for the full one."""
    ada = operator.create_agent("Ada", maxUsers=2)["id"]
    first, second = operator.start("u1")["sessionId"], operator.start("u2")["sessionId"]
    waiting = operator.start("u3")["sessionId"]
    ben = operator.create_agent("Ben", maxUsers=1, isOnline=False)["id"]
    return {"ada": ada, "ben": ben, "first": first, "second": second, "waiting": waiting}


def damage(collection: Any, document_id: str, **fields: Any) -> None:
    collection.collection().update_one({"_id": ObjectId(document_id)}, {"$set": fields})


def held(operator: Api, agent_id: str) -> list[str]:
    users: list[str] = operator.get(f"/api/agents/{agent_id}").json["data"]["activeUsers"]
    return users


DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], object], dict[str, int]]] = {
    "a slot whose session has ended": (
        lambda ids: damage(Session, ids["first"], status="ended", endedAt=now()),
        {"slots_freed": 1},
    ),
    "a slot whose session has another agent": (
        lambda ids: damage(
            Agent, ids["ben"], activeSessions=[ObjectId(ids["first"])], activeUsers=["u1"], load=1, hasRoom=False
        ),
        {"slots_freed": 1},
    ),
    "a slot whose session is not there at all": (
        lambda ids: Session.collection().delete_one({"_id": ObjectId(ids["second"])}),
        {"slots_freed": 1},
    ),
    "sessions whose agent holds no slots for them": (
        lambda ids: damage(Agent, ids["ada"], activeSessions=[], activeUsers=[], load=0, hasRoom=True),
        {"sessions_repaired": 2, "queue_was_stuck": 0},
    ),
    "sessions whose agent is gone": (
        lambda ids: Agent.collection().delete_one({"_id": ObjectId(ids["ada"])}),
        {"sessions_repaired": 2},
    ),
    "a load that is no count of the slots": (
        lambda ids: damage(Agent, ids["ada"], load=0, hasRoom=True),
        {"loads_corrected": 1},
    ),
    "room where there is none": (lambda ids: damage(Agent, ids["ben"], hasRoom=False), {"loads_corrected": 1}),
    "somebody who waits beside a free slot": (
        lambda ids: damage(Agent, ids["ben"], isOnline=True),
        {"queue_was_stuck": 1},
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_repaired_and_logged(operator: Api, full: dict[str, Any], log: Any, kind: str) -> None:
    make, repairs = DAMAGE[kind]
    make(full)
    assert violations(connection.database()) != []

    assert reconciliation.run() > 0

    assert violations(connection.database()) == []
    (record,) = log()
    assert record.levelno == logging.WARNING
    assert {name: getattr(record, name) for name in repairs} == repairs
    assert reconciliation.run() == 0


def test_a_session_gets_its_slot_back_if_its_agent_has_room(operator: Api, full: dict[str, Any]) -> None:
    DAMAGE["sessions whose agent holds no slots for them"][0](full)

    reconciliation.run()

    assert held(operator, full["ada"]) == ["u1", "u2"]
    assert operator.session(full["waiting"])["status"] == "waiting"


def test_sessions_of_a_missing_agent_go_to_the_front_in_order(operator: Api, full: dict[str, Any]) -> None:
    DAMAGE["sessions whose agent is gone"][0](full)

    reconciliation.run()

    places = [operator.session(full[name])["queuePosition"] for name in ("first", "second", "waiting")]
    assert places == [1, 2, 3]


def test_a_healthy_system_is_left_as_it_is_and_nothing_is_logged(operator: Api, full: dict[str, Any], log: Any) -> None:
    silent = Session.collection().find_one({"userId": "u2"})
    operator.patch(f"/api/agents/{full['ben']}", {"isOnline": True})
    # It waits although a slot is free, because it avoids the agent that did not answer.
    transitions.requeue(silent, transitions.NO_REPLY, avoid=True, strictly=True)
    background.flush_all()
    before = [list(document.collection().find()) for document in documents.ALL]

    assert reconciliation.run() == 0

    assert [list(document.collection().find()) for document in documents.ALL] == before
    assert log() == []


def test_work_in_progress_is_not_treated_as_damage(
    operator: Api, full: dict[str, Any], log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(Session, full["first"], status="ended")
    first = Session.collection().find_one({"_id": ObjectId(full["first"])})
    ids = first["agentId"], first["_id"], first["slotId"]
    just_before(monkeypatch, reconciliation.socketio, "sleep", lambda: (slots.release(*ids), serving.drain_queue()))

    assert reconciliation.run() == 0

    assert log() == []
    assert held(operator, full["ada"]) == ["u2", "u3"]


def test_a_slot_used_while_it_is_freed_is_repaired(
    operator: Api, full: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.end(full["waiting"])
    damage(Session, full["first"], status="waiting", agentId=None)
    agent = Agent.collection().find_one({"_id": ObjectId(full["ada"])})
    session = Session.collection().find_one({"_id": ObjectId(full["first"])})
    # The process that claimed the slot was stopped for long, and continues exactly now.
    slot = slots.Slot(session["slotId"], agent, session["_id"])
    just_before(monkeypatch, slots, "release", lambda: transitions.give(slot))

    reconciliation.run()

    assert violations(connection.database()) == []
    assert operator.session(full["first"])["agentId"] == full["ada"]


def start(operator: Api, ids: dict[str, Any]) -> object:
    serving._all_are_busy.keep(True, 60)  # It joins the queue first, and finds Ben then.
    damage(Agent, ids["ben"], isOnline=True)
    return operator.start("newcomer")


def serve(operator: Api, ids: dict[str, Any]) -> object:
    return operator.patch(f"/api/agents/{ids['ben']}", {"isOnline": True})


def end(operator: Api, ids: dict[str, Any]) -> object:
    return operator.end(ids["first"])


def transfer(operator: Api, ids: dict[str, Any]) -> object:
    damage(Agent, ids["ben"], isOnline=True)
    return operator.post(f"/api/chat/transfer/{ids['first']}", {"agentId": ids["ben"]})


def put_back(operator: Api, ids: dict[str, Any]) -> object:
    return operator.post(f"/api/chat/transfer/{ids['first']}", {})


def delete(operator: Api, ids: dict[str, Any]) -> object:
    return operator.delete(f"/api/agents/{ids['ada']}")


def leave(operator: Api, ids: dict[str, Any]) -> object:
    damage(Agent, ids["ada"], presentUntil=now() - timedelta(seconds=1))
    return agent_presence.sweep()


def start_at_once(operator: Api, ids: dict[str, Any]) -> object:
    operator.end(ids["waiting"])
    damage(Agent, ids["ben"], isOnline=True)
    return operator.start("newcomer")


@pytest.mark.parametrize("chat", [start, start_at_once, serve, end, transfer, put_back, delete, leave])
def test_a_kill_between_any_two_writes_is_repaired(app: Flask, operator: Api, chat: Chat, request: Any) -> None:
    for number in itertools.count(1):
        for document in documents.ALL:
            document.collection().delete_many({})
        ids = full.__wrapped__(operator)  # type: ignore[attr-defined]
        try:
            with kill_before_write(number) as done:
                chat(operator, ids)
        except Killed:
            pass
        else:
            assert number > 2, "it writes more than once"
            return
        users = {session["userId"] for session in Session.collection().find({"status": {"$ne": "ended"}})}
        reconciliation.run()
        assert violations(connection.database()) == [], done
        still = {session["userId"] for session in Session.collection().find({"status": {"$ne": "ended"}})}
        assert still == users, done


class TimedWork:
    """The work of one process under the housekeeping lease."""

    def __init__(self, name: str, worked: list[str]) -> None:
        self._lease = Lease("housekeeping", HOUSEKEEPING_SECONDS)
        self._sweep = Every(1.0, lambda: worked.append(f"{name} sweeps"), under=self._lease)
        self._reconciler = reconciliation.Reconciler(self._lease)

    def tick(self) -> None:
        self._sweep()
        self._reconciler.look()


def test_one_process_at_a_time_does_the_timed_work(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    worked: list[str] = []
    monkeypatch.setattr(reconciliation, "run", lambda: worked.append("reconciles"))
    first, second = TimedWork("the first", worked), TimedWork("the second", worked)

    first.tick()
    second.tick()
    first.tick()

    # Each process reconciles when it starts, because it may replace a killed one.
    assert worked == ["the first sweeps", "reconciles", "reconciles", "the first sweeps"]
    worked.clear()
    documents.Lease.collection().update_many({}, {"$set": {"expiresAt": now() - timedelta(seconds=1)}})
    background.clear_all()  # Both ask again.
    second.tick()
    first.tick()
    assert worked == ["the second sweeps"], "the owner is gone, and the other one takes over"
    assert documents.Lease.objects.count() == 1
