"""Reports agree with the sessions, whenever and however often hours were rolled up."""

from __future__ import annotations

import random
from datetime import datetime, timezone
from typing import Any

import pytest
from bson import ObjectId

from chatsupport.database import connection
from chatsupport.documents import Message, Session
from chatsupport.features.privacy import retention
from chatsupport.features.reports import rollups
from chatsupport.features.reports.documents import Rollup
from chatsupport.services.shared import outbox
from tests.api import Api, Apis, data_of
from tests.applications import MakeApp, SetClock
from tests.features.reports.reporting import (
    FIELDS,
    NOW,
    RANGES,
    agent_ids,
    assert_equal,
    assert_report_is_true,
    set_time,
    stored,
)

__all__ = ["agent_ids", "stored"]


@pytest.mark.parametrize("query", RANGES, ids=str)
def test_a_report_agrees_with_the_sessions(
    operator: Api, stored: list[Any], agent_ids: list[ObjectId], query: dict[str, str]
) -> None:
    assert rollups.sweep() == datetime(2026, 5, 2, 10, tzinfo=timezone.utc)

    assert_report_is_true(operator, stored, **query)
    assert_report_is_true(operator, stored, **query, agentId=str(agent_ids[1]))


def test_rolling_up_again_or_after_a_kill_changes_nothing(
    operator: Api, stored: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, advance = rollups._keep, rollups._advance
    rng = random.Random(3)

    def dies(function: Any) -> Any:
        def run(*args: Any) -> Any:
            if rng.random() < 0.03:
                raise RuntimeError("killed before")
            result = function(*args)
            if rng.random() < 0.03:
                raise RuntimeError("killed after")
            return result

        return run

    with monkeypatch.context() as patch:
        patch.setattr(rollups, "_keep", dies(keep))
        patch.setattr(rollups, "_advance", dies(advance))
        deaths = 0
        while True:
            try:
                rollups.sweep()
                break
            except RuntimeError:
                deaths += 1
    assert deaths > 5
    report = assert_report_is_true(operator, stored, **RANGES[0])
    # A process that was stopped for long still believes that everything is left to do.
    monkeypatch.setattr(rollups, "through", lambda: None)
    rollups.sweep()
    monkeypatch.undo()
    set_time(monkeypatch, NOW)
    assert data_of(operator.get("/api/reports/summary", **RANGES[0])) == report


def test_an_hour_is_rolled_up_once_no_write_into_it_can_be_in_progress(
    operator: Api, stored: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_time(monkeypatch, datetime(2026, 5, 2, 10, 9, 59, tzinfo=timezone.utc))
    assert rollups.sweep() == datetime(2026, 5, 2, 9, tzinfo=timezone.utc)
    set_time(monkeypatch, datetime(2026, 5, 2, 10, 10, tzinfo=timezone.utc))
    assert rollups.sweep() == datetime(2026, 5, 2, 10, tzinfo=timezone.utc)


def test_sessions_deleted_by_retention_stay_in_the_reports(
    make_app: MakeApp, stored: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, messages = list(Session.collection().find()), list(Message.collection().find())
    operator = Apis(make_app(of_features={"RETENTION_DAYS": 1})).operator()
    Session.collection().insert_many(rows)
    Message.collection().insert_many(messages)
    monkeypatch.setattr(retention, "now", lambda: NOW)

    assert retention.sweep() > 100

    total = data_of(operator.get("/api/reports/summary", **RANGES[0]))["total"]
    assert_equal(total, stored)
    assert rollups.sweep() is not None
    assert data_of(operator.get("/api/reports/summary", **RANGES[0]))["total"] == total


def test_a_report_says_when_it_is_not_complete(operator: Api, stored: list[Any]) -> None:
    answers = iter([True] * 5 + [False])
    rollups.sweep(lambda: next(answers))

    assert not data_of(operator.get("/api/reports/summary", **RANGES[0]))["complete"]

    rollups.sweep()
    assert data_of(operator.get("/api/reports/summary", **RANGES[0]))["complete"]


def test_a_chat_is_in_the_report_as_soon_as_it_ends(apis: Apis, operator: Api) -> None:
    agent_id = operator.create_agent("Ada", maxUsers=1)["id"]
    user, agent = apis.user("u1"), apis.agent(agent_id)
    session_id = user.start("u1")["sessionId"]
    waiting = operator.start("u2")["sessionId"]
    user.send(session_id)
    agent.send(session_id, "hi")
    operator.end(waiting)
    user.end(session_id)

    total = data_of(operator.get("/api/reports/summary"))["total"]

    assert (total["sessions"], total["abandoned"], total["messages"]) == (2, 1, 2)
    assert [total[name]["count"] for name in FIELDS] == [1, 1, 1]
    outbox.flush()
    assert isinstance(Session.objects.get(id=session_id).first_response_ms, int)


def test_an_agents_own_message_is_not_a_reply_to_itself(apis: Apis, operator: Api) -> None:
    asking = operator.create_agent("Ada", isOnline=False)["id"]
    answering = operator.create_agent("Ben")["id"]
    body = {"userId": asking, "userType": "agent"}
    session_id = data_of(apis.agent(asking).post("/api/chat/start-session", body))["sessionId"]
    apis.agent(asking).send(session_id, "help")
    operator.end(session_id)
    assert data_of(operator.get("/api/reports/summary"))["total"]["firstResponse"]["count"] == 0

    session_id = data_of(apis.agent(asking).post("/api/chat/start-session", body))["sessionId"]
    apis.agent(asking).send(session_id, "help")
    apis.agent(answering).send(session_id, "how?")
    operator.end(session_id)
    assert data_of(operator.get("/api/reports/summary"))["total"]["firstResponse"]["count"] == 1


def test_roll_ups_name_nobody(operator: Api, stored: list[Any]) -> None:
    rollups.sweep()

    text = str(list(Rollup.collection().find()))
    assert not any(session["userId"] in text for session, _ in stored)
    assert "Ada" not in text


def test_nothing_is_read_without_an_index(operator: Api, stored: list[Any]) -> None:
    database = connection.database()
    database.drop_collection("system.profile")
    database.command("profile", 2)
    try:
        rollups.sweep()
        for query in RANGES:
            assert operator.get("/api/reports/summary", **query).status_code == 200
    finally:
        database.command("profile", 0)
    reads = list(database["system.profile"].find({"planSummary": {"$exists": True}}))
    database.drop_collection("system.profile")

    collections = {read["ns"].rpartition(".")[2] for read in reads}
    assert collections >= {"sessions", "messages", "rollups"}
    assert not [read for read in reads if "COLLSCAN" in read["planSummary"]]
    for read in reads:
        if read["op"] == "query" and read["ns"].endswith(("sessions", "rollups")):
            # A few more if a first page of many is cut off.
            assert read["docsExamined"] <= read["nreturned"] + 1, read["command"]


def test_no_hour_is_closed_while_clocks_disagree(operator: Api, set_clock: SetClock) -> None:
    operator.end(operator.start("u1")["sessionId"])
    set_clock(60 * 86_400.0)

    rollups.keep_up()

    assert rollups.through() is None
