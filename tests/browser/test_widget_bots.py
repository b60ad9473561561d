"""What a bot shows in the bubble: quick replies, cards, and the way to a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import MakePerson
from tests.browser.people import violations
from tests.browser.sites import Site
from tests.browser.test_widget_failures import NO_CONNECTION
from tests.browser.widgets import Agent, Widget
from tests.e2e.rest import Rest
from tests.e2e.server import Server, wait_until
from tests.features.files.samples import picture
from tests.features.files.sending import post_file

pytestmark = [pytest.mark.usefixtures("nobody"), pytest.mark.features("settings")]

OPTIONS = [{"title": "Track my parcel", "value": "track"}, {"title": "Something else", "value": "else"}]
QUICK_REPLIES = {"type": "quick_replies", "options": OPTIONS}
IS_DRAWN = "canvas => canvas.getContext('2d').getImageData(9, 9, 1, 1).data[3]"
Say = Callable[..., dict[str, Any]]


@pytest.fixture
def say(operator: Rest) -> Iterator[Say]:
    """Let a bot have all new chats, and send messages as this bot."""

    def answers_first(bot_id: str | None) -> None:
        settings = operator.get("/api/settings").data
        assert operator.request("PUT", "/api/settings", {**settings, "botId": bot_id}).status == 200

    def send(widget: Widget, text: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        session_id = widget.session_id()
        wait_until(lambda: operator.history(session_id))
        sent = operator.send(session_id, text, content=content, senderId=bot_id, senderType="agent")
        message: dict[str, Any] = sent.data["message"]
        return message

    bot_id = operator.create_agent("Robin", kind="bot", maxUsers=500)
    answers_first(bot_id)
    yield send
    answers_first(None)
    operator.request("DELETE", f"/api/agents/{bot_id}")


def choices(widget: Widget) -> Locator:
    return widget.panel.get_by_role("group", name="Please choose")


@pytest.mark.features("files")
def test_quick_replies_and_cards_are_shown_and_used_by_keyboard(
    server: Server, site: Site, person: MakePerson, operator: Rest, say: Say
) -> None:
    visitor = person()
    address = site.embed(server.url)
    widget = Widget(visitor.open(address)).open()
    widget.write("Hello")
    asked = say(widget, "What is it about?", QUICK_REPLIES)
    expect(choices(widget).get_by_role("button")).to_have_text(["Track my parcel", "Something else"])
    assert not violations(widget.page)
    other = Widget(visitor.open(address)).open()
    expect(choices(other)).to_be_visible()

    widget.field.focus()
    widget.page.keyboard.press("Shift+Tab")  # to "Send a file"
    widget.page.keyboard.press("Shift+Tab")  # to "Talk to a person"
    widget.page.keyboard.press("Shift+Tab")
    expect(choices(widget).get_by_role("button").last).to_be_focused()
    widget.page.keyboard.press("Shift+Tab")
    widget.page.keyboard.press("Enter")
    expect(widget.field).to_be_focused()
    expect(widget.field).to_have_value("")
    expect(choices(widget)).to_be_hidden()
    expect(choices(other)).to_be_hidden()
    widget.wait_for_texts("Hello", "What is it about?", "Track my parcel")
    session_id = widget.session_id()
    wait_until(lambda: operator.history(session_id)[-1].get("replyTo") == asked["seq"])

    post_file(operator, session_id, "pot.png", picture("PNG", (900, 600)), alt="A blue pot")
    card = {
        "type": "card",
        "title": "Your parcel",
        "text": "It comes today: https://track.example/17",
        "fileId": operator.history(session_id)[-1]["id"],
        "buttons": [{"title": "Follow it", "url": "https://track.example/live"}],
    }
    say(widget, "Your parcel comes today.", card)
    wait_until(lambda: bool(widget.log.locator(".tile canvas").evaluate(IS_DRAWN)))
    assert widget.log.evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight") < 5
    say(widget, "Is there anything else?", QUICK_REPLIES)
    for reloads in (False, True):
        if reloads:
            widget.page.reload()
        shown = widget.log.get_by_role("group", name="Your parcel")
        expect(shown.get_by_role("img", name="A blue pot")).to_be_visible()
        link = shown.get_by_role("link", name="Follow it track.example")
        expect(link).to_have_attribute("href", "https://track.example/live")
        expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
        expect(shown.get_by_role("link")).to_have_count(2)
        expect(choices(widget)).to_have_count(1)  # The answered ones are hidden.
        expect(choices(widget)).to_be_visible()
    assert not violations(widget.page)

    widget.end()
    expect(choices(widget)).to_be_hidden()
    expect(widget.panel.get_by_role("button", name="Talk to a person")).to_be_hidden()
    widget.panel.get_by_role("button", name="Start new chat").click()
    widget.panel.get_by_role("button", name="Past chats").click()
    widget.panel.locator(".sheet .log").get_by_role("button").first.click()
    past = widget.panel.locator(".sheet").get_by_role("group", name="Your parcel")
    expect(past.get_by_role("link")).to_have_count(2)
    expect(past.get_by_role("img", name="A blue pot")).to_be_visible()


def test_a_visitor_talks_to_a_person_even_if_that_is_asked_for_without_a_connection(
    server: Server, site: Site, person: MakePerson, operator: Rest, say: Say
) -> None:
    visitor = person(locale="de-DE")
    visitor.expected = NO_CONNECTION
    widget = Widget(visitor.open(site.embed(server.url, language="de"))).open()
    widget.write("Hallo")
    say(widget, "Guten Tag!")
    line = widget.panel.locator(".bot")
    expect(line).to_contain_text("Robin ist ein Bot")
    assert not violations(widget.page)

    visitor.context.set_offline(True)
    line.get_by_role("button", name="Mit einem Menschen sprechen").dblclick()
    expect(widget.field).to_be_focused()
    expect(line.get_by_role("status")).to_contain_text("Es gibt keine Verbindung.")
    assert not violations(widget.page)
    visitor.context.route("**/handoff/*", lambda route: route.abort())
    visitor.context.set_offline(False)
    widget.page.reload()
    expect(line.get_by_role("status")).to_contain_text("Es gibt keine Verbindung.")
    visitor.context.unroute_all()

    closing = "Sie werden mit einem Menschen verbunden."
    widget.wait_for_texts("Hallo", "Guten Tag!", closing)
    expect(widget.card).to_contain_text("Nummer 1 in der Schlange")
    expect(line).to_have_count(0)
    expect(widget.lines.last).to_have_text(closing, use_inner_text=True)
    agent = Agent(server, "Ada")
    expect(widget.status).to_contain_text("Ada")
    agent.say(widget.session_id(), "Hier ist Ada.")
    widget.page.reload()
    widget.wait_for_texts("Hallo", "Guten Tag!", closing, "Hier ist Ada.")
    expect(line).to_have_count(0)
    agent.leave()


def test_a_choice_that_comes_too_late_for_its_chat_begins_a_new_one(
    server: Server, site: Site, person: MakePerson, operator: Rest, say: Say
) -> None:
    visitor = person(has_touch=True, is_mobile=True, viewport={"width": 390, "height": 780})
    visitor.expected = NO_CONNECTION
    widget = Widget(visitor.open(site.embed(server.url))).open()
    widget.write("Hello")
    say(widget, "What is it about?", QUICK_REPLIES)
    expect(choices(widget)).to_be_visible()
    first = widget.session_id()

    visitor.context.set_offline(True)
    choices(widget).get_by_role("button").first.tap()
    expect(widget.log).to_be_focused()  # The field would open the keyboard.
    widget.wait_for_texts("Hello", "What is it about?", "Track my parcel")
    operator.post(f"/api/chat/end-session/{first}")
    visitor.context.set_offline(False)
    widget.panel.get_by_role("button", name="Try again").tap()

    widget.wait_for_texts("Track my parcel")
    wait_until(lambda: widget.session_id() != first and operator.history(widget.session_id()))
    assert "replyTo" not in operator.history(widget.session_id())[0]


def test_a_supervisor_who_takes_a_chat_over_is_named_in_one_line(
    server: Server, site: Site, person: MakePerson, operator: Rest, say: Say
) -> None:
    widget = Widget(person().open(site.embed(server.url))).open()
    widget.write("Hello")
    say(widget, "What is it about?", QUICK_REPLIES)
    agent = Agent(server, "Ada")
    assert operator.post(f"/api/chat/transfer/{widget.session_id()}", {"agentId": agent.id}).status == 200
    expect(widget.status).to_have_text("You are talking to Ada")
    widget.wait_for_texts("Hello", "What is it about?", "You are now connected to Ada.")
    expect(choices(widget)).to_be_hidden()
    expect(widget.panel.locator(".bot")).to_have_count(0)
    expect(widget.lines.get_by_text("Ada took over")).to_be_hidden()
    agent.leave()
