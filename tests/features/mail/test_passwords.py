"""Forgotten passwords: a link by mail, which works once, for half an hour, and tells nobody who is an agent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from chatsupport.features.mail import jobs, passwords
from chatsupport.features.mail.documents import MailJob
from tests.api import Api, Apis, assert_failure, data_of
from tests.applications import MakeApp
from tests.commands import COMMANDS
from tests.concurrency import eventually, run_together
from tests.features.mail.conftest import PUBLIC_URL, Desk, variables
from tests.features.mail.mail_server import MailServer
from tests.sockets import Sockets

EMAIL, OLD, NEW = "ada@example.com", "correct horse battery", "another horse battery"
FORGOT, RESET, LOGIN = "/api/auth/forgot-password", "/api/auth/reset-password", "/api/auth/login"


@pytest.fixture
def anybody(apis: Apis) -> Api:
    return apis.anonymous()


@pytest.fixture(autouse=True)
def eve(operator: Api) -> str:
    """An agent with a password."""
    return str(operator.create_agent("Eve", email=EMAIL, password=OLD)["id"])


def link(desk: Desk, anybody: Api, email: str = EMAIL) -> str:
    """Ask for a link, and return its token."""
    assert anybody.post(FORGOT, {"email": email}).status_code == 202
    (url,) = desk.work()[-1].links()
    assert url.startswith(f"{PUBLIC_URL}/console#reset=")
    return url.partition("=")[2]


def sign_in(anybody: Api, password: str) -> int:
    return anybody.post(LOGIN, {"email": EMAIL, "password": password}).status_code


def test_an_agent_gets_a_new_password_once(desk: Desk, apis: Apis, anybody: Api, sockets: Sockets, eve: str) -> None:
    signed_in = data_of(anybody.post(LOGIN, {"email": EMAIL, "password": OLD}))["token"]
    socket = sockets.attempt({"token": signed_in})
    token = link(desk, anybody, f" {EMAIL.upper()} ")

    assert_failure(anybody.post(RESET, {"token": token, "password": "short"}), 400, "INVALID_PASSWORD")
    assert data_of(anybody.post(RESET, {"token": token, "password": NEW})) == {}

    assert (sign_in(anybody, OLD), sign_in(anybody, NEW)) == (401, 200)
    assert_failure(apis.bearer(signed_in).get(f"/api/agents/{eve}"), 401, "INVALID_TOKEN")
    assert eventually(lambda: not socket.is_connected)
    assert_failure(anybody.post(RESET, {"token": token, "password": OLD}), 400, "INVALID_RESET_TOKEN")
    assert sign_in(anybody, NEW) == 200


def test_two_uses_at_once_are_one(desk: Desk, anybody: Api, apis: Apis) -> None:
    token = link(desk, anybody)
    both = [lambda: apis.anonymous().post(RESET, {"token": token, "password": NEW}).status_code] * 2

    assert sorted(run_together(*both)) == [200, 400]


@pytest.mark.parametrize("change", [{"password": "a third one, set by a supervisor"}, {"email": "eve@example.com"}])
def test_another_change_ends_the_link(
    desk: Desk, anybody: Api, operator: Api, eve: str, change: dict[str, Any]
) -> None:
    token = link(desk, anybody)
    assert operator.patch(f"/api/agents/{eve}", change).status_code == 200

    assert_failure(anybody.post(RESET, {"token": token, "password": NEW}), 400, "INVALID_RESET_TOKEN")


def test_a_link_is_valid_for_half_an_hour(desk: Desk, anybody: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    token = link(desk, anybody)
    real = passwords.now_ms
    monkeypatch.setattr(passwords, "now_ms", lambda: real() + 30 * 60 * 1000)

    assert_failure(anybody.post(RESET, {"token": token, "password": NEW}), 400, "INVALID_RESET_TOKEN")


def test_other_texts_are_no_tokens(desk: Desk, anybody: Api, eve: str) -> None:
    from chatsupport.features.mail.addresses import signer, unsubscribe_token

    forged = [signer("reset").dumps(value) for value in (7, [eve], [eve, "x", "y"], ["x", "x", 9e15], [eve, 7, 9e15])]
    unknown = signer("reset").dumps([str(ObjectId()), "x", 9e15])
    for token in (link(desk, anybody)[:-1], unsubscribe_token(EMAIL), "x", "é", *forged, unknown):
        assert_failure(anybody.post(RESET, {"token": token, "password": NEW}), 400, "INVALID_RESET_TOKEN")
    for body in ({}, {"token": 7, "password": NEW}, {"token": "", "password": NEW}):
        assert_failure(anybody.post(RESET, body), 400, "INVALID_RESET_TOKEN")


@pytest.mark.parametrize("who", ["nobody", "without a password", "blocked"])
def test_who_gets_no_link_gets_the_same_answer(desk: Desk, anybody: Api, operator: Api, eve: str, who: str) -> None:
    if who == "blocked":
        assert operator.post("/api/blocks", {"userId": eve, "userType": "agent"}).status_code == 201
    operator.create_agent("New", email="new@example.com")
    email = {"nobody": "nobody@example.com", "without a password": "new@example.com", "blocked": EMAIL}[who]
    with COMMANDS.counted() as sent:
        answer = anybody.post(FORGOT, {"email": email})
    with COMMANDS.counted() as sent_of_an_agent:
        expected = anybody.post(FORGOT, {"email": "other@example.com"})

    assert (answer.status_code, data_of(answer)) == (expected.status_code, data_of(expected))
    assert sent == sent_of_an_agent == ["findAndModify mail_jobs"]
    assert desk.work() == []
    assert MailJob.collection().count_documents({"state": "cancelled"}) == 2


def test_a_link_that_cannot_be_sent_is_tried_for_half_an_hour(desk: Desk, anybody: Api) -> None:
    anybody.post(FORGOT, {"email": EMAIL})
    (job,) = MailJob.collection().find({})

    assert job["giveUpAt"] - job["createdAt"] == timedelta(minutes=30)
    assert jobs.is_idle()


def test_links_are_limited_by_address_and_by_email(make_app: MakeApp, mails: MailServer) -> None:
    app = make_app(of_features=variables(mails.url), public_url=PUBLIC_URL, rate_limits=True)
    anybody = Apis(app).anonymous()
    for number in range(5):
        assert anybody.post(FORGOT, {"email": f"a{number}@example.com"}).status_code == 202

    assert_failure(anybody.post(FORGOT, {"email": EMAIL}), 429, "RATE_LIMITED")


def test_without_a_mail_server_there_are_no_links(make_app: MakeApp) -> None:
    anybody = Apis(make_app()).anonymous()

    assert_failure(anybody.post(FORGOT, {"email": EMAIL}), 404, "NOT_FOUND")
    assert_failure(anybody.post(FORGOT, {"email": "x"}), 400, "INVALID_EMAIL")
