"""Visitors' text is only text, and everybody can use the console: by keyboard, on a phone, in dark mode."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.consoles import PASSWORD, Console, Visitor, hire
from tests.browser.people import LOOKS, Person, violations
from tests.browser.texts import HOSTILE
from tests.e2e.rest import Rest
from tests.e2e.server import Server, wait_until

pytestmark = pytest.mark.usefixtures("nobody")

MakePerson = Callable[..., Person]

PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}


def test_hostile_texts_are_only_shown(person: MakePerson, server: Server, operator: Rest) -> None:
    texts = [text for text in HOSTILE if text.strip() == text and len(text) <= 1000]
    console = Console(person(), server).sign_in(hire(operator, "Ada", maxUsers=50))
    maria = Visitor(server, "maria")
    for text in texts:
        maria.say(text)
    console.open("maria")

    wait_until(lambda: console.bubbles.all_text_contents() == texts)
    assert console.page.evaluate("document.querySelectorAll('.bubble *').length") == 0
    assert console.page.evaluate("window.pwned") is None


def test_hostile_names_are_only_shown(person: MakePerson, server: Server, operator: Rest) -> None:
    names = [text for text in HOSTILE if text.strip() == text and len(text) <= 128 and "\n" not in text][:12]
    agent = hire(operator, "Ada", maxUsers=50)
    operator.request("PATCH", f"/api/agents/{agent.id}", {"name": names[0][:100]})
    console = Console(person(), server).sign_in(agent)
    visitors = [Visitor(server, name) for name in names]
    visitors[0].rest.post(f"/api/chat/end-session/{visitors[0].session_id}", {"reason": names[1]})

    expect(console.rows).to_have_count(len(names) - 1)
    wait_until(lambda: sorted(console.page.locator(".row-name").all_text_contents()) == sorted(names[1:]))
    first = console.page.locator(".row-name").first.text_content()
    console.rows.first.click()
    for place in (".conversation-title", ".visitor-name"):
        wait_until(lambda place=place: console.page.locator(place).text_content() == first)
    console.page.get_by_role("button", name="Transfer").click()
    console.page.keyboard.press("Escape")
    console.page.get_by_role("button", name="End", exact=True).click()
    console.page.keyboard.press("Escape")
    console.go("Ended")
    expect(console.rows).to_contain_text([names[1]])
    assert console.page.evaluate("window.pwned") is None
    assert console.page.evaluate("document.querySelectorAll('.row-name *, .row-preview *, .me-name *').length") == 0


def test_the_whole_work_by_keyboard(person: MakePerson, server: Server, operator: Rest) -> None:
    ada = hire(operator, "Ada", maxUsers=5, password=PASSWORD)
    hire(operator, "Ben", isOnline=False)
    page = person().open(f"{server.url}/console")
    keys = page.keyboard
    expect(page.get_by_label("Email")).to_be_focused()
    keys.type(ada.email)
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    expect(page.locator(".me-name")).to_have_text("Ada")
    maria, tom = Visitor(server, "maria"), Visitor(server, "tom")
    maria.say("Hello from Maria")
    tom.say("Hello from Tom")
    expect(page.locator(".row .badge:visible")).to_have_count(2)

    keys.press("j")
    expect(page.locator(".conversation-title")).to_have_text("tom")
    keys.press("u")
    expect(page.locator(".conversation-title")).to_have_text("maria")
    keys.press("r")
    keys.type("j k t e: these are letters here")
    keys.press("Enter")
    wait_until(lambda: maria.texts()[-1:] == ["j k t e: these are letters here"])
    keys.press("Alt+ArrowUp")
    expect(page.locator(".conversation-title")).to_have_text("tom")
    keys.press("Enter")
    keys.type("To Tom")
    keys.press("Enter")
    wait_until(lambda: tom.texts()[-1:] == ["To Tom"])

    keys.press("Escape")
    expect(page.locator(".row[aria-current]")).to_be_focused()
    keys.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".row[aria-current]")).to_be_focused()
    keys.press("o")
    expect(page.get_by_role("switch")).not_to_be_checked()
    keys.press("e")
    expect(page.get_by_role("radio", name="Solved")).to_be_focused()
    keys.press("Enter")
    expect(page.get_by_text("The chat with tom ends.")).to_be_visible()
    keys.press("z")
    expect(page.get_by_text("The chat with tom ends.")).to_have_count(0)
    keys.press("e")
    expect(page.get_by_role("radio", name="Solved")).to_be_focused()
    keys.press("ArrowDown")
    keys.press("Enter")
    page.locator(".toast", has_text=" ends.").get_by_label("Dismiss").press("Enter")
    wait_until(
        lambda: tom.rest.get(f"/api/chat/session/{tom.session_id}").data["endReason"] == "The visitor does not answer"
    )
    keys.press("3")
    expect(page.locator(".list h1")).to_have_text("Recently ended")
    expect(page.get_by_role("button", name="Ended")).to_be_focused()
    keys.press("2")
    expect(page.locator(".list .empty-title")).to_have_text("Nobody is waiting")
    keys.press("1")
    expect(page.locator(".row")).to_have_count(1)  # The console has heard of the end, too.
    keys.press("j")
    expect(page.locator(".conversation-title")).to_have_text("maria")
    keys.press("Escape")
    expect(page.get_by_text("No chat is open")).to_be_visible()


def test_single_keys_can_be_switched_off(person: MakePerson, server: Server, operator: Rest) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Ada"))
    console.page.keyboard.press("?")
    console.page.get_by_label("Use single keys as shortcuts").uncheck()
    console.page.keyboard.press("Escape")

    console.page.keyboard.press("2")
    console.page.keyboard.press("?")

    expect(console.page.get_by_role("dialog")).to_have_count(0)
    expect(console.page.locator(".list h1")).to_have_text("My chats")


def test_a_phone_shows_one_view_at_a_time(person: MakePerson, server: Server, operator: Rest) -> None:
    console = Console(person(**PHONE), server).load()
    ada = hire(operator, "Ada", password=PASSWORD)
    console.page.get_by_label("Email").fill(ada.email)
    console.page.get_by_label("Password", exact=True).fill(PASSWORD)
    console.page.get_by_role("button", name="Sign in").tap()
    maria = Visitor(server, "maria")
    maria.say("Hello " * 60)
    conversation = console.page.locator(".conversation")
    expect(conversation).to_be_hidden()

    console.row("maria").tap()
    expect(conversation).to_be_visible()
    expect(console.page.locator(".list")).to_be_hidden()
    console.composer.fill("From a phone")
    console.page.get_by_role("button", name="Send").tap()
    wait_until(lambda: maria.texts()[-1:] == ["From a phone"])
    console.page.get_by_role("button", name="About the visitor").tap()
    expect(console.page.locator(".visitor")).to_be_visible()
    console.page.get_by_role("button", name="Close").tap()
    wide = console.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide == 0
    assert not violations(console.page)

    console.page.go_back()
    expect(console.page.locator(".list")).to_be_visible()
    expect(conversation).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(person: MakePerson, server: Server, operator: Rest, scheme: str) -> None:
    page = person(color_scheme=scheme).open(f"{server.url}/console")
    rules = None if scheme == "light" else LOOKS
    sue = hire(operator, "Sue", role="supervisor", maxUsers=2, password=PASSWORD)
    hire(operator, "Ada", maxUsers=1, isOnline=False)
    page.get_by_label("Email").fill(sue.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    assert not violations(page, rules)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".me-name")).to_have_text("Sue")
    expect(page.get_by_text("No chats right now")).to_be_visible()
    assert not violations(page, rules)
    for name in ("maria", "tom", "sam"):
        Visitor(server, name).say("Hello")
    page.locator(".row").first.click()
    page.get_by_label("Message", exact=True).fill("A")
    page.keyboard.press("Enter")
    expect(page.locator(".message.own .message-state")).to_have_text("Sent")
    assert not violations(page, rules)
    page.keyboard.press("Escape")
    for key, what in (("2", "Queue"), ("3", "Recently ended"), ("4", "All open chats")):
        page.keyboard.press(key)
        expect(page.locator(".list h1")).to_have_text(what)
        assert not violations(page, rules)
    page.keyboard.press("5")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert not violations(page, rules)
    page.keyboard.press("?")
    assert not violations(page, rules)
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    for key, title in (("t", "Transfer the chat"), ("e", "End the chat")):
        page.keyboard.press("j")
        page.keyboard.press(key)
        expect(page.get_by_role("dialog", name=title)).to_be_visible()
        assert not violations(page, rules)
        page.keyboard.press("Escape")
