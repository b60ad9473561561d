"""Canned replies, notes and the order of the chats in the console."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import MakePerson, MakeVisitor
from tests.browser.consoles import Console, hire
from tests.browser.people import violations
from tests.e2e.rest import Rest
from tests.e2e.server import Server, wait_until

pytestmark = pytest.mark.usefixtures("nobody")


@pytest.mark.features("context", "notes", "replies")
def test_an_agent_uses_canned_replies_and_notes(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    replies = [
        {"shortcut": "bye", "title": "Hello again, and bye", "text": "Bye."},
        {"shortcut": "hello", "title": "Greeting", "text": "Hello {{visitor.name}}, I am {{agent.name}}."},
        {"shortcut": "other", "title": "Something else", "text": "Else"},
    ]
    ids = [operator.post("/api/replies", reply).data["id"] for reply in replies]
    try:
        console = Console(person(), server).sign_in(hire(operator, "Ada"))
        page, field = console.page, console.composer
        maria = visitor("maria")
        maria.say("Hi")
        console.open("maria")
        field.press_sequentially("/hel")
        options = page.get_by_role("listbox", name="Canned replies").get_by_role("option")
        expect(options).to_have_count(2)
        expect(options.first).to_contain_text("/hello")
        expect(options.first).to_have_attribute("aria-selected", "true")
        assert field.get_attribute("aria-activedescendant") == options.first.get_attribute("id")
        assert not violations(page)
        field.press("ArrowDown")
        expect(options.last).to_have_attribute("aria-selected", "true")
        field.press("Escape")
        expect(options).to_have_count(0)
        expect(field).to_be_focused()
        field.press("l")
        field.press("Enter")
        expect(field).to_have_value("Hello, I am Ada.")
        named = {"visitor": {"name": "Grace $& <b>"}}
        assert maria.rest.request("PATCH", f"/api/chat/session/{maria.session_id}", named).status == 200
        expect(page.locator(".conversation-title")).to_have_text("Grace $& <b>")
        field.fill("/hello")
        field.press("Enter")
        expect(field).to_have_value("Hello Grace $& <b>, I am Ada.")
        field.press("Enter")
        wait_until(lambda: maria.texts() == ["Hi", "Hello Grace $& <b>, I am Ada."])

        field.fill("A draft")
        page.keyboard.press("Escape")
        page.keyboard.press("n")
        note = page.get_by_label("Note for your team")
        expect(note).to_be_focused()
        note.fill("Has called <b>twice</b>")
        assert not violations(page)
        note.press("Enter")
        notes = page.locator(".message.note .bubble")
        expect(notes).to_have_text(["Has called <b>twice</b>"])
        expect(note).to_have_value("")
        operator.post(f"/api/chat/notes/{maria.session_id}", {"text": "From the boss"})
        expect(notes).to_have_text(["Has called <b>twice</b>", "From the boss"])
        page.get_by_label("Reply", exact=True).check(force=True)
        expect(field).to_have_value("A draft")
        page.get_by_text("Note", exact=True).click()
        expect(note).to_be_focused()  # Or else the agent's next letters are shortcuts.
        page.get_by_text("Reply", exact=True).click()
        expect(field).to_be_focused()
        page.reload()
        expect(notes).to_have_count(2)
        assert len(maria.texts()) == 2
    finally:
        for one in ids:
            operator.request("DELETE", f"/api/replies/{one}")


def test_a_server_without_notes_and_replies_offers_none(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    somebody = person()
    somebody.expected += ["404"]
    console = Console(somebody, server)
    for path in ("**/api/chat/notes/**", "**/api/replies*"):
        console.page.route(path, lambda route: route.continue_(url=f"{server.url}/api/nothing"))
    console.sign_in(hire(operator, "Ada"))
    visitor("maria")
    console.open("maria")
    expect(console.page.get_by_label("Note", exact=True)).to_be_hidden()
    console.composer.press_sequentially("/h")
    expect(console.page.get_by_text("There are no canned replies yet.")).to_be_visible()
    console.composer.press("Enter")
    console.expect_texts("/h")
    expect(console.page.locator(".toast")).to_have_count(0)


@pytest.mark.features("context", "ratings", "tags")
def test_the_panel_shows_what_is_known_of_the_visitor(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    ada = hire(operator, "Ada")
    console = Console(person(), server).sign_in(ada)
    maria = visitor("maria")
    told = {
        "visitor": {"name": "Grace", "email": "grace@example.com"},
        "page": {"url": "https://shop.example/cart", "title": "Your <b>cart</b>"},
        "locale": "pt-BR",
        "timezone": "Asia/Kolkata",
        "fields": {"plan": "pro"},
    }
    session = f"/api/chat/session/{maria.session_id}"
    assert maria.rest.request("PATCH", session, told).status == 200
    console.open("Grace")
    panel = console.page.locator(".visitor")
    for words in ("grace@example.com", "Brazilian Portuguese", "Local time", "planpro"):
        expect(panel).to_contain_text(words)
    page = panel.get_by_role("link", name="Your <b>cart</b>").first
    expect(page).to_have_attribute("href", "https://shop.example/cart")
    console.page.get_by_label("Add a tag").fill("VIP")
    console.page.get_by_label("Add a tag").press("Enter")
    expect(panel.locator(".tag")).to_have_text(["VIP"])
    assert operator.get(session).data["tags"] == ["VIP"]
    assert not violations(console.page)
    panel.get_by_role("button", name="Remove the tag VIP").click()
    expect(panel.locator(".tag")).to_have_count(0)
    assert server.bearer(operator.token(ada.id, "agent")).send(maria.session_id, "Hello").status == 201
    rating = {"score": 4, "comment": "Quick"}
    assert maria.rest.post(f"/api/chat/rating/{maria.session_id}", rating).status in {200, 201}
    expect(panel).to_contain_text("4 of 5")
    expect(panel).to_contain_text("Quick")


def test_the_longest_unanswered_chat_comes_first(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    console = Console(person(), server)
    page = console.page
    page.route("**/api/chat/stats", three_minutes_later)
    ada = hire(operator, "Ada", maxUsers=3)
    maria, tom, sam = visitor("maria"), visitor("tom"), visitor("sam")
    for one in (maria, tom, sam):
        one.say("Hi")
    console.sign_in(ada)
    names = console.rows.locator(".row-name")
    expect(names).to_have_text(["sam", "tom", "maria"])
    expect(console.row("maria")).to_contain_text("no answer for 3 minutes")
    expect(console.row("maria").locator(".row-time")).to_have_class("row-time attention late")
    page.get_by_label("Order").select_option("Longest unanswered")
    expect(names).to_have_text(["maria", "tom", "sam"])

    console.row("sam").hover()
    answer = server.bearer(operator.token(ada.id, "agent")).send(maria.session_id, "Hello")
    assert answer.status == 201
    expect(console.row("maria")).to_contain_text("You: Hello")
    expect(console.row("maria")).not_to_contain_text("no answer")
    expect(names).to_have_text(["maria", "tom", "sam"])
    page.mouse.move(0, 0)
    expect(names).to_have_text(["tom", "sam", "maria"])

    console.open("tom")
    page.get_by_role("button", name="End", exact=True).click()
    console.end()
    expect(page.locator(".conversation-title")).to_have_text("sam")
    expect(names).to_have_text(["sam", "maria"])
    page.reload()
    expect(page.get_by_label("Order")).to_have_value("unanswered")
    page.unroute_all(behavior="ignoreErrors")


def three_minutes_later(route: Route) -> None:
    """Answer that it is later on the server, by whose clock the console counts."""
    response = route.fetch()
    body = response.json()
    health = body["data"]["systemHealth"]
    time = datetime.fromisoformat(health["timestamp"].replace("Z", "+00:00")) + timedelta(seconds=190)
    health["timestamp"] = time.isoformat()
    route.fulfill(response=response, json=body)
