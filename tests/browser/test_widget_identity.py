"""The owner of a chat: guests, people named by the page, people who sign out, and two at once in one browser."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import MakePerson
from tests.browser.sites import Site
from tests.browser.widgets import Agent, Widget
from tests.e2e.rest import Rest
from tests.e2e.server import Server, Servers, wait_until

SECRET = "an-identity-secret-of-32-bytes-at-least"
ENTRIES = "() => Object.entries(localStorage).filter(([key]) => key.startsWith('chat-support'))"
TOKEN = "() => Object.values(sessionStorage).map((entry) => JSON.parse(entry).token).find(Boolean)"
FREEZE = """() => {
    const { fetch } = window;
    window.fetch = (url, options) => (url.includes("/api/") ? new Promise(() => {}) : fetch(url, options));
}"""


@pytest.fixture(scope="module")
def server(servers: Servers, site: Site, _node_modules: None) -> Server:
    """A server that requires the site to vouch for the people it names."""
    return servers.start(FRONTEND_URLS=site.origin, IDENTITY_SECRET=SECRET)


def hash_of(user_id: str) -> str:
    return hmac.new(SECRET.encode(), user_id.encode(), hashlib.sha256).hexdigest()


def page_of(site: Site, server: Server, user_id: str) -> str:
    """Return the address of a page that names this person."""
    return site.embed(server.url, f"/{user_id}", user_id=user_id, user_hash=hash_of(user_id))


def identify(page: Page, user_id: object) -> None:
    page.evaluate("(who) => ChatSupport.identify(who)", {"userId": user_id, "userHash": hash_of(str(user_id).strip())})


def sent_by(operator: Rest, user_id: str) -> list[tuple[str, str]]:
    """Return the messages of a user's sessions, with their senders."""
    sessions = operator.get("/api/chat/sessions", userId=user_id).data["sessions"]
    messages = [message for session in sessions for message in operator.history(session["id"])]
    return [(message["message"], message["senderId"]) for message in messages]


def user_of(operator: Rest, session_id: str) -> str:
    user_id: str = operator.get(f"/api/chat/session/{session_id}").data["userId"]
    return user_id


def test_the_next_person_at_a_browser_sees_nothing(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    visitor = person()
    visitor.expected = ["401", "403", "400"]
    address, plain = page_of(site, server, "maria"), site.embed(server.url)
    widget = Widget(visitor.open(address)).open()
    widget.write("My order is late")
    widget.wait_for_texts("My order is late")
    session_id = agent.join(widget)
    assert "token" not in str(widget.page.evaluate(ENTRIES))  # Only the tab keeps it.
    token = widget.page.evaluate(TOKEN)
    assert server.bearer(token).get("/api/chat/session/current").data["session"]["id"] == session_id

    # A page that names nobody signs her out, because somebody else may use the browser now.
    widget.page.goto(plain)
    expect(widget.bubble).to_be_visible()
    expect(widget.panel).to_be_hidden()
    widget.open()
    expect(widget.panel.get_by_role("heading", name="Hello!")).to_be_visible()
    widget.wait_for_texts()
    widget.write("Do you sell ferns?")
    widget.wait_for_texts("Do you sell ferns?")
    wait_until(lambda: operator.get("/api/chat/sessions").data["sessions"][0]["userId"].startswith("guest-"))

    # Somebody who claims to be Maria without a valid hash gets nothing of hers.
    impostor = Widget(visitor.open(site.embed(server.url, "/impostor", user_id="maria"))).open()
    expect(impostor.status).to_have_text("The chat cannot be reached at the moment.")
    impostor.wait_for_texts()
    impostor.page.close()

    # She comes back in two tabs, and signs out in one of them.
    widget.page.goto(address)
    widget.wait_for_texts("My order is late")
    tab = Widget(visitor.open(address))
    tab.open().wait_for_texts("My order is late")
    tokens = [token, tab.page.evaluate(TOKEN)]
    widget.page.evaluate("ChatSupport.reset()")
    for one in (widget, tab):
        expect(one.panel).to_be_hidden()
        one.open()
        one.wait_for_texts()
    for token in tokens:
        wait_until(lambda token=token: server.bearer(token).get("/api/chat/session/current").status == 401)  # type: ignore[misc]
    wait_until(lambda: "maria" not in str(widget.page.evaluate(ENTRIES)))
    widget.write("Who am I?")
    widget.wait_for_texts("Who am I?")
    tab.wait_for_texts("Who am I?")


def test_a_guest_who_signs_in_keeps_the_chat(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    visitor = person()
    visitor.expected = ["401", "403", "400"]
    plain, named = site.embed(server.url), page_of(site, server, "olga")
    widget = Widget(visitor.open(plain)).open()
    widget.write("Hello")
    widget.wait_for_texts("Hello")
    session_id = agent.join(widget)
    agent.say(session_id, "Hi! Are you a customer?")
    expect(widget.texts).to_have_count(2)
    widget.field.fill("Yes, I have just")
    identify(widget.page, "paul")

    widget.wait_for_texts("Hello", "Hi! Are you a customer?")
    expect(widget.panel).to_be_visible()
    expect(widget.field).to_have_value("Yes, I have just")
    expect(widget.status).to_have_text("You are talking to Ada")
    wait_until(lambda: user_of(operator, session_id) == "paul")
    widget.write("signed in")
    agent.socket.wait_for("new_message", lambda message: message["senderId"] == "paul")
    expect(widget.rows.last).to_contain_text("Sent")

    # The page that names nobody shows nothing, and the chat continues when the next page names somebody.
    widget.page.goto(plain)
    widget.open()
    widget.wait_for_texts()
    widget.write("As a guest again")
    expect(widget.rows.last).to_contain_text("Sent")
    widget.field.fill("a draft")
    widget.page.goto(named)
    widget.wait_for_texts("As a guest again")
    expect(widget.field).to_have_value("a draft")
    wait_until(lambda: [key.rpartition(" ")[2] for key, _ in widget.page.evaluate(ENTRIES)].count("olga") == 1)
    of_olga = {"userId": "olga"}
    wait_until(
        lambda: [one["status"] for one in operator.get("/api/chat/sessions", **of_olga).data["sessions"]] == ["active"]
    )


def test_a_guest_may_sign_in_at_any_moment(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    for delay in (0, 15, 40, 80, 160):
        visitor = person()
        visitor.expected = ["401", "403", "400"]
        widget = Widget(visitor.open(site.embed(server.url))).open()
        widget.write("Only once")
        widget.page.wait_for_timeout(delay)
        identify(widget.page, f"person-{delay}")
        expect(widget.rows.last).to_contain_text("Sent")
        widget.wait_for_texts("Only once")
        expect(widget.panel).to_be_visible()
        # "Sent" may still stand there from the guest's chat.
        sent = [("Only once", f"person-{delay}")]
        wait_until(lambda sent=sent: sent_by(operator, sent[0][1]) == sent)


def test_unsent_messages_of_a_guest_are_kept(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    widget = Widget(person().open(site.embed(server.url)))
    expect(widget.bubble).to_be_visible()
    widget.page.evaluate(FREEZE)
    widget.open()
    widget.write("before I had a token")
    expect(widget.rows.last).to_contain_text("Sending…")
    widget.page.goto(page_of(site, server, "nora"))
    widget.open()
    expect(widget.rows.last).to_contain_text("Sent")
    widget.wait_for_texts("before I had a token")
    assert len(operator.get("/api/chat/sessions", userId="nora").data["sessions"]) == 1


def test_two_tabs_with_two_people_and_a_second_device(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    visitor = person()
    one = Widget(visitor.open(page_of(site, server, "anna"))).open()
    one.write("from Anna")
    expect(one.rows.last).to_contain_text("Sent")
    two = Widget(visitor.open(page_of(site, server, "bert"))).open()
    two.wait_for_texts()
    two.write("from Bert")
    expect(two.rows.last).to_contain_text("Sent")
    one.write("Anna again")
    one.wait_for_texts("from Anna", "Anna again")
    two.end()
    expect(two.status).to_have_text("This chat has ended")
    two.panel.get_by_role("button", name="Start new chat").click()
    two.wait_for_texts()
    for tab, texts in ((one, ["from Anna", "Anna again"]), (two, [])):
        tab.page.reload()
        tab.wait_for_texts(*texts)
    (open_session,) = operator.get("/api/chat/sessions", userId="anna").data["sessions"]
    assert open_session["status"] == "active"

    phone = Widget(person().open(page_of(site, server, "anna"))).open()
    phone.wait_for_texts("from Anna", "Anna again")
    phone.write("from my phone")
    one.wait_for_texts("from Anna", "Anna again", "from my phone")


def test_pages_may_give_any_valid_id(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    visitor = person()
    # A call or a long poll may be in progress when the guest becomes a user, and when the user signs out.
    visitor.expected = ["401", "403", "400"]
    widget = Widget(visitor.open(site.embed(server.url, user_id="  ", user_hash=""))).open()
    widget.write("Nobody in particular")
    widget.wait_for_texts("Nobody in particular")
    assert user_of(operator, widget.session_id()).startswith("guest-")
    identify(widget.page, 42)
    wait_until(lambda: user_of(operator, widget.session_id()) == "42")
    for nobody in ("null", "{}", "{ userId: {} }", "{ userId: ' ' }"):
        widget.page.evaluate(f"ChatSupport.identify({nobody})")
        widget.wait_for_texts()
    identify(widget.page, " 42 ")
    expect(widget.panel).to_be_visible()


def test_a_person_refused_for_good_learns_why(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    visitor = person()
    visitor.expected = ["401", "403", "400"]
    widget = Widget(visitor.open(site.embed(server.url, "/unvouched", user_id="eve"))).open()
    expect(widget.status).to_have_text("The chat cannot be reached at the moment.")
    widget.write("Hello?")
    expect(widget.rows.last).to_contain_text("Not sent")
    expect(widget.panel.get_by_role("button", name="Try again")).to_be_visible()
    identify(widget.page, "eve")
    widget.panel.get_by_role("button", name="Try again").click()
    expect(widget.rows.last).to_contain_text("Sent")

    held: list[Route] = []
    page = widget.page
    # The look for the reason of the lost connection takes long.
    page.route("**/api/health", lambda route: held.append(route))
    with page.expect_request("**/api/health"):
        operator.post("/api/blocks", {"userId": "eve"})
    widget.write("Still there?")
    expect(widget.rows.last).to_contain_text("Not sent")
    expect(widget.status).to_have_text("You cannot write to us here.")
    with page.expect_response("**/api/health"):
        held[0].continue_()
    page.wait_for_timeout(100)
    expect(widget.status).to_have_text("You cannot write to us here.")
