"""Mails about unread messages: who gets one, when, and what is in it."""

from __future__ import annotations

import pytest

from chatsupport import background
from chatsupport.documents import Session
from chatsupport.features.mail import jobs, unread
from tests.api import Api, Apis, data_of
from tests.concurrency import run_together
from tests.features.mail.conftest import EMAIL, PUBLIC_URL, SITE, Desk, Jobs
from tests.sockets import Sockets


def test_a_visitor_who_has_left_gets_one_mail_for_a_burst(desk: Desk) -> None:
    session_id = desk.start()
    for text in ("Hello!", "Your parcel left today.", "Anything else?"):
        desk.answer(session_id, text)

    mail = desk.mail()

    assert (mail.recipients, mail.sender) == ([EMAIL], "chat@example.com")
    assert mail.parsed["From"] == "Example Support <chat@example.com>"
    assert mail.parsed["Subject"] == "Ada answered you in the chat"
    assert mail.parsed["Auto-Submitted"] == "auto-generated"
    assert all(text in mail.text() and text in mail.text("html") for text in ("Hello!", "parcel", "Anything else?"))
    assert mail.links()[0].startswith(f"{SITE}/cart?step=2#chat=")
    assert desk.work() == [mail]


def test_nothing_is_sent_before_its_time(desk: Desk) -> None:
    desk.answer(desk.start())
    desk.pass_time(seconds=60)

    assert desk.work() == []


def test_later_messages_make_a_new_mail(desk: Desk) -> None:
    session_id = desk.start()
    desk.answer(session_id, "first")
    desk.mail()
    desk.answer(session_id, "second")
    desk.pass_time()

    first, second = desk.work()

    assert first.id != second.id
    assert "second" in second.text()
    assert "first" in second.text()  # It is not read yet.


def test_a_message_that_comes_while_the_mail_is_made_is_in_the_next_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = desk.start()
    desk.answer(session_id, "first")
    desk.pass_time()
    add = jobs.add

    def late(*arguments: object) -> object:
        added = add(*arguments)  # type: ignore[arg-type]
        desk.answer(session_id, "late")
        desk.pass_time(0)
        return added

    monkeypatch.setattr(jobs, "add", late)
    unread.look()
    monkeypatch.undo()
    assert desk.kept(session_id)["dueAt"]
    desk.pass_time()

    assert ["late" in mail.text() for mail in sorted(desk.work(), key=lambda mail: mail.id)] == [False, True]


def test_who_reads_meanwhile_gets_none(desk: Desk, sockets: Sockets, jobs_now: Jobs) -> None:
    session_id = desk.start()
    seq = desk.answer(session_id)
    socket = sockets.user("u1")
    socket.join(session_id)
    socket.call("mark_read", {"sessionId": session_id, "seq": seq})
    socket.client.disconnect()
    desk.pass_time()

    assert desk.work() == []
    assert jobs_now() == []
    assert "dueAt" not in desk.kept(session_id)


def test_a_mail_that_waits_is_cancelled_once_its_messages_are_read(
    desk: Desk, sockets: Sockets, jobs_now: Jobs
) -> None:
    session_id = desk.start()
    seq = desk.answer(session_id)
    desk.pass_time()
    unread.look()
    socket = sockets.user("u1")
    socket.join(session_id)
    socket.call("mark_read", {"sessionId": session_id, "seq": seq})

    assert desk.work() == []
    assert [(job["state"], job["reason"], "to" in job) for job in jobs_now()] == [("cancelled", "read", False)]


def test_who_has_answered_gets_none(desk: Desk, apis: Apis) -> None:
    session_id = desk.start()
    desk.answer(session_id)
    apis.user("u1").send(session_id, "Thanks")
    desk.pass_time()

    assert desk.work() == []


def test_a_visitor_with_a_socket_gets_none_until_it_is_gone(desk: Desk, sockets: Sockets) -> None:
    session_id = desk.start()
    socket = sockets.user("u1")
    desk.answer(session_id)
    desk.pass_time()
    assert desk.work() == []
    desk.pass_time(seconds=60)
    assert desk.work() == []  # It was postponed by MAIL_AFTER.
    socket.client.disconnect()

    assert desk.mail()


def test_only_messages_of_agents_make_a_mail(desk: Desk, apis: Apis, operator: Api, jobs_now: Jobs) -> None:
    session_id = desk.start()
    apis.user("u1").send(session_id, "Hello?")
    operator.send(session_id, "Please wait", senderType="system", senderId="bot")
    assert desk.agent.post(f"/api/chat/notes/{session_id}", {"text": "difficult"}).status_code == 201
    desk.pass_time()

    assert desk.work() == []
    assert desk.kept(session_id) == {}
    assert jobs_now() == []


def test_without_an_address_there_is_no_mail_until_one_is_given(desk: Desk, apis: Apis) -> None:
    session_id = desk.start(visitor={"name": "Grace"})
    desk.answer(session_id)
    desk.pass_time()
    assert desk.work() == []

    changed = apis.user("u1").patch(f"/api/chat/session/{session_id}", {"visitor": {"email": "late@example.com"}})

    assert changed.status_code == 200
    assert desk.mail().recipients == ["late@example.com"]


def test_an_ended_chat_is_told_about_too(desk: Desk) -> None:
    session_id = desk.start()
    desk.answer(session_id)
    assert desk.agent.end(session_id).status_code == 200

    assert desk.mail()


def test_what_a_killed_process_has_not_noted_is_found(desk: Desk) -> None:
    open_one, ended = desk.start("u1"), desk.start("u2")
    for session_id in (open_one, ended):
        desk.answer(session_id)
    desk.agent.end(ended)
    background.flush_all()
    Session.collection().update_many({"userId": {"$in": ["u1", "u2"]}}, {"$unset": {"features.mail": ""}})
    unread._looked_at.clear()
    unread.look_at_all()
    desk.pass_time()

    assert len(desk.work()) == 2
    unread.look_at_all()
    desk.pass_time()
    assert len(desk.work()) == 2


def test_two_processes_make_one_mail(desk: Desk, jobs_now: Jobs) -> None:
    for number in range(5):
        desk.answer(desk.start(f"u{number}", visitor={"email": f"u{number}@example.com"}))
    desk.pass_time()

    run_together(*[unread.look] * 4)
    run_together(*[jobs.send_waiting] * 4)
    desk.work()

    assert sorted(mail.recipients[0] for mail in desk.mails.got) == [f"u{number}@example.com" for number in range(5)]
    assert [job["state"] for job in jobs_now()] == ["sent"] * 5


def test_a_blocked_visitor_gets_none(desk: Desk, operator: Api, jobs_now: Jobs) -> None:
    desk.answer(desk.start())
    assert operator.post("/api/blocks", {"userId": "u1"}).status_code == 201
    desk.pass_time()

    assert desk.work() == []
    assert [job["reason"] for job in jobs_now()] == ["blocked"]


@pytest.mark.parametrize("is_made", [False, True])
def test_an_erased_visitor_gets_none(desk: Desk, operator: Api, jobs_now: Jobs, is_made: bool) -> None:
    session_id = desk.start()
    desk.answer(session_id)
    desk.pass_time()
    if is_made:
        unread.look()
        assert data_of(operator.get("/api/users/export", userId="u1"))["mails"][0]["to"] == EMAIL

    assert operator.delete("/api/users?userId=u1").status_code == 200

    assert desk.work() == []
    assert jobs_now() == []
    assert desk.kept(session_id) == {}


def test_an_address_gets_three_mails_a_day(desk: Desk, jobs_now: Jobs) -> None:
    for number in range(5):
        desk.answer(desk.start(f"u{number}"))
    desk.pass_time()

    assert len(desk.work()) == 3
    assert sorted(job.get("reason", "") for job in jobs_now()) == ["", "", "", "too many", "too many"]


def test_the_page_of_another_site_is_not_linked(desk: Desk) -> None:
    desk.answer(desk.start(page={"url": "https://evil.example/cart"}))

    (link, stop) = desk.mail().links()

    assert link.startswith(f"{PUBLIC_URL}/mail#chat=")
    assert stop.startswith(f"{PUBLIC_URL}/unsubscribe#")


def test_who_was_vouched_for_gets_a_link_without_a_token(desk: Desk, operator: Api) -> None:
    body = {"userId": "u1", "visitor": {"email": EMAIL}, "page": {"url": f"{SITE}/account#orders"}}
    session_id = data_of(operator.post("/api/chat/start-session", body))["sessionId"]
    desk.answer(session_id)

    assert desk.mail().links()[0] == f"{SITE}/account"


@pytest.mark.parametrize(
    ("locale", "subject", "direction"),
    [("de-AT", "Ada hat Ihnen", "ltr"), ("ar", "رد عليك Ada", "rtl"), ("fr", "Ada answered", "ltr")],
)
def test_the_mail_is_in_the_visitors_language(desk: Desk, locale: str, subject: str, direction: str) -> None:
    desk.answer(desk.start(locale=locale))

    mail = desk.mail()

    assert str(mail.parsed["Subject"]).startswith(subject)
    assert f'dir="{direction}"' in mail.text("html")


def test_a_message_that_is_a_moment_old_makes_no_mail_with_one_that_was_read(
    desk: Desk, sockets: Sockets, jobs_now: Jobs
) -> None:
    session_id = desk.start()
    seq = desk.answer(session_id)
    socket = sockets.user("u1")
    socket.join(session_id)
    socket.call("mark_read", {"sessionId": session_id, "seq": seq})
    desk.pass_time()
    desk.answer(session_id, "just now")
    # It is not noted yet.
    Session.objects(id=session_id).update(__raw__={"$set": {"features.mail.noted": seq}})

    unread.look()

    assert jobs_now() == []
