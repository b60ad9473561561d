"""Faults that agents found when they used the console: each test shows the right behaviour."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import MakeVisitor
from tests.browser.consoles import PASSWORD, Console, hire
from tests.browser.people import Person, pass_time, wait_for_websocket
from tests.e2e.rest import Rest
from tests.e2e.server import Server, wait_until

pytestmark = pytest.mark.usefixtures("nobody")

MakePerson = Callable[..., Person]


def failing(page: Page, pattern: str, times: int) -> None:
    """Let some requests to these addresses fail with a broken connection."""
    left = times

    def answer(route: Route) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            route.abort()
        else:
            route.fallback()

    page.route(re.compile(pattern), answer)


def end_dialog(console: Console) -> Any:
    """Open the dialog that ends the chat."""
    console.page.get_by_role("button", name="End", exact=True).click()
    return console.dialog("End the chat")


@pytest.mark.features("settings")
def test_the_reasons_to_end_are_those_of_the_settings(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    settings = operator.get("/api/settings").data
    sold = {**settings, "endReasons": [{"label": "Sold <b>", "isPublic": True}]}
    changed = operator.request("PUT", "/api/settings", sold).data
    try:
        console = Console(person(), server).sign_in(hire(operator, "Ada"))
        maria = visitor("maria")
        assert maria.socket
        console.open("maria")
        dialog = end_dialog(console)
        expect(dialog.get_by_role("radio")).to_have_count(2)
        expect(dialog.get_by_role("radio", name="Sold <b>")).to_be_checked()
        console.end()
        assert maria.socket.wait_for("session_ended")["reason"] == "Sold <b>"
    finally:
        operator.request("PUT", "/api/settings", {**settings, "version": changed["version"]})


def test_an_end_has_the_given_reason(person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Ada", maxUsers=3))
    maria, tom, sam = visitor("maria"), visitor("tom"), visitor("sam")
    for one in (maria, tom, sam):
        assert one.socket

    console.open("maria")
    dialog = end_dialog(console)
    reason = dialog.get_by_role("textbox", name="Another reason")
    expect(reason).to_be_hidden()
    expect(dialog.get_by_label("Do not show this reason to the visitor")).to_be_hidden()
    dialog.get_by_role("radio", name="Another reason").check()
    expect(reason).to_be_focused()
    dialog.get_by_role("radio", name="Solved").check()
    expect(reason).to_be_hidden()
    dialog.get_by_role("radio", name="Another reason").check()
    dialog.get_by_role("button", name="End the chat").click()
    expect(dialog.get_by_role("alert")).to_have_text("Write the reason, or choose one from the list.")
    dialog.get_by_role("textbox", name="Another reason").fill("Parcel found")
    console.end()
    assert maria.socket.wait_for("session_ended")["reason"] == "Parcel found"

    console.open("tom")
    dialog = end_dialog(console)
    dialog.get_by_role("radio", name="Spam or abuse").check()
    console.end()
    assert tom.socket.wait_for("session_ended")["reason"] == "Ended by the agent"
    expect(console.notice).to_contain_text("Spam or abuse")

    console.open("sam")
    dialog = end_dialog(console)
    dialog.get_by_role("radio", name="Another reason").check()
    dialog.get_by_role("textbox", name="Another reason").fill("Rude")
    dialog.get_by_label("Do not show this reason to the visitor").check()
    console.end()
    assert sam.socket.wait_for("session_ended")["reason"] == "Ended by the agent"
    console.go("Ended")
    for name, reason in (("maria", "Parcel found"), ("tom", "Spam or abuse"), ("sam", "Rude")):
        expect(console.row(name)).to_contain_text(reason)
    console.page.reload()
    expect(console.row("sam")).to_contain_text("Rude")


def test_a_chat_that_could_not_be_loaded_is_loaded_later(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    somebody = person()
    somebody.expected += ["ERR_FAILED"]
    supervisor = hire(operator, "Grace", role="supervisor", isOnline=False)
    ada = hire(operator, "Ada")
    maria = visitor("maria")
    maria.say("Hello")
    operator.post(f"/api/chat/end-session/{maria.session_id}")
    for number in range(31):  # beyond the first page of the list
        operator.post(f"/api/chat/end-session/{operator.start(f'v{number}')}")
    console = Console(somebody, server).sign_in(supervisor)
    assert ada

    failing(console.page, f"/api/chat/session/{maria.session_id}", 4)
    console.page.goto(f"{server.url}/console#/ended/{maria.session_id}")
    expect(console.page.get_by_text("This chat could not be loaded")).to_be_visible()
    console.page.get_by_role("main").get_by_role("button", name="Try again").click()

    console.expect_texts("Hello")


def test_one_agent_in_two_browsers_sees_the_same(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    ada = hire(operator, "Ada")
    desk, phone = Console(person(), server).sign_in(ada), Console(person(), server).sign_in(ada)
    maria = visitor("maria")
    maria.say("Hello")
    expect(phone.badge("maria")).to_have_text("1")

    desk.page.bring_to_front()
    desk.open("maria")
    expect(phone.badge("maria")).to_be_hidden()
    phone.expect_title(0)

    switch = desk.page.get_by_role("switch", name="Take new chats")
    expect(switch).to_have_attribute("aria-checked", "true")
    switch.click()
    for console in (desk, phone):
        expect(console.page.get_by_role("switch", name="Take new chats")).to_have_attribute("aria-checked", "false")
    desk.page.locator(".conversation-title").click()
    desk.page.keyboard.press("o")
    expect(desk.page.get_by_text("You are online. You receive new chats.")).to_be_visible()
    desk.page.keyboard.press("o")
    expect(desk.page.get_by_text("You are away. You do not receive new chats.")).to_be_visible()
    desk.page.locator(".toast").get_by_role("button", name="Go online").click()
    expect(phone.page.get_by_role("switch", name="Take new chats")).to_have_attribute("aria-checked", "true")


def test_a_supervisor_without_room_cannot_take_over_and_learns_why(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    console = Console(person(viewport={"width": 1360, "height": 800}), server)
    console.sign_in(hire(operator, "Grace", role="supervisor", maxUsers=1))
    visitor("maria")
    expect(console.row("maria")).to_be_visible()
    ada = hire(operator, "Ada")
    tom = visitor("tom")
    tom.say("Hello")
    console.go("All open")
    console.open("tom")

    take = console.page.get_by_role("button", name="Take over")
    expect(take).to_have_attribute("aria-disabled", "true")
    take.click(force=True)
    expect(console.page.locator(".toast")).to_contain_text("You have as many chats as you can take.")
    assert tom.rest.get(f"/api/chat/session/{tom.session_id}").data["agentId"] == ada.id
    # All actions of a supervisor fit beside the visitor's panel.
    head = console.page.locator(".conversation-head")
    assert head.evaluate("head => head.scrollWidth <= head.clientWidth")
    for button in head.get_by_role("button").all():
        if button.is_visible():
            box, frame = button.bounding_box(), head.bounding_box()
            assert box is not None
            assert frame is not None
            assert box["x"] + box["width"] <= frame["x"] + frame["width"]


@pytest.mark.parametrize("size", [(1300, 700), (390, 700)])
def test_the_last_message_stays_in_view_while_the_field_grows(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor, size: tuple[int, int]
) -> None:
    console = Console(person(viewport={"width": size[0], "height": size[1]}), server).sign_in(hire(operator, "Ada"))
    maria = visitor("maria")
    for number in range(30):
        maria.say(f"message {number}")
    console.row("maria").click()
    expect(console.bubbles).to_have_count(30)

    console.composer.fill("line\n" * 12)
    maria.say("the last one")

    covered = """() => {
        const last = [...document.querySelectorAll(".messages > .message")].at(-1).getBoundingClientRect();
        return last.bottom - document.querySelector(".composer").getBoundingClientRect().top;
    }"""
    expect(console.bubbles.last).to_have_text("the last one")
    wait_until(lambda: console.page.evaluate(covered) <= 0)


def test_over_plain_http_an_agent_sends_and_copies(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    somebody = person()
    # A page from another machine's address lacks these: it is not a secure context.
    somebody.context.add_init_script(
        "delete Crypto.prototype.randomUUID;"
        "Object.defineProperty(Navigator.prototype, 'clipboard', { value: undefined });"
        "document.addEventListener('copy', () => (window.copied = document.activeElement.value));"
    )
    console = Console(somebody, server).sign_in(hire(operator, "Ada"))
    maria = visitor("maria")
    console.open("maria")

    console.write("Hello")
    wait_until(lambda: maria.texts() == ["Hello"])
    console.page.get_by_role("button", name="Copy id").click()

    expect(console.page.get_by_text("The id was copied.")).to_be_visible()
    assert console.page.evaluate("window.copied") == "maria"


def test_rubbish_in_the_browsers_storage_does_no_harm(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    ada = hire(operator, "Ada", password=PASSWORD)
    maria = visitor("maria")
    somebody = person()
    for rubbish in ("null", "[1", '{"drafts": 3, "outbox": [[null], ["x", null], ["y", [null, {}]]]}', "[]"):
        console = Console(somebody, server)
        console.page.add_init_script(
            f"for (const key of ['chat-console-token', 'chat-console-plain-keys', 'chat-console-writing-{ada.id}'])"
            f" sessionStorage.setItem(key, {rubbish!r});"
        )
        console.sign_in_by_form(ada)
        console.open("maria")
        console.write(rubbish)
        wait_until(lambda rubbish=rubbish: maria.texts()[-1:] == [rubbish])


def test_a_part_that_cannot_be_fetched_is_fetched_again(person: MakePerson, server: Server, operator: Rest) -> None:
    ada = hire(operator, "Ada")
    for part in (r"/console/all\.js", r"/vendor/|socket\.io\.", r"/console/all\.css"):
        somebody = person()
        somebody.expected += ["ERR_FAILED"]
        left = 1

        def once(route: Route) -> None:
            nonlocal left
            left -= 1
            if left >= 0:
                route.abort()
            else:
                route.fallback()

        somebody.context.route(re.compile(part), once)
        console = Console(somebody, server).sign_in(ada)
        expect(console.page.locator(".shell")).to_have_css("display", "grid")
        assert left < 0


def test_a_missing_answer_is_not_treated_as_a_refusal(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    console = Console(person(), server)
    console.page.clock.install()
    console.sign_in(hire(operator, "Ada"))
    maria = visitor("maria")
    console.open("maria")
    wait_for_websocket(console.page)
    # The network accepts everything and delivers nothing, but the socket stays open.
    console.page.evaluate(
        "const real = WebSocket.prototype.send; window.silent = true;"
        "WebSocket.prototype.send = function (data) { if (!window.silent) real.call(this, data); }; 0"
    )
    console.write("Are you there?")
    pass_time(console.page, 180)
    expect(console.page.locator(".is-failed")).to_have_count(0)
    expect(console.page.locator(".is-pending")).to_have_count(1)

    console.page.evaluate("window.silent = false; 0")
    pass_time(console.page, 30)

    wait_until(lambda: maria.texts() == ["Are you there?"])
    expect(console.page.locator(".is-pending")).to_have_count(0)


def test_the_console_does_not_poll_the_queue(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Ada", maxUsers=1))
    calls = "performance.getEntriesByType('resource').filter(({ name }) => name.includes('/api/chat/queue')).length"
    wait_until(lambda: console.page.evaluate(calls) == 2)  # With the page, and again with the connection.
    visitor("maria")
    console.go("Queue")

    for name in ("tom", "sam"):
        visitor(name)

    expect(console.rows).to_have_count(2)
    expect(console.rows.last).to_contain_text("sam")
    assert console.page.evaluate(calls) == 2


def test_the_switch_is_readable_in_forced_colours(person: MakePerson, server: Server, operator: Rest) -> None:
    console = Console(person(forced_colors="active", reduced_motion="no-preference"), server).sign_in(
        hire(operator, "Ada")
    )
    switch = console.page.get_by_role("switch", name="Take new chats")
    track = console.page.locator(".switch-track")
    ground = "track => getComputedStyle(track).backgroundColor"

    expect(switch).to_have_attribute("aria-checked", "true")
    on = track.evaluate(ground)
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    wait_until(lambda: track.evaluate(ground) != on)


def test_addresses_become_links(person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Ada"))
    maria = visitor("maria")
    maria.say("See https://example.com/Foo_(bar). Is it that?")
    console.open("maria")
    console.write("No, http://example.com/other!")

    for address in ("https://example.com/Foo_(bar)", "http://example.com/other"):
        link = console.page.get_by_role("link", name=address, exact=True)
        expect(link).to_have_attribute("href", address)
        expect(link).to_have_attribute("rel", re.compile("noopener noreferrer"))
    console.expect_texts("See https://example.com/Foo_(bar). Is it that?", "No, http://example.com/other!")


def test_signing_out_ends_the_token_on_the_server(person: MakePerson, server: Server, operator: Rest) -> None:
    ada = hire(operator, "Ada")
    console = Console(person(), server).sign_in(ada)
    token = console.page.evaluate("JSON.parse(sessionStorage.getItem('chat-console-token')).token")
    assert server.bearer(token).get(f"/api/agents/{ada.id}").status == 200

    console.page.get_by_role("button", name="Sign out").click()

    wait_until(lambda: server.bearer(token).get(f"/api/agents/{ada.id}").status == 401)


@pytest.mark.features("context")
def test_a_guest_has_a_name(person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Ada"))
    guest = visitor(f"guest-{'a' * 22}")
    visitor(f"guest-{'b' * 22}")
    console.open("Visitor · Indigo Hare")
    expect(console.page.locator(".visitor-name")).to_have_text("Visitor · Indigo Hare")
    expect(console.page.locator(".conversation-head .avatar")).to_have_text("IH")
    expect(console.rows).to_have_count(2)
    colours = console.rows.locator(".avatar").evaluate_all("all => all.map((one) => getComputedStyle(one).color)")
    assert len(set(colours)) == 2
    expect(console.row("Visitor · Coral Sparrow")).to_be_visible()

    named = {"visitor": {"name": "Grace <b>"}}
    assert guest.rest.request("PATCH", f"/api/chat/session/{guest.session_id}", named).status == 200

    expect(console.page.locator(".conversation-title")).to_have_text("Grace <b>")
    console.page.reload()
    expect(console.row("Grace <b>")).to_be_visible()
    expect(console.row("Visitor · Coral Sparrow")).to_be_visible()
