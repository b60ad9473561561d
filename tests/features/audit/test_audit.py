"""The audit log: who did what to which session or agent, when and from where."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from pymongo.errors import AutoReconnect

from chatsupport import background
from chatsupport.database.clock import now
from chatsupport.documents import Session
from chatsupport.features.audit import service as audit
from chatsupport.features.audit.documents import AuditEntry
from chatsupport.features.privacy import retention
from chatsupport.services.shared import outbox
from tests.api import Api, Apis, assert_failure, data_of, make_token
from tests.applications import MakeApp
from tests.concurrency import eventually
from tests.documents import openapi_document
from tests.sockets import Sockets, succeeded

AUDIT = "/api/audit"


def entries(operator: Api, **query: Any) -> list[dict[str, Any]]:
    """Return the log, oldest first."""
    rows: list[dict[str, Any]] = data_of(operator.get(AUDIT, limit=100, **query))["entries"]
    return rows[::-1]


def only(operator: Api, **query: Any) -> dict[str, Any]:
    (entry,) = entries(operator, **query)
    return entry


def test_every_step_of_a_chat_is_in_the_log(apis: Apis, operator: Api, app: Flask) -> None:
    ada, ben = (operator.create_agent(name, maxUsers=1)["id"] for name in ("Ada", "Ben"))
    session_id = apis.user("u1").start("u1")["sessionId"]
    operator.post(f"/api/chat/transfer/{session_id}", {"agentId": ben})
    succeeded(Sockets(app).user("u1").call("end_session", {"sessionId": session_id, "reason": "done"}))

    log = entries(operator, sessionId=session_id)

    assert [entry["action"] for entry in log] == ["start", "assign", "assign", "transfer", "end"]
    start, assign, moved, transfer, end = log
    assert (start["callerId"], start["callerType"], start["userId"], start["userType"]) == ("u1", "user", "u1", "user")
    assert start["address"] == "127.0.0.1"
    assert start["requestId"]
    assert (assign["callerId"], assign["callerType"], assign["address"]) == (None, "server", None)
    assert (assign["agentId"], moved["agentId"], transfer["agentId"]) == (ada, ben, ben)
    assert (transfer["callerType"], transfer["details"]) == ("system", {"from_agent_id": ada})
    assert (end["callerId"], end["details"]["reason"], end["agentId"]) == ("u1", "done", ben)
    assert all(entry["at"].endswith("Z") for entry in log)


def test_an_event_announced_twice_makes_one_entry(apis: Apis, operator: Api) -> None:
    session_id = apis.user("u1").start("u1")["sessionId"]
    apis.user("u1").end(session_id)
    stored = Session.collection().find_one({"_id": ObjectId(session_id)})
    before = entries(operator, sessionId=session_id)
    outbox.reset()

    assert outbox.tell_untold(stored)

    assert entries(operator, sessionId=session_id) == before


def test_the_filter_accepts_exactly_the_existing_actions(operator: Api) -> None:
    named = {value for name, value in vars(audit).items() if name.isupper() and isinstance(value, str)}
    assert named - {audit.SERVER} == audit.ACTIONS

    for action in audit.ACTIONS:
        assert operator.get(AUDIT, action=action).status_code == 200
    for action in ("zz", "END", "x" * 500):
        assert_failure(operator.get(AUDIT, action=action), 400, "INVALID_ACTION")


def test_actions_of_operators_are_in_the_log(apis: Apis, operator: Api) -> None:
    agent_id = operator.create_agent("Ada", maxUsers=3)["id"]
    operator.patch(f"/api/agents/{agent_id}", {"isOnline": False})
    operator.post("/api/auth/token", {"userId": agent_id, "userType": "agent"})
    operator.post("/api/auth/token", {"userId": "u1"})
    block_id = data_of(operator.post("/api/blocks", {"address": "192.0.2.1", "reason": "spam"}))["id"]
    operator.delete(f"/api/blocks/{block_id}")
    operator.post("/api/auth/revoke", {"userId": "u1"})
    operator.get("/api/users/u1/export")
    operator.delete(f"/api/agents/{agent_id}")

    log = entries(operator)

    assert [entry["action"] for entry in log] == [
        "agent_created", "agent_changed", "token", "block", "unblock", "revoke", "export", "agent_deleted"
    ]  # fmt: skip
    assert {entry["callerType"] for entry in log} == {"system"}
    assert log[1]["details"] == {"is_online": False}
    assert (log[2]["userId"], log[2]["userType"]) == (agent_id, "agent")
    assert log[3]["details"] == {"blocked_address": "192.0.2.1", "reason": "spam"}
    assert (log[5]["userId"], log[5]["userType"]) == ("u1", "user")
    # It contains no secret.
    assert "eyJ" not in str(log)


def test_reading_the_chat_of_others_is_in_the_log(apis: Apis, operator: Api, app: Flask) -> None:
    ada = operator.create_agent("Ada")["id"]
    grace = operator.create_agent("Grace", role="supervisor", isOnline=False)["id"]
    session_id = operator.start("u1")["sessionId"]
    system = apis.anonymous(Authorization=f"Bearer {make_token('crm', 'system')}")
    sockets = Sockets(app)

    for _ in range(2):
        for api in (apis.user("u1"), apis.agent(ada), apis.agent(grace), operator, system):
            assert api.get(f"/api/chat/messages/{session_id}").status_code == 200
    for socket in (sockets.user("u1"), sockets.agent(ada), sockets.agent(grace), sockets.operator()):
        socket.join(session_id)
    assert_failure(apis.user("u2").get(f"/api/chat/messages/{session_id}"), 403, "FORBIDDEN")

    log = entries(operator, action="read")
    assert [(entry["callerType"], entry["callerId"]) for entry in log] == [
        ("agent", grace), ("system", "system"), ("system", "crm")
    ]  # fmt: skip
    assert {(entry["sessionId"], entry["userId"], entry["agentId"]) for entry in log} == {(session_id, "u1", ada)}
    assert all(entry["requestId"] and entry["address"] for entry in log)


def test_a_chat_that_is_read_again_later_is_in_the_log_again(operator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = operator.start("u1")["sessionId"]
    operator.get(f"/api/chat/messages/{session_id}")
    operator.get(f"/api/chat/messages/{session_id}")
    monkeypatch.setattr(audit, "READING_SECONDS", 0.0)
    operator.get(f"/api/chat/messages/{session_id}")

    assert len(entries(operator, action="read")) == 2


def test_a_bounded_number_of_readings_is_remembered(operator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MAX_READINGS", 2)
    for number in range(5):
        operator.get(f"/api/chat/messages/{operator.start(f'u{number}')['sessionId']}")

    assert len(audit._readings) == 2


def test_refused_actions_are_not_in_the_log(apis: Apis, operator: Api) -> None:
    session_id = operator.start("u1")["sessionId"]
    before = len(entries(operator))

    apis.user("u2").end(session_id)
    apis.user("u2").post("/api/agents", {"name": "Mallory"})
    operator.delete("/api/agents/6b02a346410e8790f1f544d2")
    operator.post("/api/auth/revoke", {"userId": ""})

    assert len(entries(operator)) == before


def test_the_log_is_filtered_and_paged(operator: Api) -> None:
    agent_id = operator.create_agent("Ada", maxUsers=50)["id"]
    for number in range(5):
        operator.start(f"u{number}")
    operator.end(operator.start("u0")["sessionId"])

    assert {entry["action"] for entry in entries(operator, userId="u0")} == {"start", "assign", "end"}
    assert len(entries(operator, agentId=agent_id, action="assign")) == 5
    whole = [entry["id"] for entry in entries(operator)][::-1]
    paged: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = data_of(operator.get(AUDIT, limit=3, **cursor))
        paged += [entry["id"] for entry in page["entries"]]
        if not page["hasMore"]:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert paged == whole
    assert_failure(operator.get(AUDIT, cursor="x"), 400, "INVALID_CURSOR")
    assert_failure(operator.get(AUDIT, sessionId="x"), 400, "INVALID_SESSION_ID")


def test_only_operators_read_it(apis: Apis, operator: Api) -> None:
    agent_id = operator.create_agent()["id"]
    assert_failure(apis.anonymous().get(AUDIT), 401, "AUTH_REQUIRED")
    for api in (apis.user("u1"), apis.agent(agent_id)):
        assert_failure(api.get(AUDIT), 403, "FORBIDDEN")
    system = apis.anonymous(Authorization=f"Bearer {make_token('crm', 'system')}")
    assert system.get(AUDIT).status_code == 200


def test_entries_expire_after_audit_days(make_app: MakeApp) -> None:
    operator = Apis(make_app(of_features={"AUDIT_DAYS": 30})).operator()
    operator.create_agent()

    entry = AuditEntry.objects.first()

    assert entry.expires_at - entry.at == timedelta(days=30)
    retention.sweep()
    assert AuditEntry.objects.count() == 1
    AuditEntry.objects.update(expires_at=now())
    retention.sweep()
    assert AuditEntry.objects.count() == 0


def test_an_action_stands_if_its_entry_cannot_be_written(
    operator: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    collection = AuditEntry.collection()

    class Failing:
        def __getattr__(self, name: str) -> Any:
            raise AutoReconnect("the database is away")

    monkeypatch.setattr(background, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(AuditEntry, "collection", Failing)

    assert operator.post("/api/agents", {"name": "Ada"}).status_code == 201

    assert "audit entry could not be written" in caplog.text
    assert [record.levelname for record in caplog.records if "audit entry" in record.message] == ["ERROR"]
    monkeypatch.setattr(AuditEntry, "collection", lambda: collection)
    assert eventually(lambda: collection.count_documents({"action": "agent_created"})) == 1


def test_actions_of_the_server_have_no_caller(make_app: MakeApp) -> None:
    operator = Apis(make_app(of_features={"RETENTION_DAYS": 1})).operator()
    session_id = operator.start("u1")["sessionId"]
    operator.end(session_id)
    from chatsupport.documents import Session

    Session.objects.update(ended_at=Session.objects.first().ended_at - timedelta(days=2))

    retention.sweep()

    entry = only(operator, action="retention")
    assert (entry["callerType"], entry["details"]["sessions"]) == ("server", 1)


def test_every_audited_action_is_described() -> None:
    actions = {value for name, value in vars(audit).items() if name.isupper() and isinstance(value, str)}
    described = openapi_document()["components"]["schemas"]["AuditEntry"]["properties"]["action"]["enum"]

    assert set(described) == actions - {audit.SERVER}
