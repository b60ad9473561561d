"""How mails reach the mail server: attempts, encryption, and texts that try to be more than texts."""

from __future__ import annotations

import re
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from chatsupport.database.clock import now
from chatsupport.features.mail import jobs, smtp, unread
from chatsupport.features.mail.documents import MailJob
from chatsupport.features.mail.parsers import mail_server
from chatsupport.observability import metrics
from tests.api import Api, Apis, assert_failure, data_of
from tests.applications import MakeApp
from tests.e2e.tls import SelfSigned
from tests.features.mail.conftest import EMAIL, PUBLIC_URL, Desk, Jobs
from tests.features.mail.mail_server import MailServer, takes_login


def make_due() -> None:
    """Let the next attempt be due."""
    MailJob.collection().update_many({}, {"$set": {"nextAt": now() - timedelta(seconds=1)}})


def the_job(jobs_now: Jobs) -> dict[str, Any]:
    (job,) = jobs_now()
    return job


def test_a_server_that_is_away_gets_the_mail_when_it_is_back(desk: Desk, mails: MailServer, jobs_now: Jobs) -> None:
    desk.answer(desk.start())
    mails.stop()
    desk.pass_time()
    assert desk.work() == []
    job = the_job(jobs_now)
    assert (job["state"], job["attempts"]) == ("waiting", 1)
    assert "refused" in job["reason"]
    assert desk.work() == []  # It is not due.

    mails.start()
    make_due()

    assert len(desk.work()) == 1
    assert the_job(jobs_now)["state"] == "sent"


def test_a_refusal_for_now_is_tried_again_with_the_same_id(desk: Desk, mails: MailServer, jobs_now: Jobs) -> None:
    mails.refuses_data = ["451 4.3.0 Try again later"]
    session_id = desk.start()
    desk.answer(session_id)
    desk.pass_time()
    assert desk.work() == []
    assert the_job(jobs_now)["reason"] == "451 4.3.0 Try again later"
    make_due()
    (mail,) = desk.work()

    assert mail.id == f"<unread-{session_id}-0@example.com>"


def test_a_refused_recipient_is_not_tried_again(desk: Desk, mails: MailServer, jobs_now: Jobs) -> None:
    mails.refuses_recipient = f"550 5.1.1 <{EMAIL}> no such user"
    failed = metrics.MAILS.values["failed"]
    desk.answer(desk.start())
    desk.pass_time()

    assert desk.work() == []
    job = the_job(jobs_now)
    assert (job["state"], job["reason"], "to" in job) == ("failed", "550 5.1.1 … no such user", False)
    assert metrics.MAILS.values["failed"] == failed + 1


def test_after_a_day_it_has_failed(desk: Desk, mails: MailServer, jobs_now: Jobs) -> None:
    mails.stop()
    desk.answer(desk.start())
    desk.pass_time()
    desk.work()
    MailJob.collection().update_many({}, {"$set": {"giveUpAt": now(), "nextAt": now() - timedelta(seconds=1)}})
    desk.work()

    assert the_job(jobs_now)["state"] == "failed"


def test_a_claim_of_a_killed_process_runs_out(desk: Desk, jobs_now: Jobs) -> None:
    desk.answer(desk.start())
    desk.pass_time()
    unread.look()
    jobs._claim()
    jobs._claims.clear()  # The process is killed.
    assert desk.work() == []
    make_due()

    assert len(desk.work()) == 1
    assert the_job(jobs_now)["attempts"] == 2


def test_a_claim_is_kept_while_its_mail_is_being_sent(desk: Desk, mails: MailServer, jobs_now: Jobs) -> None:
    seen: list[Any] = []

    def look() -> None:
        MailJob.collection().update_many({}, {"$set": {"nextAt": now()}})
        jobs.renew()
        seen.append(the_job(jobs_now)["nextAt"] - now())

    mails.before_answer = look
    desk.answer(desk.start())
    desk.pass_time()

    assert len(desk.work()) == 1
    assert seen[0] > timedelta(seconds=5)


HOSTILE = "Eve\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script>\u202etxt.exe"


def test_texts_add_no_header_no_markup_and_turn_nothing(desk: Desk, operator: Api, mails: MailServer) -> None:
    assert operator.patch(f"/api/agents/{desk.agent_id}", {"name": HOSTILE.replace("\r\n", " ")}).status_code == 200
    session_id = desk.start(visitor={"name": HOSTILE.replace("\r\n", " "), "email": EMAIL})
    desk.answer(session_id, f"{HOSTILE}\n.\r\nMAIL FROM:<a@b.c>\n-- \nStop these mails:\nhttps://evil.example/x")
    desk.answer(session_id, "long " + "x" * 990)

    mail = desk.mail()

    assert mail.recipients == [EMAIL]
    assert mail.parsed.defects == []
    assert "Bcc" not in mail.parsed
    assert max(map(len, mail.raw.split(b"\r\n"))) <= 998
    assert b"\n" not in mail.raw.replace(b"\r\n", b"")
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", f"{mail.parsed['Subject']}{mail.text()}{mail.text('html')}")
    assert "<script" not in mail.text("html")
    assert "\nhttps://evil.example" not in mail.text()  # Its lines are indented.
    assert "    -- \n" in mail.text()
    assert "x" * 990 in mail.text()


@pytest.mark.parametrize("address", ["grüße@example.com", "grace@bücher.example", "a.b+c!{}@example.com"])
def test_unusual_addresses_arrive_or_fail_without_an_error(desk: Desk, address: str, jobs_now: Jobs) -> None:
    desk.answer(desk.start(visitor={"email": address}))
    desk.pass_time()
    mails = desk.work()

    job = the_job(jobs_now)
    if address.startswith("gr\u00fc"):
        assert mails[0].recipients == [address] if mails else job["state"] == "waiting"
    else:
        assert mails[0].recipients == [address.replace("b\u00fccher", "xn--bcher-kva")]


def test_the_owner_of_an_address_unsubscribes(desk: Desk, apis: Apis) -> None:
    desk.answer(desk.start())
    mail = desk.mail()
    one_click = re.fullmatch(
        f"<{PUBLIC_URL}(/api/mail/unsubscribe/one-click[?]token=[^>]+)>", str(mail.parsed["List-Unsubscribe"])
    )
    assert one_click
    assert mail.parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.links()[1].startswith(f"{PUBLIC_URL}/unsubscribe#")
    token = mail.links()[1].partition("#")[2]

    stranger = apis.anonymous()
    assert_failure(stranger.post("/api/mail/unsubscribe", {"token": f"{token}x"}), 401, "INVALID_TOKEN")
    for wrong in (7, "\ud800"):
        assert_failure(stranger.post("/api/mail/unsubscribe", {"token": wrong}), 401, "INVALID_TOKEN")
    assert_failure(stranger.post("/api/mail/unsubscribe"), 401, "INVALID_TOKEN")
    assert_failure(stranger.post("/api/mail/unsubscribe/one-click?token=x"), 401, "INVALID_TOKEN")
    assert data_of(stranger.post("/api/mail/unsubscribe", {"token": token})) == {}
    answer = stranger.client.post(one_click[1], data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert_failure(apis.bearer(token).get("/api/chat/session/current"), 401, "INVALID_TOKEN")

    desk.answer(desk.start("u2"))
    desk.pass_time()
    assert desk.work() == [mail]


def test_without_a_mail_server_nothing_is_noted(make_app: MakeApp) -> None:
    apis = Apis(make_app())
    operator = apis.operator()
    ada = operator.create_agent("Ada")["id"]
    session_id = data_of(
        apis.user("u1").post("/api/chat/start-session", {"userId": "u1", "visitor": {"email": EMAIL}})
    )["sessionId"]
    apis.agent(ada).send(session_id)
    for work in (unread.look, unread.look_at_all, jobs.send_waiting, jobs.count):
        work()

    assert unread._noted.get(ObjectId(session_id), 0) == 0
    assert data_of(apis.anonymous().get("/api/mail")) == {"isOffered": False}


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SelfSigned:
    """A certificate for 127.0.0.1."""
    front = SelfSigned(tmp_path, 9, "mail.internal")
    front.close()
    return front


def trust(certificate: SelfSigned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))


@pytest.mark.parametrize("tls", ["starttls", "at once"])
def test_an_encrypted_connection_needs_a_trusted_certificate(
    certificate: SelfSigned, tls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.certificate.with_name("key.pem"))
    login = {"authenticator": takes_login("chat", "p@ss word")}
    options = (
        {"ssl_context": context, "auth_require_tls": False}
        if tls == "at once"
        else {"tls_context": context, "require_starttls": True}
    )
    server = MailServer({**login, **options})
    scheme = "smtps" if tls == "at once" else "smtp"
    wanted = mail_server(f"{scheme}://chat:p%40ss%20word@mail.internal:{server.port}")
    here = {**vars(wanted), "host": "127.0.0.1"}
    try:
        wanted = type(wanted)(**here)
        assert wanted.tls == tls
        with pytest.raises(smtp.MailError, match="CERTIFICATE_VERIFY_FAILED"):
            smtp.try_out(wanted, "example.com")
        trust(certificate, monkeypatch)
        smtp.try_out(wanted, "example.com")
        with pytest.raises(smtp.MailError, match="refuses the user and password"):
            smtp.try_out(type(wanted)(**{**here, "password": "wrong"}), "example.com")
    finally:
        server.stop()


def test_a_server_elsewhere_must_encrypt(mails: MailServer) -> None:
    wanted = mail_server("smtp://mail.internal")
    here = type(wanted)("127.0.0.1", mails.port, wanted.tls)

    with pytest.raises(smtp.MailError, match="STARTTLS"):
        smtp.try_out(here, "example.com")
