"""A chat from its start to its end, seen from the console."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakeVisitor
from tests.browser.consoles import Console, hire
from tests.browser.people import Person, wait_for_websocket
from tests.e2e.rest import Rest
from tests.e2e.server import Server, wait_until

pytestmark = pytest.mark.usefixtures("nobody")


def test_a_whole_chat(person: Callable[..., Person], server: Server, operator: Rest, visitor: MakeVisitor) -> None:
    console = Console(person(reduced_motion="no-preference"), server).sign_in(hire(operator, "Ada"))
    expect(console.page.get_by_text("No chats right now")).to_be_visible()

    maria = visitor("maria")
    maria.socket.send(maria.session_id, "Where is my parcel?")
    expect(console.row("maria")).to_contain_text("Where is my parcel?")
    expect(console.badge("maria")).to_have_text("1")
    console.expect_title(1)

    console.open("maria")
    console.expect_texts("Where is my parcel?")
    maria.socket.wait_for("messages_read", lambda mark: mark["seq"] == 1)
    console.expect_title(0)
    expect(console.badge("maria")).to_be_hidden()

    console.composer.press_sequentially("Let me", delay=5)
    maria.socket.wait_for("user_typing", lambda typing: typing["isTyping"])
    console.composer.fill("Let me\nlook")
    console.composer.press("Enter")
    assert maria.socket.wait_for("new_message", lambda m: m["senderType"] == "agent")["message"] == "Let me\nlook"
    expect(console.page.locator(".message.own .message-state")).to_have_text("Sent")
    maria.socket.call("mark_read", {"sessionId": maria.session_id, "seq": 2})
    expect(console.page.locator(".message.own .message-state")).to_have_text("Read")
    maria.socket.call("typing_start", {"sessionId": maria.session_id})
    expect(console.page.get_by_text("maria is typing…").first).to_be_visible()

    console.page.get_by_role("button", name="End", exact=True).click()
    console.dialog("End the chat").get_by_role("radio", name="Another reason").check()
    console.dialog("End the chat").get_by_role("textbox", name="Another reason").fill("Parcel found")
    console.end()
    assert maria.socket.wait_for("session_ended")["reason"] == "Parcel found"
    expect(console.notice).to_contain_text("Parcel found")
    expect(console.composer).to_be_hidden()
    expect(console.row("maria")).to_have_count(0)
    console.go("Ended")
    expect(console.row("maria")).to_contain_text("Parcel found")


def test_shift_and_enter_begin_a_new_line(
    person: Callable[..., Person], server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Ada"))
    maria = visitor("maria")
    console.open("maria")

    console.composer.press_sequentially("one")
    console.composer.press("Shift+Enter")
    console.composer.press_sequentially("two")
    console.composer.press("Enter")

    console.expect_texts("one\ntwo")
    wait_until(lambda: maria.texts() == ["one\ntwo"])


def test_scrolling_up_loads_earlier_messages(
    person: Callable[..., Person], server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    ada = hire(operator, "Ada")
    maria = visitor("maria")
    texts = [f"message {number}" for number in range(1, 131)]
    for text in texts:
        maria.say(text)
    console = Console(person(), server).sign_in(ada)
    console.open("maria")
    expect(console.bubbles).to_have_count(50)
    expect(console.bubbles.last).to_be_in_viewport()

    # The end is in view as well if it came while the chat was not open.
    for _ in ("the field", "the chat"):
        console.page.keyboard.press("Escape")
    expect(console.bubbles.last).to_be_hidden()
    for text in ("later 1", "later 2", "later 3"):
        texts.append(text)
        maria.say(text)
    expect(console.row("maria")).to_contain_text("later 3")
    console.open("maria")
    expect(console.bubbles.last).to_have_text("later 3")
    expect(console.bubbles.last).to_be_in_viewport()

    for count in (103, 133):
        console.page.locator(".log").evaluate("log => log.scrollTo(0, 0)")
        expect(console.bubbles).to_have_count(count)
        # The message that was at the top stays in its place.
        wait_until(lambda: console.page.locator(".log").evaluate("log => log.scrollTop") > 500)

    console.expect_texts(*texts)


def test_a_chat_that_is_not_joined_yet_is_loading_and_not_empty(
    person: Callable[..., Person], server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    ada = hire(operator, "Ada")
    visitor("maria").say("Hello")
    console = Console(person(), server)
    console.page.route("**/socket.io/**", lambda _: None)  # The connection takes long.
    console.sign_in(ada).open("maria")

    expect(console.page.get_by_text("Loading earlier messages…")).to_be_visible()
    expect(console.page.locator(".log .empty")).to_be_hidden()


def test_a_button_loads_earlier_messages_too(
    person: Callable[..., Person], server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    ada = hire(operator, "Ada")
    maria = visitor("maria")
    for number in range(60):
        maria.say(f"message {number}")
    console = Console(person(viewport={"width": 1300, "height": 4000}), server).sign_in(ada)
    console.open("maria")
    expect(console.bubbles).to_have_count(50)

    console.page.get_by_role("button", name="Show earlier messages").press("Enter")

    expect(console.bubbles).to_have_count(60)
    expect(console.page.get_by_role("log")).to_be_focused()


def test_an_invalid_address_opens_the_lists(
    person: Callable[..., Person], server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Ada"))
    visitor("maria")
    for address in ("#/mine/%E0%A4%A", "#/constructor", "#/overview", "#//", "#/mine/../x"):
        console.page.goto("about:blank")
        console.page.goto(f"{server.url}/console{address}")
        console.wait()
        expect(console.row("maria")).to_be_visible()


def test_a_message_that_is_too_long_is_not_sent(
    person: Callable[..., Person], server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Ada"))
    maria = visitor("maria")
    console.open("maria")
    send = console.page.get_by_role("button", name="Send")

    console.write("🎈" * 1001)
    expect(console.page.locator(".composer-count")).to_have_text("1001 / 1000")
    expect(send).to_be_disabled()
    console.composer.fill("🎈" * 1000)
    send.click()

    wait_until(lambda: maria.texts() == ["🎈" * 1000])


def test_a_message_for_a_chat_that_has_ended_says_so_and_can_be_deleted(
    person: Callable[..., Person], server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Ada"))
    maria = visitor("maria")
    console.open("maria")
    wait_for_websocket(console.page)
    # What the console sends does not get out, while it still believes that it is connected.
    console.page.evaluate(
        "window.realSend = WebSocket.prototype.send; window.held = [];"
        "WebSocket.prototype.send = function (data) { window.held.push([this, data]); }; 0"
    )
    console.write("Are you still there?")
    expect(console.page.locator(".message-state")).to_have_text("Sending…")
    maria.rest.post(f"/api/chat/end-session/{maria.session_id}", {"reason": "Gone"})
    expect(console.notice).to_contain_text("Gone")
    console.page.evaluate(
        "WebSocket.prototype.send = window.realSend; window.held.forEach(([socket, data]) => socket.send(data))"
    )

    expect(console.page.locator(".message-state")).to_contain_text("Not sent.")
    console.page.get_by_role("button", name="Delete").click()
    console.expect_texts()
    assert maria.texts() == []


def test_drafts_are_kept_for_each_chat_and_over_a_reload(
    person: Callable[..., Person], server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Ada"))
    visitor("maria")
    visitor("tom")
    console.open("maria")
    console.composer.fill("To Maria")
    console.open("tom")
    expect(console.composer).to_have_value("")
    console.composer.fill("To Tom")
    expect(console.row("maria")).to_contain_text("Draft: To Maria")

    console.page.reload()
    console.wait()
    expect(console.composer).to_have_value("To Tom")
    console.open("maria")
    expect(console.composer).to_have_value("To Maria")


def test_an_agent_who_is_away_gets_no_chat_until_online_again(
    person: Callable[..., Person], server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Ada"))
    switch = console.page.get_by_role("switch", name="Take new chats")
    expect(switch).to_be_checked()
    switch.click()
    expect(switch).not_to_be_checked()
    expect(console.page.get_by_text("You are away")).to_be_visible()
    wait_until(lambda: not operator.get("/api/agents").data["agents"][0]["isOnline"])

    maria = visitor("maria")
    assert maria.rest.get(f"/api/chat/session/{maria.session_id}").data["status"] == "waiting"
    console.page.get_by_role("button", name="Go online").click()
    expect(console.row("maria")).to_be_visible()
