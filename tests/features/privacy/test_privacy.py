"""Stored data about a person is exported, erased, and deleted after its time."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from chatsupport.database import connection
from chatsupport.database.clock import now
from chatsupport.documents import Counters, Message, Session
from chatsupport.features.audit import service as audit
from chatsupport.features.privacy import erasure, retention
from chatsupport.services.server import totals
from tests.api import Api, Apis, assert_failure, data_of
from tests.applications import MakeApp
from tests.sockets import Sockets

SECRET = "my card is 4111 1111"
USER = "jane.doe@example.com"


def everything() -> str:
    """Return everything in the database except the revocation, which expires with the tokens."""
    audit.flush()
    database = connection.database()
    names = set(database.list_collection_names()) - {"denials"}
    return str({name: list(database[name].find()) for name in names})


@pytest.fixture
def chat(app: Flask, apis: Apis, operator: Api) -> dict[str, str]:
    """An ended and an open session of a user, with messages of both sides and marks."""
    agent_id = operator.create_agent("Ada", maxUsers=5)["id"]
    user, agent = apis.user(USER), apis.agent(agent_id)
    first = user.start(USER)["sessionId"]
    user.send(first, SECRET, clientMessageId=f"{USER}-1")
    agent.send(first, f"Hello {USER}")
    user.end(first, reason=f"bye from {USER}")
    second = user.start(USER)["sessionId"]
    user.send(second, SECRET)
    socket = Sockets(app).user(USER)
    socket.join(second)
    socket.call("mark_read", {"sessionId": second, "seq": 1})
    other = operator.start("u2")["sessionId"]
    apis.user("u2").send(other, "not his")
    from chatsupport.services.messages import read_marks

    read_marks.flush()
    return {"agent": agent_id, "first": first, "second": second, "other": other}


def test_an_export_holds_everything(apis: Apis, operator: Api, chat: dict[str, str]) -> None:
    operator.post("/api/blocks", {"userId": USER, "reason": "rude"})

    data = data_of(operator.get(f"/api/users/{USER}/export"))

    assert (data["userId"], data["userType"]) == (USER, "user")
    assert [session["id"] for session in data["sessions"]] == [chat["second"], chat["first"]]
    assert [message["message"] for message in data["sessions"][1]["messages"]] == [SECRET, f"Hello {USER}"]
    assert [block["reason"] for block in data["blocks"]] == ["rude"]
    assert {"start", "end", "block"} <= {entry["action"] for entry in data["auditEntries"]}
    assert "not his" not in json.dumps(data)


def test_an_agents_export_has_its_messages(operator: Api, chat: dict[str, str]) -> None:
    data = data_of(operator.get(f"/api/users/{chat['agent']}/export", userType="agent"))

    assert data["agent"]["name"] == "Ada"
    assert [message["message"] for message in data["sentMessages"]] == [f"Hello {USER}"]


def test_an_erased_person_is_nowhere_in_the_database(
    app: Flask, apis: Apis, operator: Api, chat: dict[str, str]
) -> None:
    statistics = data_of(operator.get("/api/chat/stats"))
    socket = Sockets(app).user(USER)
    socket.join(chat["second"])
    assert USER in everything()

    erased = data_of(operator.delete(f"/api/users/{USER}"))

    assert (erased["sessions"], erased["messages"]) == (2, 3)
    assert USER not in everything()
    assert "4111" not in everything()
    assert "not his" in everything()
    assert not socket.is_connected
    assert_failure(apis.user(USER).get("/api/chat/stats"), 401, "INVALID_TOKEN")
    # Actions and times stay, and each person has one pseudonym.
    messages = data_of(operator.get(f"/api/chat/messages/{chat['first']}"))["messages"]
    assert [(message["seq"], message["message"], message["erased"]) for message in messages] == [
        (1, "", True),
        (2, "", True),
    ]
    assert [message["senderId"] for message in messages] == [erased["pseudonym"], chat["agent"]]
    assert all("clientMessageId" not in message for message in messages)
    second = operator.session(chat["second"])
    assert (second["status"], second["endReason"], second["userId"]) == ("ended", "User erased", erased["pseudonym"])
    assert [mark["userId"] for mark in second["readSeq"]] == [erased["pseudonym"]]
    after = data_of(operator.get("/api/chat/stats"))
    assert after["messages"]["total"] == statistics["messages"]["total"]
    assert after["sessions"]["total"] == statistics["sessions"]["total"]
    agent = data_of(operator.get(f"/api/agents/{chat['agent']}"))
    assert agent["activeUsers"] == ["u2"]
    log = data_of(operator.get("/api/audit", action="erase"))["entries"]
    assert [(entry["userId"], entry["details"]) for entry in log] == [
        (erased["pseudonym"], {"sessions": 2, "messages": 3})
    ]


def test_an_erasure_that_was_interrupted_is_finished_by_the_next(
    operator: Api, chat: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(erasure._Work, "_rename_in_sessions", die)
        assert operator.delete(f"/api/users/{USER}").status_code == 500

    assert operator.delete(f"/api/users/{USER}").status_code == 200
    assert USER not in everything()


def test_erasing_an_unknown_person_is_no_error(operator: Api) -> None:
    assert data_of(operator.delete("/api/users/nobody"))["sessions"] == 0


def test_the_messages_of_an_erased_agent_are_emptied(operator: Api, chat: dict[str, str]) -> None:
    operator.delete(f"/api/users/{chat['agent']}?userType=agent")

    assert "Hello" not in everything()
    assert SECRET in everything()


def test_ids_with_slashes_and_dots_are_ids(operator: Api) -> None:
    for user_id, path in (
        ("a/b", "a%2Fb"),
        ("a/export", "a%2Fexport"),
        ("a/export/export", "a/export%2Fexport"),
        ("/lead", "%2Flead"),
        ("//", "%2f%2F"),
        ("trail/", "trail%2f"),
        ("a\nb", "a%0Ab"),
        ("a%2Fb", "a%252Fb"),
        ("a%b", "a%25b"),
        ("ü 😀?#", "%C3%BC%20%F0%9F%98%80%3F%23"),
    ):
        session_id = operator.start(user_id)["sessionId"]
        exported = data_of(operator.get(f"/api/users/{path}/export"))
        assert (exported["userId"], exported["sessions"][0]["id"]) == (user_id, session_id)
        assert data_of(operator.client.delete(f"/api/users/{path}", headers=operator.headers))["sessions"] == 1


def test_a_path_that_is_not_valid_text_names_nobody(operator: Api) -> None:
    operator.start("\ufffd")

    for path in ("%ff", "a%C3", "%ED%A0%80"):
        assert_failure(operator.get(f"/api/users/{path}/export"), 404, "NOT_FOUND")
        assert_failure(operator.client.delete(f"/api/users/{path}", headers=operator.headers), 404, "NOT_FOUND")


def test_only_operators_export_and_erase(apis: Apis, operator: Api, chat: dict[str, str]) -> None:
    for api in (apis.user(USER), apis.agent(chat["agent"])):
        assert_failure(api.get(f"/api/users/{USER}/export"), 403, "FORBIDDEN")
        assert_failure(api.delete(f"/api/users/{USER}"), 403, "FORBIDDEN")
    assert_failure(apis.anonymous().delete(f"/api/users/{USER}"), 401, "AUTH_REQUIRED")
    assert SECRET in everything()


def test_old_sessions_are_deleted_with_their_messages(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    operator = Apis(make_app(of_features={"RETENTION_DAYS": 30})).operator()
    operator.create_agent("Ada", maxUsers=50)
    ids = [operator.start(f"u{number}")["sessionId"] for number in range(7)]
    for session_id in ids:
        operator.send(session_id, "hello")
        operator.send(session_id, "again")
    for session_id in ids[:6]:
        operator.end(session_id)
    old = now() - timedelta(days=31)
    Session.objects(id__in=ids[:5]).update(ended_at=old, created_at=old - timedelta(minutes=1))
    # An open session is kept at any age.
    Session.objects(id=ids[6]).update(created_at=old)
    Counters.objects.delete()
    totals.reset()
    totals.measure()

    assert retention.sweep() == 5

    assert {str(session.id) for session in Session.objects} == set(ids[5:])
    assert {str(message.session_id) for message in Message.objects} == set(ids[5:])
    assert totals.counts() == {"sessions": 2, "messages": 4}
    kept = totals.read()
    Counters.objects.delete()
    totals.reset()
    totals.measure()
    assert totals.read() == kept
    assert kept["ended"] == 1
    assert retention.sweep() == 0


def test_without_retention_days_nothing_is_deleted(operator: Api) -> None:
    operator.end(operator.start("u1")["sessionId"])
    Session.objects.update(ended_at=now() - timedelta(days=5000))

    assert retention.sweep() == 0
    assert Session.objects.count() == 1
