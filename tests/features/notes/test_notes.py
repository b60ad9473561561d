"""Notes: staff write and read them, and no way leads one to the session's user."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask

from chatsupport.documents import Session
from chatsupport.features.notes import service
from chatsupport.features.notes.documents import Note
from chatsupport.features.notes.models import Note as Shown
from chatsupport.services.people import tombstones
from tests.api import Api, Apis, assert_failure, data_of
from tests.applications import MakeApp
from tests.interleaving import just_before
from tests.sockets import Socket, Sockets

NOTES = "/api/chat/notes"
SECRET = "called twice, very angry"


@pytest.fixture
def agent_api(apis: Apis, ada: str) -> Api:
    return apis.agent(ada)


def add(api: Api, session_id: str, text: str = SECRET) -> dict[str, Any]:
    response = api.post(f"{NOTES}/{session_id}", {"text": text})
    assert response.status_code == 201, response.json
    return data_of(response)


def notes_of(api: Api, session_id: str, **query: Any) -> list[dict[str, Any]]:
    notes: list[dict[str, Any]] = data_of(api.get(f"{NOTES}/{session_id}", **query))["notes"]
    return notes


def test_staff_write_and_read_notes(apis: Apis, operator: Api, agent_api: Api, ada: str, session_id: str) -> None:
    supervisor = apis.agent(operator.create_agent("Sue", role="supervisor", isOnline=False)["id"])

    made = [add(agent_api, session_id, "  one\ntwo "), add(supervisor, session_id), add(operator, session_id)]

    assert [(note["authorName"], note["text"]) for note in made] == [
        ("Ada", "one\ntwo"),
        ("Sue", SECRET),
        ("system", SECRET),
    ]
    assert (made[0]["authorId"], made[0]["sessionId"]) == (ada, session_id)
    for api in (agent_api, supervisor, operator):
        assert notes_of(api, session_id) == made[::-1]


def test_notes_are_listed_page_by_page_newest_first(agent_api: Api, session_id: str) -> None:
    ids = [add(agent_api, session_id, str(number))["id"] for number in range(5)]
    listed: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = data_of(agent_api.get(f"{NOTES}/{session_id}", limit=2, **cursor))
        listed += [note["id"] for note in page["notes"]]
        if not page["hasMore"]:
            break
        cursor = {"cursor": page["nextCursor"]}

    assert listed == ids[::-1]
    assert_failure(agent_api.get(f"{NOTES}/{session_id}", cursor="x"), 400, "INVALID_CURSOR")
    assert_failure(agent_api.get(f"{NOTES}/{session_id}", limit=0), 400, "INVALID_LIMIT")


@pytest.mark.parametrize("text", ["", " \u200b\n", "x" * 2001, "\x00", 1, None, {"$gt": ""}, ["x"]])
def test_an_invalid_note_is_refused(agent_api: Api, session_id: str, text: Any) -> None:
    failure = assert_failure(agent_api.post(f"{NOTES}/{session_id}", {"text": text}), 400, "INVALID_NOTE")

    assert [detail["field"] for detail in failure["details"]] == ["text"]
    assert notes_of(agent_api, session_id) == []


def test_the_longest_allowed_note_is_accepted(agent_api: Api, session_id: str) -> None:
    assert add(agent_api, session_id, "\U0001f600" * 2000)["text"] == "\U0001f600" * 2000


def test_only_staff_of_the_session_may_write_notes(apis: Apis, operator: Api, session_id: str, ben: str) -> None:
    user, other, stranger = apis.user("u1"), apis.user("u2"), apis.agent(ben)
    for api in (user, other, stranger):
        assert_failure(api.get(f"{NOTES}/{session_id}"), 403, "FORBIDDEN")
        assert_failure(api.post(f"{NOTES}/{session_id}", {"text": SECRET}), 403, "FORBIDDEN")
    for unknown in ("none", str(ObjectId())):
        assert_failure(operator.get(f"{NOTES}/{unknown}"), 404, "SESSION_NOT_FOUND")
        assert_failure(operator.post(f"{NOTES}/{unknown}", {"text": SECRET}), 404, "SESSION_NOT_FOUND")
    assert_failure(apis.anonymous().get(f"{NOTES}/{session_id}"), 401, "AUTH_REQUIRED")


@pytest.mark.parametrize("role", ["agent", "supervisor"])
def test_an_agent_asking_for_help_sees_no_notes_of_that_session(apis: Apis, operator: Api, role: str) -> None:
    asks = operator.create_agent("Cleo", role=role, isOnline=False)["id"]
    session_id = data_of(apis.agent(asks).post("/api/chat/start-session", {"userId": asks, "userType": "agent"}))[
        "sessionId"
    ]
    add(operator, session_id)

    for this in (asks, asks.upper()):  # As an older version stored it.
        Session.objects.update(user_id=this)
        assert_failure(apis.agent(asks).get(f"{NOTES}/{session_id}"), 403, "FORBIDDEN")


def test_an_agent_that_lost_the_session_reads_no_more_notes(
    apis: Apis, operator: Api, agent_api: Api, session_id: str, ben: str
) -> None:
    add(agent_api, session_id)
    data_of(operator.post(f"/api/chat/transfer/{session_id}", {"agentId": ben}))

    assert_failure(agent_api.get(f"{NOTES}/{session_id}"), 403, "FORBIDDEN")
    assert [note["authorName"] for note in notes_of(apis.agent(ben), session_id)] == ["Ada"]


def test_an_ended_session_accepts_notes(agent_api: Api, operator: Api, session_id: str) -> None:
    operator.end(session_id)
    add(agent_api, session_id)

    assert len(notes_of(agent_api, session_id)) == 1


def test_only_staff_in_the_room_are_told_of_a_note(
    operator: Api, sockets: Sockets, agent_api: Api, session_id: str, user_socket: Socket, agent_socket: Socket
) -> None:
    supervisor = sockets.agent(operator.create_agent("Sue", role="supervisor", isOnline=False)["id"])
    supervisor.join(session_id)
    system, speaks_for_user = sockets.operator(), sockets.operator()
    system.join(session_id)
    speaks_for_user.join(session_id, userId="u1", userType="user")
    outside = [sockets.user("u1"), sockets.operator()]

    note = add(agent_api, session_id)

    for staff in (agent_socket, supervisor, system):
        assert staff.heard("note_added") == [note]
        assert Shown.model_validate_json(json.dumps(note)).text == SECRET
    for other in (user_socket, speaks_for_user, *outside):
        assert SECRET not in json.dumps(other.client.queue)


@pytest.mark.features("audit", "privacy")
def test_no_answer_to_the_user_has_a_note(
    apis: Apis, operator: Api, agent_api: Api, session_id: str, user: Api
) -> None:
    add(agent_api, session_id)
    user.send(session_id)

    for path in ("session/current", f"session/{session_id}", f"messages/{session_id}"):
        assert SECRET not in user.get(f"/api/chat/{path}").text
    assert SECRET not in operator.get("/api/users/u1/export").text
    assert SECRET not in operator.get("/api/audit").text


@pytest.mark.features("audit")
def test_the_audit_log_says_who_reads_the_notes_of_a_chat(operator: Api, session_id: str) -> None:
    notes_of(operator, session_id)

    entries = data_of(operator.get("/api/audit", action="read"))["entries"]
    assert [entry["sessionId"] for entry in entries] == [session_id]


def test_a_guest_that_becomes_known_keeps_its_notes(apis: Apis, operator: Api, agent: dict[str, Any]) -> None:
    guest = data_of(apis.anonymous().post("/api/auth/token", {"guest": True}))
    session_id = apis.bearer(guest["token"]).start(guest["userId"])["sessionId"]
    note = add(operator, session_id)

    data_of(apis.user("u1").post("/api/auth/identify", {"guestToken": guest["token"]}))

    assert notes_of(operator, session_id) == [note]


@pytest.mark.features("privacy")
def test_an_erasure_deletes_the_notes_about_a_person(operator: Api, agent_api: Api, session_id: str) -> None:
    other = operator.start("u2")["sessionId"]
    add(agent_api, session_id)
    add(operator, other)

    data_of(operator.delete("/api/users/u1"))

    assert [str(note["sessionId"]) for note in Note.collection().find()] == [other]


@pytest.mark.features("privacy")
def test_an_agent_gets_the_notes_it_wrote_and_has_them_erased(
    operator: Api, agent_api: Api, ada: str, session_id: str
) -> None:
    note = add(agent_api, session_id)
    others = add(operator, session_id)

    assert data_of(operator.get(f"/api/users/{ada}/export", userType="agent"))["notes"] == [note]
    data_of(operator.delete(f"/api/users/{ada}?userType=agent"))

    assert notes_of(operator, session_id) == [others]


@pytest.mark.features("privacy")
def test_a_note_stored_after_an_erasure_is_deleted(
    operator: Api, agent_api: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The erasure has looked for notes while this one was on its way."""
    just_before(monkeypatch, service, "_name_of", lambda: operator.delete("/api/users/u1"))
    response = agent_api.post(f"{NOTES}/{session_id}", {"text": SECRET})

    assert_failure(response, 403, "FORBIDDEN")
    assert Note.objects.count() == 0


@pytest.mark.features("privacy")
def test_a_person_who_comes_back_after_an_erasure_can_have_notes(
    operator: Api, agent_api: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tombstones, "UNDER_WAY", timedelta(0))
    data_of(operator.delete("/api/users/u1"))
    again = operator.start("u1")["sessionId"]

    add(agent_api, again)

    assert len(notes_of(agent_api, again)) == 1


@pytest.mark.features("privacy")
def test_notes_are_deleted_with_old_sessions(make_app: MakeApp) -> None:
    from chatsupport.features.privacy import retention

    operator = Apis(make_app(of_features={"RETENTION_DAYS": 1})).operator()
    old, new = (operator.start(user)["sessionId"] for user in ("u1", "u2"))
    for session_id in (old, new):
        add(operator, session_id)
        operator.end(session_id)
    Session.objects(id=old).update(ended_at=Session.objects(id=old).get().ended_at - timedelta(days=2))

    retention.sweep()

    assert [str(note["sessionId"]) for note in Note.collection().find()] == [new]


def test_a_note_on_a_session_deleted_meanwhile_is_not_kept(
    operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    just_before(monkeypatch, service, "_name_of", Session.objects.delete)
    response = operator.post(f"{NOTES}/{session_id}", {"text": SECRET})

    assert_failure(response, 404, "SESSION_NOT_FOUND")
    assert Note.objects.count() == 0


def test_a_page_of_notes_is_read_from_an_index(app: Flask, agent_api: Api, session_id: str, profile: Any) -> None:
    for number in range(4):
        add(agent_api, session_id, str(number))
    notes_of(agent_api, session_id, limit=2)

    (read,) = [row for row in profile() if row["ns"].endswith(".notes") and row["op"] == "query"]
    assert (read["docsExamined"], read.get("hasSortStage", False)) == (3, False)
