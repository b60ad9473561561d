"""Bots get new sessions first, and only these; people get them when the bot has no room."""

from __future__ import annotations

import importlib
from datetime import timedelta

import pytest

from chatsupport.database import connection
from chatsupport.documents import Agent, Session
from chatsupport.extensions import settings
from chatsupport.services.assignment import reconciliation, slots
from chatsupport.services.shared import outbox
from tests.api import Api, Apis, assert_failure, data_of
from tests.bots import answers_first
from tests.invariants import violations
from tests.sockets import Sockets

pytestmark = pytest.mark.features("settings", "departments", "reports", "consoles", "replies", "tags", "events")

PASSED_OVER = "A bot gets no new sessions: it is full, offline or deleted"


def test_a_new_session_goes_to_the_bot_although_people_are_free(operator: Api, ada: str, bot_id: str) -> None:
    started = operator.start("u1")
    session = operator.session(started["sessionId"])
    assert started["waitingMessage"] == "You are connected to Robin."
    assert (session["status"], session["agentId"]) == ("active", bot_id)
    assert session["assignment"]["reason"] == "bot"
    assert session["agent"]["isBot"] is True
    assert data_of(operator.get("/api/chat/sessions"))["sessions"][0]["agent"] == session["agent"]
    assert session["firstAssignedAt"] is None
    assert violations(connection.database()) == []


def test_people_get_the_session_if_the_bot_is_full_offline_or_gone(operator: Api, bot_id: str) -> None:
    ada = operator.create_agent("Ada", maxUsers=10)["id"]
    operator.patch(f"/api/agents/{bot_id}", {"maxUsers": 1})
    assert operator.start("u1")["agentId"] == bot_id
    assert operator.start("u2")["agentId"] == ada
    operator.patch(f"/api/agents/{bot_id}", {"maxUsers": 9, "isOnline": False})
    assert operator.start("u3")["agentId"] == ada
    operator.patch(f"/api/agents/{bot_id}", {"isOnline": True})
    assert operator.start("u4")["agentId"] == bot_id
    operator.delete(f"/api/agents/{bot_id}")
    assert operator.start("u5")["agentId"] == ada
    assert violations(connection.database()) == []


def test_a_bot_is_never_chosen_by_load_and_staffs_nothing(operator: Api, bot_id: str) -> None:
    answers_first(operator, None)
    assert operator.start("u1")["status"] == "waiting"
    assert data_of(operator.get("/api/chat/availability"))["isStaffed"] is False
    assert data_of(operator.get("/api/chat/stats"))["performance"]["systemLoad"] == "0%"
    reconciliation._correct_loads()
    assert Agent.collection().find_one({"name": "Robin"})["hasRoom"] is None
    assert operator.start("u2")["status"] == "waiting"


def test_a_session_is_not_sticky_to_a_bot(operator: Api, bot_id: str, ada: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    operator.end(session_id)
    answers_first(operator, None)
    started = operator.start("u1")
    assert started["agentId"] == ada
    assert operator.session(started["sessionId"])["assignment"]["reason"] == "least_loaded"


def test_the_bot_of_a_department_comes_before_that_of_the_settings(operator: Api, bot_id: str) -> None:
    sales_bot = operator.create_agent("Sally", kind="bot")["id"]
    sales = data_of(operator.post("/api/departments", {"name": "Sales", "botId": sales_bot}))
    assert sales["botId"] == sales_bot
    start = {"userId": "u1", "departmentId": sales["id"]}
    started = data_of(operator.post("/api/chat/start-session", start))
    assert started["agentId"] == sales_bot
    operator.patch(f"/api/departments/{sales['id']}", {"botId": None})
    started = data_of(operator.post("/api/chat/start-session", {**start, "userId": "u2"}))
    assert started["agentId"] == bot_id


def test_only_a_bot_can_be_named_as_one(operator: Api, ada: str) -> None:
    body = assert_failure(operator.post("/api/departments", {"name": "Sales", "botId": ada}), 400, "INVALID_DEPARTMENT")
    assert body["details"][0]["field"] == "botId"
    settings = data_of(operator.get("/api/settings"))
    assert_failure(operator.put("/api/settings", {**settings, "botId": ada}), 400, "INVALID_SETTINGS")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "bot", "email": "bot@example.com"}, "email"),
        ({"kind": "bot", "password": "correct horse"}, "password"),
        ({"kind": "bot", "role": "supervisor"}, "role"),
        ({"kind": "bot", "maxUsers": 501}, "maxUsers"),
        ({"kind": "human", "maxUsers": 51}, "maxUsers"),
        ({"kind": "robot"}, "kind"),
    ],
)
def test_an_agent_is_what_its_kind_may_be(operator: Api, fields: dict[str, object], field: str) -> None:
    body = assert_failure(operator.post("/api/agents", {"name": "X", **fields}), 400, "INVALID_AGENT")
    assert body["details"][0]["field"] == field


def test_a_change_keeps_to_the_kind(operator: Api, bot_id: str, ada: str) -> None:
    for changes in ({"email": "bot@example.com"}, {"role": "supervisor"}, {"password": "correct horse"}):
        assert_failure(operator.patch(f"/api/agents/{bot_id}", changes), 400, "INVALID_AGENT")
    assert_failure(operator.patch(f"/api/agents/{ada}", {"maxUsers": 51}), 400, "INVALID_AGENT")
    assert data_of(operator.patch(f"/api/agents/{bot_id}", {"maxUsers": 51}))["maxUsers"] == 51


def test_a_bot_has_no_presence(operator: Api, sockets: Sockets, bot_id: str) -> None:
    sockets.agent(bot_id).close()
    agent = Agent.collection().find_one({"name": "Robin"})
    assert "presentUntil" not in agent
    assert operator.start("u1")["agentId"] == bot_id


def test_the_queue_may_be_full_for_people_while_the_bot_has_room(apis: Apis, operator: Api, bot_id: str) -> None:
    object.__setattr__(settings.config, "queue_limit", 1)
    answers_first(operator, None)
    operator.start("u1")
    answers_first(operator, bot_id)
    assert operator.start("u2")["agentId"] == bot_id


def test_a_start_that_comes_too_late_waits(operator: Api, bot_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "LONGEST_WRITE", timedelta(seconds=-1))
    started = operator.start("u1")
    assert started["status"] == "waiting"
    stored = Session.collection().find_one({})
    assert stored["status"] == "waiting"
    assert "botId" not in stored
    assert Agent.collection().find_one({"name": "Robin"})["load"] == 0


def test_a_start_that_comes_too_late_waits_for_its_department(
    operator: Api, bot_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert data_of(operator.get("/api/events"))["events"] == []
    sales = data_of(operator.post("/api/departments", {"name": "Sales"}))["id"]
    monkeypatch.setattr(slots, "LONGEST_WRITE", timedelta(seconds=-1))
    start = {"userId": "u1", "departmentId": sales}
    assert data_of(operator.post("/api/chat/start-session", start))["status"] == "waiting"
    stored = Session.collection().find_one({})
    assert (str(stored["reservedFor"]), stored["reservedAt"]) == (sales, stored["createdAt"])
    importlib.import_module("chatsupport.features.events.relay").here.round()
    found = data_of(operator.get("/api/events", types="session.started,session.assigned"))["events"]
    assert [event["type"] for event in found] == ["session.started"]


def test_a_bot_without_room_is_logged_once(operator: Api, bot_id: str, caplog: pytest.LogCaptureFixture) -> None:
    operator.patch(f"/api/agents/{bot_id}", {"maxUsers": 1})
    for number in range(3):
        operator.start(f"u{number}")
    assert [record.message for record in caplog.records if "gets no new sessions" in record.message] == [PASSED_OVER]


def test_reports_show_a_bot_apart(operator: Api, user: Api, bot: Api, bot_id: str, with_bot: str) -> None:
    data_of(bot.send(with_bot, "How can I help?"))
    operator.end(with_bot)
    outbox.flush()
    report = data_of(operator.get("/api/reports/summary"))
    (row,) = report["agents"]
    assert (row["agentId"], row["kind"], row["sessions"]) == (bot_id, "bot", 1)
    assert report["total"]["firstResponse"]["count"] == report["total"]["waiting"]["count"] == 0


def test_a_bot_does_not_see_the_queue(operator: Api, sockets: Sockets, bot: Api, bot_id: str) -> None:
    answers_first(operator, None)
    socket = sockets.agent(bot_id)
    operator.start("u1")
    for path in ("/api/chat/queue", "/api/replies", "/api/tags", "/api/settings"):
        assert_failure(bot.get(path), 403, "FORBIDDEN")
    assert operator.get("/api/chat/queue").status_code == 200
    assert socket.heard("queue_changed") == []
