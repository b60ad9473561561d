"""The links in mails, as visitors open them: the chat on the site's page or on ours, and the end of the mails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from tests.api import make_token
from tests.browser.conftest import MakePerson
from tests.browser.people import violations
from tests.browser.sites import Site
from tests.browser.widgets import Widget
from tests.concurrency import eventually
from tests.e2e.rest import Rest
from tests.e2e.server import Server, Servers, wait_until
from tests.features.mail.mail_server import MailServer

pytestmark = pytest.mark.features("mail", "context")


@pytest.fixture(scope="module")
def mails() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.stop()


@dataclass
class Shop:
    """A server that mails, an agent, and the links of its mails."""

    server: Server
    mails: MailServer
    agent_id: str
    site: Site

    def start(self, visitor: Rest, user_id: str, page: str, email: str) -> str:
        """Start a chat on a page, and let the agent answer. Returns the session."""
        body = {"userId": user_id, "page": {"url": page}, "visitor": {"email": email}}
        session_id: str = visitor.request("POST", "/api/chat/start-session", body).data["sessionId"]
        answer = {"senderId": self.agent_id, "senderType": "agent"}
        assert self.server.operator().send(session_id, "Your parcel left today.", **answer).status == 201
        return session_id

    def links(self, email: str) -> list[str]:
        """Wait for the mail to this address, and return its links."""
        found = eventually(lambda: [mail for mail in list(self.mails.got) if mail.recipients == [email]], 60)
        return found[0].links()


@pytest.fixture(scope="module")
def shop(
    mongodb_uri: str,
    mongodb_db: str,
    tmp_path_factory: pytest.TempPathFactory,
    site: Site,
    mails: MailServer,
    _node_modules: None,
) -> Iterator[Shop]:
    servers = Servers(tmp_path_factory.mktemp("mail"), mongodb_uri, mongodb_db)
    env = {"SMTP_URL": mails.url, "MAIL_FROM": "chat@example.com", "MAIL_AFTER": "1", "PUBLIC_URL": "{url}"}
    server = servers.start(FRONTEND_URLS=site.origin, **env)
    agent_id = server.operator().create_agent("Ada", maxUsers=20)
    yield Shop(server, mails, agent_id, site)
    servers.forget()


def guest(shop: Shop) -> tuple[Rest, str]:
    issued = shop.server.anonymous().request("POST", "/api/auth/token", {"guest": True}).data
    return shop.server.bearer(issued["token"]), issued["userId"]


def test_a_link_opens_the_chat_on_the_page_of_the_site(shop: Shop, person: MakePerson, site: Site) -> None:
    page_url = site.embed(shop.server.url, path="/cart?step=2")
    visitor, user_id = guest(shop)
    session_id = shop.start(visitor, user_id, page_url, "grace@example.com")
    link = shop.links("grace@example.com")[0]
    assert link.startswith(f"{page_url}#chat=")

    page = person().open(link)
    widget = Widget(page)

    expect(widget.panel).to_be_visible()
    widget.wait_for_texts("Your parcel left today.")
    assert page.evaluate("location.href") == page_url
    assert "chat=" not in page.evaluate("performance.getEntriesByType('navigation')[0].name.split('#')[0]")
    widget.write("Thank you")
    widget.wait_for_texts("Your parcel left today.", "Thank you")
    expect(widget.rows.last).to_contain_text("Sent")
    messages = shop.server.operator().get(f"/api/chat/messages/{session_id}").data["messages"]
    assert [(one["senderId"], one["message"]) for one in messages][1:] == [(user_id, "Thank you")]
    assert page.evaluate("Object.keys(localStorage).length") == 1  # No guest was made.

    page.reload()
    widget.wait_for_texts("Your parcel left today.", "Thank you")
    shop.server.operator().request("POST", f"/api/chat/end-session/{session_id}", {})
    widget.panel.get_by_role("button", name="Start new chat").click()
    widget.write("Something else")
    widget.wait_for_texts("Something else")
    assert page.evaluate("sessionStorage.length") == 1


def test_a_link_opens_the_chat_on_our_page_too(shop: Shop, person: MakePerson, site: Site) -> None:
    user_id = "u-elsewhere"
    shop.start(shop.server.bearer(make_token(user_id)), user_id, "https://elsewhere.example/x", "eva@example.com")
    link, stop = shop.links("eva@example.com")
    assert link.startswith(f"{shop.server.url}/mail#chat=")

    page = person().open(link)
    widget = Widget(page)
    widget.wait_for_texts("Your parcel left today.")
    assert page.evaluate("location.href") == f"{shop.server.url}/mail"
    assert violations(page) == []

    page = person().open(stop)
    expect(page.get_by_role("status")).to_have_text("Do you want no more mails about unread messages?")
    assert page.evaluate("location.hash.length") > 20
    assert violations(page) == []
    page.get_by_role("button", name="Stop these mails").click()
    expect(page.get_by_role("status")).to_have_text("This address gets no more mails about unread messages.")


def test_the_visitors_own_browser_continues_as_before(shop: Shop, person: MakePerson, site: Site) -> None:
    page_url = site.embed(shop.server.url)
    visitor = person()
    page = visitor.open(page_url)
    widget = Widget(page).open()
    widget.write("Hello")
    widget.wait_for_texts("Hello")
    expect(widget.rows.last).to_contain_text("Sent")
    kept = page.evaluate("Object.entries(localStorage)[0]")
    sessions = shop.server.operator().get("/api/chat/sessions?limit=1").data["sessions"]
    session_id = sessions[0]["id"]
    assert (
        shop.server.bearer(page.evaluate("JSON.parse(Object.values(localStorage)[0]).token"))
        .request(
            "PATCH",
            f"/api/chat/session/{session_id}",
            {"visitor": {"email": "own@example.com"}, "page": {"url": page_url}},
        )
        .status
        == 200
    )
    page.close()
    answer = {"senderId": shop.agent_id, "senderType": "agent"}
    assert shop.server.operator().send(session_id, "Hi", **answer).status == 201

    page = visitor.open(shop.links("own@example.com")[0])

    Widget(page).wait_for_texts("Hello", "Hi")
    assert page.evaluate("location.href") == page_url
    assert page.evaluate("Object.keys(localStorage)") == [kept[0]]


def test_an_agent_who_has_forgotten_the_password_chooses_another(shop: Shop, person: MakePerson) -> None:
    email = "eve@example.com"
    shop.server.operator().create_agent("Eve", email=email, password="correct horse battery")
    agent = person()
    page = agent.open(f"{shop.server.url}/console")
    page.get_by_label("Email").fill(email)
    page.get_by_role("button", name="Forgot your password?").click()
    expect(page.get_by_role("status").filter(has_text="on its way")).to_be_visible()
    (link,) = shop.links(email)

    page = agent.open(link)
    wait_until(lambda: page.evaluate("location.hash") in ("", "#/mine"))
    expect(page.get_by_label("New password")).to_be_visible()
    expect(page.get_by_label("Email")).to_be_hidden()
    assert violations(page) == []
    page.get_by_label("New password").fill("another horse battery")
    page.get_by_role("button", name="Choose this password").click()
    expect(page.get_by_role("status").filter(has_text="Your password is changed")).to_be_visible()
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill("another horse battery")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("main")).to_be_visible()
    expect(page.get_by_label("Email")).to_be_hidden()

    agent.expected.append("400")
    page = agent.open(link)
    page.get_by_label("New password").fill("a third horse battery")
    page.get_by_role("button", name="Choose this password").click()
    expect(page.get_by_role("status").filter(has_text="not valid any more")).to_be_visible()
