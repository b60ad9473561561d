"""The parts of the bubble that are loaded when they are used: questions, the menu, ratings, and past chats."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakePerson
from tests.browser.people import violations
from tests.browser.sites import Site
from tests.browser.widgets import Agent, Widget
from tests.e2e.rest import Rest
from tests.e2e.server import Server, wait_until

QUESTIONS = [
    {"key": "name", "label": "Your name", "type": "text", "required": True},
    {"key": "email", "label": "Your email address", "type": "email", "required": False},
    {"key": "topic", "label": "Topic", "type": "select", "options": ["Order", "Something else"], "required": True},
]


@pytest.fixture
def settings(operator: Rest) -> Iterator[dict[str, Any]]:
    """The server's settings, to be changed and given to `change`. They are as before afterwards."""
    before = operator.get("/api/settings").data
    yield {name: value for name, value in before.items() if name != "updatedAt"}
    change(operator, before)


def change(operator: Rest, settings: dict[str, Any]) -> None:
    """Replace the server's settings."""
    version = operator.get("/api/settings").data["version"]
    assert operator.request("PUT", "/api/settings", {**settings, "version": version}).status == 200


@pytest.mark.features("settings", "context")
def test_questions_are_answered_before_a_chat_begins(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest, settings: dict[str, Any]
) -> None:
    change(operator, {**settings, "preChat": QUESTIONS})
    visitor = person(locale="de-AT", timezone_id="Europe/Vienna")
    widget = Widget(visitor.open(site.embed(server.url, "/cart", title="Chat"))).open()
    name, email = widget.panel.get_by_label("Your name"), widget.panel.get_by_label("Your email address (optional)")
    expect(name).to_be_focused()
    assert not violations(widget.page)

    widget.field.fill("Where is it?")
    widget.field.press("Enter")
    expect(name).to_be_focused()
    assert widget.all_texts() == []
    name.fill("  Grace Hopper ")
    email.fill("grace@example")
    widget.panel.get_by_label("Topic").select_option("Order")
    widget.field.press("Enter")
    expect(email).to_be_focused()
    email.fill("grace@example.com")
    widget.field.press("Enter")
    widget.wait_for_texts("Where is it?")
    expect(name).to_be_hidden()
    # The field is at the bottom again, not below the message.
    panel, form = (part.evaluate("it => it.getBoundingClientRect().bottom") for part in (widget.panel, widget.field))
    assert panel - form < 40, (panel, form)

    session_id = agent.join(widget)
    context = operator.get(f"/api/chat/session/{session_id}").data["context"]
    assert context["visitor"] == {"name": "Grace Hopper", "email": "grace@example.com", "phone": None}
    assert context["fields"] == {"topic": "Order"}
    assert (context["locale"], context["timezone"]) == ("de-AT", "Europe/Vienna")
    assert context["page"] == {"url": f"{site.origin}/cart", "title": "A site", "referrer": None}

    # Staff see where the visitor goes. The next chat begins with the answers of this one.
    widget.page.goto(site.embed(server.url, "/thanks"))
    wait_until(
        lambda: operator.get(f"/api/chat/session/{session_id}").data["context"]["page"]["url"].endswith("/thanks")
    )
    widget.end()
    widget.panel.get_by_role("button", name="Start new chat").click()
    expect(name).to_have_value("Grace Hopper")
    expect(widget.panel.get_by_label("Topic")).to_have_value("Order")


@pytest.mark.features("settings", "context")
def test_a_page_that_does_not_know_of_a_question_asks_it_when_the_server_does(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest, settings: dict[str, Any]
) -> None:
    visitor = person()
    visitor.expected = ["400"]
    widget = Widget(visitor.open(site.embed(server.url))).open()
    change(operator, {**settings, "preChat": [QUESTIONS[1], {**QUESTIONS[1], "key": "vat", "required": True}]})

    widget.write("Hello")
    expect(widget.status).to_have_text("Please answer the questions.")
    expect(widget.rows.last).to_contain_text("Not sent")
    retry = widget.panel.get_by_role("button", name="Try again")
    retry.click()
    vat = widget.panel.get_by_label("vat")
    expect(vat).to_be_focused()
    vat.fill("vat@example.com")
    retry.click()
    expect(widget.rows.last).to_contain_text("Sent")
    session_id = agent.join(widget)
    wait_until(lambda: operator.get(f"/api/chat/session/{session_id}").data["context"]["fields"])


@pytest.mark.features("transcripts")
def test_the_menu_has_the_transcript_and_the_end(
    server: Server, site: Site, person: MakePerson, agent: Agent, tmp_path: Path
) -> None:
    widget = Widget(person().open(site.embed(server.url))).open()
    menu = widget.panel.locator(".menu")
    widget.menu_button.click()
    expect(menu.get_by_role("button")).to_have_text(["Sound"])
    widget.menu_button.click()
    expect(menu).to_be_hidden()

    widget.write("Hello")
    session_id = agent.join(widget)
    agent.say(session_id, "Hi there")
    widget.wait_for_texts("Hello", "Hi there")
    with widget.page.expect_download() as download:
        widget.choose("Download the transcript")
    download.value.save_as(tmp_path / "transcript.html")
    assert "Hi there" in (tmp_path / "transcript.html").read_text("utf-8")
    widget.menu_button.click()
    widget.field.click()
    expect(menu).to_be_hidden()
    widget.choose("End chat")
    assert not violations(widget.page)
    menu.get_by_role("button", name="Keep").click()
    expect(widget.field).to_be_focused()
    widget.end()
    expect(widget.status).to_have_text("This chat has ended")


@pytest.mark.features("ratings")
def test_an_ended_chat_can_be_rated_and_read_again(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    widget = Widget(person().open(site.embed(server.url))).open()
    again = widget.panel.get_by_role("button", name="Start new chat")
    past = widget.panel.get_by_role("button", name="Past chats")
    faces = widget.panel.get_by_role("group", name="How was this chat?")
    widget.write("Just looking")
    agent.join(widget)
    widget.end()
    expect(again).to_be_visible()
    expect(faces).to_be_hidden()  # Nobody has answered.
    again.click()
    widget.write("Where is it?")
    second = agent.join(widget)
    agent.say(second, "On its way: https://track.example/1")
    widget.wait_for_texts("Where is it?", "On its way: https://track.example/1")
    widget.end()
    expect(faces.get_by_role("button")).to_have_count(5)
    assert not violations(widget.page)

    faces.get_by_role("button", name="4/5").click()
    expect(widget.panel.get_by_text("Thank you!")).to_be_visible()
    expect(faces.get_by_role("button", name="4/5")).to_be_hidden()
    comment = widget.panel.get_by_label("Would you like to say more?")
    expect(comment).to_be_focused()
    assert not violations(widget.page)
    comment.fill("Quick")
    faces.get_by_role("button", name="Send").click()
    expect(comment).to_be_hidden()
    rated = {"score": 4, "comment": "Quick"}
    wait_until(lambda: (operator.get(f"/api/chat/session/{second}").data["rating"] or {}).items() >= rated.items())

    again.click()
    expect(widget.panel.get_by_text("Thank you!")).to_be_hidden()
    past.click()
    sheet = widget.panel.locator(".sheet")
    expect(sheet.get_by_role("button")).to_have_count(3)
    assert not violations(widget.page)
    sheet.locator(".log").get_by_role("button").first.click()
    expect(sheet.locator("div > p[dir]")).to_have_text(["Where is it?", "On its way: https://track.example/1"])
    expect(sheet.get_by_role("link")).to_have_attribute("href", "https://track.example/1")
    assert not violations(widget.page)
    widget.page.keyboard.press("Escape")
    expect(sheet.get_by_role("button")).to_have_count(3)
    sheet.get_by_role("button", name="Back").click()
    expect(widget.field).to_be_focused()


def chat_and_end(widget: Widget, agent: Agent, text: str) -> None:
    """Write, get an answer, and end the chat."""
    widget.write(text)
    agent.say(agent.join(widget), "Hi")
    widget.wait_for_texts(text, "Hi")
    widget.end()


@pytest.mark.features("ratings")
def test_a_rating_that_fails_can_be_repeated_and_the_next_chat_has_faces_again(
    server: Server, site: Site, person: MakePerson, agent: Agent
) -> None:
    visitor = person()
    visitor.expected = ["net::ERR_FAILED"]
    widget = Widget(visitor.open(site.embed(server.url))).open()
    faces = widget.panel.get_by_role("group", name="How was this chat?").get_by_role("button")
    chat_and_end(widget, agent, "Hello")
    widget.page.route("**/api/chat/rating/**", lambda route: route.abort())
    faces.nth(3).click()
    expect(widget.panel.get_by_text("The chat cannot be reached at the moment.")).to_be_visible()
    expect(faces.nth(3)).to_be_focused()
    assert not violations(widget.page)
    widget.page.unroute("**/api/chat/rating/**")
    faces.nth(4).click()
    expect(widget.panel.get_by_text("Thank you!")).to_be_visible()
    expect(widget.panel.get_by_text("The chat cannot be reached")).to_have_count(0)

    # The next chat begins in another tab.
    tab = Widget(visitor.open(site.embed(server.url))).open()
    tab.panel.get_by_role("button", name="Start new chat").click()
    chat_and_end(tab, agent, "Hello again")
    expect(widget.status).to_have_text("This chat has ended")
    expect(widget.texts).to_have_text(["Hello again", "Hi"])
    expect(faces).to_have_count(5)
    expect(widget.panel.get_by_text("Thank you!")).to_have_count(0)


@pytest.mark.features("transcripts")
def test_the_next_visitor_sees_nothing_that_the_one_before_has_opened(
    server: Server, site: Site, person: MakePerson, agent: Agent
) -> None:
    visitor = person()
    visitor.expected = ["401", "403", "400", "net::ERR_FAILED"]
    widget = Widget(visitor.open(site.embed(server.url))).open()
    sheet, menu = widget.panel.locator(".sheet"), widget.panel.locator(".menu")
    chat_and_end(widget, agent, "My diagnosis")
    widget.panel.get_by_role("button", name="Start new chat").click()
    widget.panel.get_by_role("button", name="Past chats").click()
    sheet.locator(".log").get_by_role("button").click()
    expect(sheet).to_contain_text("My diagnosis")
    widget.page.evaluate("ChatSupport.reset()")
    expect(widget.panel).to_be_hidden()
    widget.open()
    expect(sheet).to_have_count(0)
    expect(widget.field).to_be_focused()

    # The menu says what fails, and closes when somebody else signs in.
    widget.write("Hello")
    expect(widget.rows.last).to_contain_text("Sent")
    widget.page.route("**/api/chat/transcript/**", lambda route: route.abort())
    widget.choose("Download the transcript")
    expect(menu.get_by_role("alert")).to_have_text("The chat cannot be reached at the moment.")
    assert not violations(widget.page)
    widget.page.evaluate("ChatSupport.identify({ userId: 'rita' })")
    expect(menu).to_have_count(0)
    expect(widget.menu_button).to_have_attribute("aria-expanded", "false")


@pytest.mark.features("settings", "context")
def test_a_closed_chat_says_when_it_opens_and_takes_a_message(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest, settings: dict[str, Any]
) -> None:
    day = datetime.now(timezone.utc) + timedelta(days=2)
    weekly = {f"{day:%a}".lower(): [["09:00", "10:00"]]}
    change(operator, {**settings, "hours": {"timeZone": "UTC", "weekly": weekly, "exceptions": []}})
    agent.leave()
    visitor = person(locale="en-GB", timezone_id="Asia/Kolkata")
    widget = Widget(visitor.open(site.embed(server.url))).open()
    back = f"We are back on {day:%A} at 14:30 (your time)"
    expect(widget.status).to_have_text(back)
    email = widget.panel.get_by_label("Your email")
    expect(email).to_be_focused()
    assert not violations(widget.page)

    widget.field.fill("Is the pot safe outside?")
    widget.field.press("Enter")
    expect(email).to_be_focused()
    email.fill("grace@example.com")
    widget.field.press("Enter")
    widget.wait_for_texts("Is the pot safe outside?")
    expect(widget.rows.last).to_contain_text("Sent")
    expect(email).to_be_hidden()
    expect(widget.status).to_have_text(back)
    expect(widget.card).to_contain_text("You can leave this page.")
    assert not violations(widget.page)
    session = operator.get(f"/api/chat/session/{widget.session_id()}").data
    assert session["status"] == "waiting"
    assert session["context"]["visitor"]["email"] == "grace@example.com"

    # An email address that may be left out while the chat is open must be given now.
    change(operator, {**operator.get("/api/settings").data, "preChat": QUESTIONS[:2]})
    other = Widget(person().open(site.embed(server.url))).open()
    expect(other.panel.get_by_text("Leave us your email")).to_be_visible()
    expect(other.panel.get_by_label("Your email address", exact=True)).to_be_visible()
    expect(other.panel.get_by_label("Your name")).to_be_focused()
