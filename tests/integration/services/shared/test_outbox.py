"""Stored changes are announced and completed, by a repeated call or by the sweep."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from pymongo.errors import NetworkTimeout

from chatsupport import documents, events
from chatsupport.database import connection
from chatsupport.documents import Session
from chatsupport.documents.session import UNTOLD_INDEX
from chatsupport.events import SessionEnded
from chatsupport.services.assignment import agent_presence, serving, slots, transitions
from chatsupport.services.sessions import starting
from chatsupport.services.shared import outbox
from tests.api import Api, assert_failure, data_of
from tests.concurrency import eventually
from tests.interleaving import Killed, kill_before_write, lose_reply
from tests.invariants import violations
from tests.sockets import Socket, Sockets


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks are late at once, and removed only when a test asks for it."""
    monkeypatch.setattr(outbox, "LATE", timedelta(seconds=-1))
    monkeypatch.setattr(outbox._told, "seconds", 60.0)


def sweep() -> int:
    return outbox.sweep(lambda: True)


def by_repeating(call: Callable[[], Any]) -> None:
    assert call().status_code in (200, 201)


def by_sweeping(call: Callable[[], Any]) -> None:
    assert sweep() >= 1


WAYS = [by_repeating, by_sweeping]


def told(sockets: Sockets, *, agent: str, joined: str) -> tuple[Socket, Socket]:
    """Return a socket of the visitor, in the session, and one of an agent."""
    visitor = sockets.user("u1")
    visitor.join(joined)
    return visitor, sockets.agent(agent)


@pytest.mark.parametrize("way", WAYS)
def test_an_end_whose_reply_was_lost(
    app: Flask, operator: Api, ada: str, session_id: str, monkeypatch: pytest.MonkeyPatch, way: Any
) -> None:
    waiting = operator.start("u2")["sessionId"]
    visitor, agent = told(Sockets(app), agent=ada, joined=session_id)
    lose_reply(monkeypatch, "sessions", "find_one_and_update")

    assert_failure(operator.end(session_id), 503, "DATABASE_UNAVAILABLE")
    assert visitor.heard("session_ended") == []
    way(lambda: operator.end(session_id))

    assert len(visitor.wait_for("session_ended")) == 1
    assert agent.wait_for("session_assigned")[0]["id"] == waiting
    assert operator.session(waiting)["status"] == "active"
    assert violations(connection.database()) == []
    assert sweep() == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_start_whose_reply_was_lost(
    app: Flask, operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch, way: Any
) -> None:
    agent = Sockets(app).agent(ada)
    lose_reply(monkeypatch, "sessions", "find_one_and_update")

    def start() -> Any:
        return operator.post("/api/chat/start-session", {"userId": "u1"})

    assert_failure(start(), 503, "DATABASE_UNAVAILABLE")
    way(start)

    assert len(agent.wait_for("session_assigned")) == 1
    assert data_of(start())["status"] == "active"
    assert violations(connection.database()) == []
    assert sweep() == 0


@pytest.mark.parametrize("way", WAYS)
def test_an_assignment_whose_reply_was_lost(
    app: Flask, operator: Api, ada: str, session_id: str, monkeypatch: pytest.MonkeyPatch, way: Any
) -> None:
    waiting = operator.start("u2")["sessionId"]
    visitor, agent = Sockets(app).user("u2"), Sockets(app).agent(ada)
    visitor.join(waiting)
    # The end is one update, the slot's update is in another collection, and the next one of sessions is the assignment.
    drain = drain_losing(serving.drain_queue, monkeypatch)
    monkeypatch.setattr(serving, "drain_queue", drain)

    operator.end(session_id)
    assert visitor.heard("agent_assigned") == []
    way(lambda: operator.post("/api/chat/start-session", {"userId": "u2"}))

    assert len(visitor.wait_for("agent_assigned")) == 1
    assert [session["id"] for session in agent.wait_for("session_assigned")] == [waiting]
    assert violations(connection.database()) == []


def drain_losing(drain: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def drain_once() -> None:
        monkeypatch.setattr(serving, "drain_queue", drain)
        lose_reply(monkeypatch, "sessions", "find_one_and_update")
        drain()

    return drain_once


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("to_agent", [True, False])
def test_a_transfer_whose_reply_was_lost(
    app: Flask,
    operator: Api,
    ada: str,
    session_id: str,
    monkeypatch: pytest.MonkeyPatch,
    way: Any,
    to_agent: bool,
) -> None:
    ben = operator.create_agent("Ben", maxUsers=1)["id"]
    visitor, old = told(Sockets(app), agent=ada, joined=session_id)
    old.join(session_id)
    new = Sockets(app).agent(ben)
    lose_reply(monkeypatch, "sessions", "find_one_and_update")

    def transfer() -> Any:
        return operator.post(f"/api/chat/transfer/{session_id}", {"agentId": ben} if to_agent else {})

    assert_failure(transfer(), 503, "DATABASE_UNAVAILABLE")
    way(transfer)

    unassigned = {"sessionId": session_id, "agentId": ada, "reason": "transferred"}
    assert visitor.wait_for("session_unassigned") == [unassigned]
    assert old.wait_for("session_unassigned") == [unassigned]
    assert [session["id"] for session in new.wait_for("session_assigned")] == [session_id]
    assert visitor.wait_for("agent_assigned")[0]["agentId"] == ben
    assert violations(connection.database()) == []
    assert sweep() == 0


def test_an_announced_change_leaves_no_mark(operator: Api, session_id: str) -> None:
    operator.start("u2")
    operator.end(session_id)
    assert Session.objects(untold__0__exists=True).count() == 2

    assert sweep() == 0, "this process has told all of it"
    outbox.flush()

    assert Session.objects(untold__0__exists=True).count() == 0


def test_a_session_read_before_its_mark_was_removed_announces_nothing_twice(operator: Api, session_id: str) -> None:
    operator.end(session_id)
    before = Session.collection().find_one({"untold": {"$ne": []}})
    outbox.flush()

    assert before is not None
    assert not outbox.tell_untold(before)


def test_a_repeated_end_announces_nothing_twice(app: Flask, operator: Api, ada: str, session_id: str) -> None:
    visitor, _ = told(Sockets(app), agent=ada, joined=session_id)

    first, second = operator.end(session_id), operator.end(session_id)

    assert data_of(first) == data_of(second)
    assert len(visitor.wait_for("session_ended")) == 1


def test_the_sweep_waits_for_its_index(operator: Api, session_id: str) -> None:
    forget_what_was_told()
    Session.collection().drop_index(UNTOLD_INDEX)
    try:
        assert sweep() == 0
    finally:
        Session.ensure_indexes()
    assert sweep() == 1


def forget_what_was_told() -> None:
    """Act as another process, which does not know what was announced."""
    outbox.reset()


def test_a_late_announcement_shows_the_current_state(app: Flask, operator: Api, ada: str, session_id: str) -> None:
    visitor, agent = told(Sockets(app), agent=ada, joined=session_id)
    agent.join(session_id)
    # The session leaves Ada and comes back to her. Nobody has removed the marks.
    session = Session.collection().find_one({"_id": ObjectId(session_id)})
    transitions.requeue(session, transitions.AWAY)
    serving.drain_queue()
    for socket in (visitor, agent):
        socket.forget()
    forget_what_was_told()

    assert sweep() == 1

    assert visitor.heard("session_unassigned") == agent.heard("session_unassigned") == []
    assert {event["agentId"] for event in visitor.heard("agent_assigned")} <= {ada}
    assert operator.session(session_id)["agentId"] == ada
    assert violations(connection.database()) == []


def claim_beside_somebody_who_waits(operator: Api, ada: str) -> tuple[str, slots.Slot]:
    """Return a waiting session, and the slot that was just taken for it."""
    operator.patch(f"/api/agents/{ada}", {"isOnline": False})
    waiting = operator.start("u1")["sessionId"]
    connection.database().agents.update_one({}, {"$set": {"isOnline": True}})
    slot = slots.claim(ObjectId(waiting), "u1")
    assert slot is not None
    return waiting, slot


def test_an_assignment_that_reaches_the_database_too_late_has_no_effect(operator: Api, ada: str) -> None:
    """A stopped process or network may hold the write for long, and the slot has been freed since."""
    waiting, slot = claim_beside_somebody_who_waits(operator, ada)
    slot.agent["idleSince"] -= slots.LONGEST_WRITE

    assert transitions.give(slot) is None

    assert operator.session(waiting)["status"] == "waiting"
    serving.drain_queue()
    assert operator.session(waiting)["agentId"] == ada
    assert violations(connection.database()) == []


def fail_once(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the database not answer the next call of this function of `slots`."""
    original = getattr(slots, name)

    def fail(*args: Any) -> Any:
        monkeypatch.setattr(slots, name, original)
        stand_still()

    monkeypatch.setattr(slots, name, fail)


def stand_still(*args: Any) -> Any:
    """Not answer, like a database that stands still."""
    raise NetworkTimeout("The database stood still")


@pytest.mark.parametrize("stands_still", [False, True])
def test_the_slot_of_a_failed_assignment_goes_to_the_next_in_line(
    operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch, stands_still: bool
) -> None:
    waiting, slot = claim_beside_somebody_who_waits(operator, ada)
    with monkeypatch.context() as patched:
        patched.setattr(slots.socketio, "sleep", lambda seconds: None)
        if stands_still:
            fail_once(patched, "find")

        slots.free_unused(slot.id, slot.session_id)

    assert operator.session(waiting)["agentId"] == ada
    assert violations(connection.database()) == []


def test_a_slot_that_was_not_used_and_not_released_is_free_soon(
    operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, slot = claim_beside_somebody_who_waits(operator, ada)
    operator.end(waiting)
    monkeypatch.setattr(slots, "LONGEST_WRITE", timedelta(seconds=0.5))
    fail_once(monkeypatch, "release")

    with pytest.raises(NetworkTimeout):
        transitions.give(slot)

    assert eventually(lambda: violations(connection.database()) == [])


def test_a_slot_whose_claim_got_no_answer_goes_to_the_next_in_line(
    operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "LONGEST_WRITE", timedelta(seconds=0.5))
    waiting = starting._insert(starting._new("u1", "user"))
    lose_reply(monkeypatch, "agents", "find_one_and_update")

    assert_failure(operator.post("/api/chat/start-session", {"userId": "u2"}), 503, "DATABASE_UNAVAILABLE")

    assert eventually(lambda: Session.objects(status="active", agent_id=ada).count() == 1)
    assert operator.session(str(waiting["_id"]))["agentId"] == ada
    assert Session.objects.count() == 1, "a start that fails before it has stored anything stores nothing later"
    assert violations(connection.database()) == []


def test_a_deletion_of_an_agent_whose_reply_was_lost_is_done_by_repeating_it(
    operator: Api, ada: str, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben = operator.create_agent("Ben")["id"]
    lose_reply(monkeypatch, "agents", "find_one_and_delete")
    assert_failure(operator.delete(f"/api/agents/{ada}"), 503, "DATABASE_UNAVAILABLE")

    assert_failure(operator.delete(f"/api/agents/{ada}"), 404, "AGENT_NOT_FOUND")

    assert operator.session(session_id)["agentId"] == ben
    assert violations(connection.database()) == []


@pytest.mark.parametrize("change", [{"isOnline": True}, {"maxUsers": 2}])
def test_an_agent_whose_free_slot_was_not_announced_gets_the_next_in_line(
    operator: Api, ada: str, session_id: str, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    waiting = operator.start("u2")["sessionId"]
    if "isOnline" in change:
        operator.patch(f"/api/agents/{ada}", {"isOnline": False, "maxUsers": 2})
    lose_reply(monkeypatch, "agents", "find_one_and_update")
    assert_failure(operator.patch(f"/api/agents/{ada}", change), 503, "DATABASE_UNAVAILABLE")

    agent_presence.look()

    assert operator.session(waiting)["agentId"] == ada
    assert violations(connection.database()) == []


CHANGES: dict[str, Callable[[Api, str, str], Any]] = {
    "end": lambda operator, session_id, ben: operator.end(session_id),
    "transfer": lambda operator, session_id, ben: operator.post(f"/api/chat/transfer/{session_id}", {"agentId": ben}),
    "requeue": lambda operator, session_id, ben: operator.post(f"/api/chat/transfer/{session_id}", {}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_sweep_alone_repairs_a_kill_after_the_change(app: Flask, operator: Api, name: str) -> None:
    made_good = 0
    for number in itertools.count(1):
        for document in documents.ALL:
            document.collection().delete_many({})
        operator.create_agent("Ada", maxUsers=1)
        session_id = operator.start("u1")["sessionId"]
        ben = operator.create_agent("Ben", maxUsers=1)["id"]
        try:
            with kill_before_write(number) as done:
                CHANGES[name](operator, session_id, ben)
        except Killed:
            pass
        else:
            assert made_good
            return
        forget_what_was_told()
        if any(write.startswith("sessions.") for write in done) and not done[-1].startswith("agents.find_one_and"):
            sweep()
            assert violations(connection.database()) == [], done
            made_good += 1


def test_the_sweep_repeats_reactions_that_failed_without_the_database(
    operator: Api, ada: str, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(slots, "release", stand_still)
        assert operator.end(session_id).status_code == 200, "it has ended all the same"
    assert violations(connection.database()) != []

    assert sweep() == 1
    assert violations(connection.database()) == []
    assert sweep() == 0


def test_an_event_announced_twice_has_the_same_id(
    operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[SessionEnded] = []
    monkeypatch.setitem(events._bound, SessionEnded, [heard.append])
    operator.end(session_id, reason="done")
    forget_what_was_told()

    assert sweep() == 1

    first, second = heard
    assert (first.is_late, second.is_late) == (False, True)
    assert (first.id, first.caller, first.session["endReason"]) == (second.id, second.caller, "done")
    assert first.caller is not None
