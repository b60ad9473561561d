"""Idle chats: they move to another agent if the agent is silent, and are warned and ended if everybody is."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from chatsupport.database import connection
from chatsupport.database.clock import now
from chatsupport.documents import Message, Session
from chatsupport.services.assignment import reservations, transitions
from chatsupport.services.sessions import inactivity
from tests.api import Api, Apis, data_of
from tests.applications import MakeApp
from tests.interleaving import just_before
from tests.invariants import violations
from tests.sockets import Sockets

PATIENCE, IDLE_END = 30.0, 300.0
MARGIN = 10.0
"""How much of a period may really pass in a test."""
TIMES = ("createdAt", "assignedAt", "queuedAt", "noReplyDueAt", "idleDueAt", "idleWarnedAt")


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(no_reply_after=PATIENCE, idle_end_after=IDLE_END)


def time_passes(seconds: float) -> None:
    """Make everything stored older by some seconds."""
    for collection, fields in ((Session.collection(), TIMES), (Message.collection(), ("timestamp",))):
        for document in collection.find():
            older = {
                field: document[field] - timedelta(seconds=seconds)
                for field in fields
                if isinstance(document.get(field), datetime)
            }
            collection.update_one({"_id": document["_id"]}, {"$set": older})


def sweep_after(seconds: float) -> None:
    time_passes(seconds)
    inactivity.sweep()


def test_a_session_without_an_answer_goes_to_another_agent(
    apis: Apis, operator: Api, ada: str, ben: str, session_id: str
) -> None:
    inactivity.sweep()
    apis.user("u1").send(session_id)
    sweep_after(PATIENCE - MARGIN)
    assert operator.session(session_id)["agentId"] == ada

    sweep_after(MARGIN + 1)

    assert operator.session(session_id)["agentId"] == ben
    assert violations(connection.database()) == []


def test_an_agent_that_answered_keeps_the_session(
    apis: Apis, operator: Api, ada: str, ben: str, session_id: str
) -> None:
    apis.user("u1").send(session_id)
    sweep_after(PATIENCE - MARGIN)
    apis.agent(ada).send(session_id)

    sweep_after(PATIENCE * 3)

    assert operator.session(session_id)["agentId"] == ada
    apis.user("u1").send(session_id)
    sweep_after(PATIENCE - MARGIN)
    assert operator.session(session_id)["agentId"] == ada, "the patience begins with the unanswered message"
    sweep_after(MARGIN + 1)
    assert operator.session(session_id)["agentId"] == ben


def test_a_session_without_messages_is_not_moved(operator: Api, ada: str, ben: str, session_id: str) -> None:
    inactivity.sweep()
    sweep_after(PATIENCE * 3)

    assert operator.session(session_id)["agentId"] == ada


def test_a_new_agent_has_the_whole_time_to_reply(
    apis: Apis, operator: Api, ada: str, ben: str, session_id: str
) -> None:
    apis.user("u1").send(session_id)
    sweep_after(PATIENCE + 1)
    assert operator.session(session_id)["agentId"] == ben

    sweep_after(PATIENCE - MARGIN)
    assert operator.session(session_id)["agentId"] == ben
    sweep_after(MARGIN + 1)
    assert operator.session(session_id)["agentId"] == ada


def test_if_the_others_are_full_a_moved_session_waits_and_never_goes_straight_back(
    apis: Apis, operator: Api, ada: str, ben: str, session_id: str
) -> None:
    with_ben = operator.start("u2")
    assert with_ben["agentId"] == ben
    apis.user("u1").send(session_id)

    sweep_after(PATIENCE + 1)

    waiting = operator.session(session_id)
    assert (waiting["status"], waiting["queuePosition"]) == ("waiting", 1)
    sweep_after(PATIENCE + 1)
    assert operator.session(session_id)["status"] == "waiting"
    assert operator.start("u3")["agentId"] == ada, "who comes later may have that agent"
    operator.end(with_ben["sessionId"])
    assert operator.session(session_id)["agentId"] == ben


@pytest.mark.parametrize("other", [None, {"isOnline": False}])
def test_if_no_other_agent_is_present_the_session_stays(
    apis: Apis, operator: Api, ada: str, session_id: str, other: dict[str, Any] | None
) -> None:
    if other is not None:
        operator.create_agent("Ben", **other)
    apis.user("u1").send(session_id)

    sweep_after(PATIENCE + 1)
    assert operator.session(session_id)["agentId"] == ada
    colleague = operator.create_agent("Carl")["id"]
    sweep_after(5)
    assert operator.session(session_id)["agentId"] == colleague


def test_an_agent_asking_for_help_is_answered_by_the_sessions_agent(apis: Apis, operator: Api, ada: str) -> None:
    body = {"userId": "visitor", "userType": "agent"}
    session_id = operator.post("/api/chat/start-session", body).json["data"]["sessionId"]
    operator.create_agent("Ben")
    operator.send(session_id, senderId="visitor", senderType="agent")
    apis.agent(ada).send(session_id)

    sweep_after(PATIENCE + 1)

    assert operator.session(session_id)["agentId"] == ada


def test_an_idle_session_is_warned_and_then_ended(app: Flask, operator: Api, ada: str, session_id: str) -> None:
    user = Sockets(app).user("u1")
    user.join(session_id)
    sweep_after(IDLE_END - MARGIN)
    assert user.heard("session_idle") == []

    sweep_after(MARGIN + 1)

    (warning,) = user.wait_for("session_idle")
    assert warning["sessionId"] == session_id
    ends_at = datetime.fromisoformat(warning["endsAt"].replace("Z", "+00:00"))
    assert (ends_at - now()).total_seconds() == pytest.approx(60, abs=MARGIN)
    sweep_after(60 - MARGIN)
    assert operator.session(session_id)["status"] == "active"
    sweep_after(MARGIN + 1)
    ended = operator.session(session_id)
    assert (ended["status"], ended["endReason"]) == ("ended", "idle")
    assert user.wait_for("session_ended")[0]["reason"] == "idle"
    assert len(user.heard("session_idle")) == 1
    assert violations(connection.database()) == []


def test_a_late_warning_still_leaves_the_announced_time(operator: Api, ada: str, session_id: str) -> None:
    sweep_after(IDLE_END * 10)  # As after a long stop, or after IDLE_END_AFTER is set for the first time.
    inactivity.sweep()

    assert operator.session(session_id)["status"] == "active"
    sweep_after(61)
    assert operator.session(session_id)["status"] == "ended"


def test_a_message_after_the_warning_keeps_the_session_open(
    app: Flask, apis: Apis, operator: Api, ada: str, session_id: str
) -> None:
    user = Sockets(app).user("u1")
    user.join(session_id)
    sweep_after(IDLE_END + 1)
    time_passes(30)
    apis.agent(ada).send(session_id)
    sweep_after(40)
    sweep_after(IDLE_END - 50)
    assert operator.session(session_id)["status"] == "active"
    sweep_after(20)
    assert len(user.heard("session_idle")) == 2, "it is warned anew"
    sweep_after(61)
    assert operator.session(session_id)["status"] == "ended"


def test_waiting_sessions_are_not_ended(operator: Api) -> None:
    session_id = operator.start("u1")["sessionId"]
    operator.send(session_id, senderId="u1", senderType="user")

    for _ in range(3):
        sweep_after(IDLE_END + 61)

    assert operator.session(session_id)["status"] == "waiting"


def test_two_sweeps_at_once_warn_and_move_once(
    app: Flask, apis: Apis, operator: Api, ada: str, ben: str, session_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    user = Sockets(app).user("u1")
    user.join(session_id)
    apis.user("u1").send(session_id)
    time_passes(PATIENCE + 1)
    with pytest.MonkeyPatch.context() as monkeypatch, caplog.at_level(logging.INFO, logger=transitions.__name__):
        just_before(monkeypatch, inactivity, "_check_reply", inactivity.sweep)
        inactivity.sweep()
    assert operator.session(session_id)["agentId"] == ben
    assert [record.message for record in caplog.records].count("Session requeued") == 1
    apis.agent(ben).send(session_id)
    time_passes(IDLE_END + 1)
    with pytest.MonkeyPatch.context() as monkeypatch:
        just_before(monkeypatch, inactivity, "_check_idle", inactivity.sweep)
        inactivity.sweep()
    assert len(user.heard("session_idle")) == 1


def test_by_default_nothing_is_moved_or_ended(make_app: MakeApp) -> None:
    operator = Apis(make_app()).operator()
    operator.create_agent("Ada")
    session_id = operator.start("u1")["sessionId"]
    operator.create_agent("Ben")
    operator.send(session_id, senderId="u1", senderType="user")
    time_passes(30 * 86_400)
    before = Session.collection().find_one()

    inactivity.look()

    assert Session.collection().find_one() == before


def test_a_session_that_overflows_goes_to_an_agent_of_another_department(
    apis: Apis, operator: Api, ada: str, ben: str
) -> None:
    department = {"name": "Sales", "overflowAfter": 60}
    sales = data_of(operator.post("/api/departments", department))["id"]
    session_id = data_of(operator.post("/api/chat/start-session", {"userId": "u9", "departmentId": sales}))["sessionId"]
    first = operator.session(session_id)["agentId"]
    for agent_id in (ada, ben):
        operator.patch(f"/api/agents/{agent_id}", {"departmentIds": [], "maxUsers": 2})  # It has overflowed to one.
    apis.user("u9").send(session_id, "Hello?")

    sweep_after(60)
    assert operator.session(session_id)["status"] == "waiting"
    Session.objects(id=session_id).update(reserved_at=now() - timedelta(seconds=61))
    reservations.look()
    assert operator.session(session_id)["agentId"] == ({ada, ben} - {first}).pop()
