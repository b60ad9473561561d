"""A mail server, and an application that sends its mails there. The tests do the timed work themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask

from chatsupport import background
from chatsupport.database.clock import now
from chatsupport.documents import Session
from chatsupport.features.mail import jobs, parsers, unread
from chatsupport.features.mail.documents import WAITING, MailJob
from chatsupport.services.messages import read_marks
from tests.api import Api, Apis, data_of
from tests.applications import MakeApp
from tests.concurrency import eventually
from tests.features.mail.mail_server import Mail, MailServer

SITE = "https://shop.example.com"
PUBLIC_URL = "https://chat.example.com"
EMAIL = "grace@example.com"


@pytest.fixture
def mails() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.stop()


def variables(url: str, mail_after: float = 120.0) -> dict[str, Any]:
    """Return the values of the feature's variables."""
    return {
        "SMTP_URL": parsers.mail_server(url),
        "MAIL_FROM": parsers.sender("Example Support <chat@example.com>"),
        "MAIL_AFTER": mail_after,
    }


@pytest.fixture
def app(make_app: MakeApp, mails: MailServer) -> Flask:
    return make_app(of_features=variables(mails.url), public_url=PUBLIC_URL, frontend_urls=(SITE,))


@dataclass
class Desk:
    """A visitor with an address and an agent, and the timed work of the feature."""

    apis: Apis
    agent_id: str
    mails: MailServer

    def start(self, user_id: str = "u1", **context: Any) -> str:
        """Start a session of a visitor with an address. Returns its id."""
        body = {"visitor": {"email": EMAIL}, "page": {"url": f"{SITE}/cart?step=2#top"}, **context}
        return str(
            data_of(self.apis.user(user_id).post("/api/chat/start-session", {"userId": user_id, **body}))["sessionId"]
        )

    def answer(self, session_id: str, text: str = "Your parcel left today.") -> int:
        """Send a message as the agent. Returns its seq."""
        return int(data_of(self.agent.send(session_id, text))["message"]["seq"])

    @property
    def agent(self) -> Api:
        return self.apis.agent(self.agent_id)

    def pass_time(self, seconds: float = 200.0) -> None:
        """Let what is noted be stored, and be due."""
        assert background.flush_all() == []
        unread._suspected.flush()
        for session in list(Session.collection().find({"features.mail.dueAt": {"$exists": True}})):
            due = session["features"]["mail"]["dueAt"] - timedelta(seconds=seconds)
            Session.collection().update_one({"_id": session["_id"]}, {"$set": {"features.mail.dueAt": due}})

    def work(self) -> list[Mail]:
        """Do the timed work until nothing is due. Returns all mails so far."""
        read_marks.flush()
        unread.look()
        jobs.send_waiting()
        while not eventually(jobs.is_idle) or MailJob.collection().count_documents(
            {"state": WAITING, "nextAt": {"$lte": now()}}
        ):
            jobs.send_waiting()
        return self.mails.got

    def mail(self) -> Mail:
        """Return the only mail, after the time until it is due."""
        self.pass_time()
        (mail,) = self.work()
        return mail

    def kept(self, session_id: str) -> dict[str, Any]:
        """Return what the session keeps for mails."""
        session = Session.collection().find_one({"_id": ObjectId(session_id)})
        kept: dict[str, Any] = session["features"].get("mail", {})
        return kept


@pytest.fixture
def desk(apis: Apis, operator: Api, mails: MailServer) -> Desk:
    return Desk(apis, operator.create_agent("Ada", maxUsers=20)["id"], mails)


Jobs = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def jobs_now(app: Flask) -> Jobs:
    """Return all jobs."""
    return lambda: list(MailJob.collection().find({}))
