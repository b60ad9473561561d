"""Transcripts by mail: to whom, and how often."""

from __future__ import annotations

import pytest

from chatsupport.features.mail.documents import MailJob
from tests.api import Api, Apis, assert_failure, data_of
from tests.features.mail.conftest import EMAIL, Desk

pytestmark = pytest.mark.features("transcripts", "audit")


def path(session_id: str) -> str:
    return f"/api/chat/transcript/{session_id}/mail"


def test_a_user_gets_it_at_its_own_address(desk: Desk, apis: Apis) -> None:
    session_id = desk.start(timezone="Asia/Tokyo", locale="de")
    desk.answer(session_id, "Your parcel <b>left</b> today.")
    assert desk.agent.post(f"/api/chat/notes/{session_id}", {"text": "a difficult one"}).status_code == 201

    answer = apis.user("u1").post(path(session_id))

    assert answer.status_code == 202
    assert data_of(answer) == {"sessionId": session_id, "email": EMAIL}
    (mail,) = desk.work()
    assert mail.recipients == [EMAIL]
    assert str(mail.parsed["Subject"]).startswith("Ihr Chat vom 20")
    assert "+09:00] Ada\n    Your parcel <b>left</b> today." in mail.text()
    assert "&lt;b&gt;left" in mail.text("html")
    assert "difficult" not in mail.text() + mail.text("html")


def test_a_user_names_no_other_address(desk: Desk, apis: Apis) -> None:
    session_id, without = desk.start(), desk.start("u2", visitor={})
    user = apis.user("u1")

    assert_failure(user.post(path(session_id), {"email": "other@example.com"}), 403, "FORBIDDEN")
    assert user.post(path(session_id), {"email": EMAIL.upper()}).status_code == 202
    assert_failure(apis.user("u2").post(path(without)), 400, "INVALID_EMAIL")
    assert_failure(apis.user("u2").post(path(session_id)), 403, "FORBIDDEN")
    assert_failure(apis.anonymous().post(path(session_id)), 401, "AUTH_REQUIRED")
    assert_failure(user.post(path("0" * 24)), 404, "SESSION_NOT_FOUND")
    assert_failure(user.post(path(session_id), {"email": "x"}), 400, "INVALID_EMAIL")


def test_staff_send_it_anywhere(desk: Desk, operator: Api) -> None:
    session_id = desk.start()

    assert desk.agent.post(path(session_id), {"email": "boss@example.com"}).status_code == 202
    assert operator.post(path(session_id)).status_code == 202

    assert sorted(mail.recipients[0] for mail in desk.work()) == ["boss@example.com", EMAIL]
    entries = data_of(operator.get("/api/audit", action="transcript_mailed"))["entries"]
    assert [(entry["callerId"], entry["details"]) for entry in entries] == [
        ("system", {"to_visitor": True}),
        (desk.agent_id, {"to_visitor": False}),
    ]


def test_a_session_has_five(desk: Desk, apis: Apis) -> None:
    session_id = desk.start()
    for _ in range(5):
        assert apis.user("u1").post(path(session_id)).status_code == 202

    assert_failure(desk.agent.post(path(session_id)), 429, "RATE_LIMITED")
    assert len(desk.work()) == 5


def test_it_is_no_mail_about_unread_messages(desk: Desk, apis: Apis) -> None:
    session_id = desk.start()
    for _ in range(4):
        apis.user("u1").post(path(session_id))
    assert len(desk.work()) == 4
    desk.answer(session_id)
    desk.pass_time()

    assert len(desk.work()) == 5


def test_who_is_blocked_erased_or_unsubscribed_gets_none(desk: Desk, apis: Apis, operator: Api) -> None:
    blocked, erased, unsubscribed = (
        desk.start(user_id, visitor={"email": f"{user_id}@example.com"}) for user_id in ("u1", "u2", "u3")
    )
    for user_id, session_id in (("u1", blocked), ("u2", erased)):
        assert apis.user(user_id).post(path(session_id)).status_code == 202
    operator.post("/api/blocks", {"userId": "u1"})
    operator.delete("/api/users/u2")
    desk.answer(unsubscribed)
    token = desk.mail().links()[1].partition("#")[2]
    apis.anonymous().post("/api/mail/unsubscribe", {"token": token})
    assert apis.user("u3").post(path(unsubscribed)).status_code == 202

    assert len(desk.work()) == 1
    reasons = {job.get("reason") for job in MailJob.collection().find({"kind": "transcript"})}
    assert reasons == {"blocked", "unsubscribed"}
