"""The console during faults: the server is killed, the sign-in expires, an answer is lost."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.browser.consoles import PASSWORD, Console, Visitor, hire
from tests.browser.people import Person, wait_for_websocket
from tests.e2e.proxy import UpgradeBreaker
from tests.e2e.server import Server, wait_until

MakePerson = Callable[[], Person]

pytestmark = pytest.mark.usefixtures("nobody")

# Chromium logs these for a connection that is refused or cut.
BROKEN = ["ERR_CONNECTION_", "ERR_SOCKET_NOT_CONNECTED", "ERR_EMPTY_RESPONSE", "WebSocket connection to"]


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_a_restart_neither_loses_nor_doubles_a_message(person: MakePerson, server: Server, how: str) -> None:
    somebody = person()
    somebody.expected += [*BROKEN, "503 (SERVICE UNAVAILABLE)"]  # A server that is leaving answers so.
    console = Console(somebody, server).sign_in(hire(server.operator(), "Ada"))
    maria = Visitor(server, "maria")
    maria.say("one")
    console.open("maria")
    console.write("two")
    console.expect_texts("one", "two")
    wait_until(lambda: maria.texts() == ["one", "two"])
    expect(console.page.locator(".is-pending")).to_have_count(0)  # Its acknowledgement has come too.

    getattr(server, how)()
    expect(console.banner).to_contain_text("no connection")
    for text in ("three", "four"):
        console.write(text)
    expect(console.page.locator(".is-pending .message-state")).to_have_text(["Sending…", "Sending…"])
    console.composer.fill("A draft")
    server.start()
    maria.say("five, or three")

    expect(console.banner).to_be_hidden()
    expect(console.bubbles).to_have_count(5)
    expect(console.page.locator(".is-pending")).to_have_count(0)
    shown = console.bubbles.all_inner_texts()
    assert shown == maria.texts()
    assert sorted(shown) == sorted(["one", "two", "three", "four", "five, or three"])
    assert shown.index("three") < shown.index("four")
    expect(console.composer).to_have_value("A draft")


def test_a_websocket_that_breaks_at_the_end_of_its_upgrade_is_noticed_at_once(
    person: MakePerson, server: Server
) -> None:
    somebody = person()
    somebody.expected += BROKEN
    proxy = UpgradeBreaker(("127.0.0.1", server.port))
    console = Console(somebody, proxy).sign_in_by_form(hire(server.operator(), "Ada", password=PASSWORD))
    wait_until(proxy.has_cut.is_set)

    Visitor(server, "maria")

    expect(console.row("maria")).to_be_visible()
    proxy.close()


def test_missed_messages_arrive_with_the_connection(person: MakePerson, server: Server) -> None:
    somebody = person()
    somebody.expected += BROKEN
    operator = server.operator()
    console = Console(somebody, server).sign_in(hire(operator, "Ada", maxUsers=3))
    maria, tom = Visitor(server, "maria"), Visitor(server, "tom")
    maria.say("Hello")
    console.open("maria")
    console.expect_texts("Hello")
    expect(console.row("tom")).to_be_visible()

    # The events of a socket that joins again arrive before the lists.
    console.page.route(re.compile("status=ended"), lambda route: (time.sleep(1), route.continue_()))
    server.kill()
    expect(console.banner).to_be_visible()
    server.start()
    for number in range(60):
        maria.say(f"missed {number}")
    operator.post(f"/api/chat/end-session/{tom.session_id}", {"reason": "Meanwhile"})
    Visitor(server, "sam").say("I am new")

    console.expect_texts("Hello", *(f"missed {number}" for number in range(60)))
    expect(console.row("sam")).to_contain_text("I am new")
    expect(console.row("tom")).to_have_count(0)
    console.go("Ended")
    expect(console.row("tom")).to_contain_text("Meanwhile")


def test_an_unsent_message_survives_a_reload(person: MakePerson, server: Server) -> None:
    console = Console(person(), server).sign_in(hire(server.operator(), "Ada"))
    maria = Visitor(server, "maria")
    console.open("maria")
    wait_for_websocket(console.page)
    console.page.evaluate("WebSocket.prototype.send = () => {}; 0")
    console.write("On its way")
    expect(console.page.locator(".message-state")).to_have_text("Sending…")

    console.page.reload()

    console.expect_texts("On its way")
    expect(console.page.locator(".message-state")).to_have_text("Sent")
    assert maria.texts() == ["On its way"]


def test_a_message_whose_answer_was_lost_is_not_stored_twice(person: MakePerson, server: Server) -> None:
    console = Console(person(), server).sign_in(hire(server.operator(), "Ada"))
    maria = Visitor(server, "maria")
    for number in range(60):
        maria.say(f"before {number}")
    console.open("maria")
    wait_for_websocket(console.page)
    # What the console sends gets out, and nothing comes back.
    console.page.evaluate(
        "const real = WebSocket.prototype.send; WebSocket.prototype.send = function (data) "
        "{ this.onmessage = () => {}; real.call(this, data); }; 0"
    )
    console.write("Once")
    wait_until(lambda: maria.texts()[-1:] == ["Once"])
    expect(console.page.locator(".is-pending .message-state")).to_have_text("Sending…")
    for number in range(60):
        maria.say(f"after {number}")

    console.page.reload()

    # It lies before the last 50 that are shown at first, so it is sent again.
    expect(console.bubbles.last).to_have_text("after 59")
    expect(console.page.locator(".is-pending")).to_have_count(0)
    expect(console.bubbles.filter(has_text="Once")).to_have_count(0)
    console.page.locator(".log").evaluate("log => log.scrollTo(0, 0)")
    expect(console.bubbles.filter(has_text="Once")).to_have_count(1)
    assert maria.texts().count("Once") == 1


def test_an_ended_sign_in_is_renewed_without_losing_anything(person: MakePerson, server: Server) -> None:
    operator, somebody = server.operator(), person()
    somebody.expected += ["401 (UNAUTHORIZED)", *BROKEN]
    ada = hire(operator, "Ada", password=PASSWORD)
    console = Console(somebody, server).sign_in(ada)
    maria = Visitor(server, "maria")
    maria.say("Hello")
    console.open("maria")
    console.expect_texts("Hello")
    console.composer.fill("A draft")

    operator.post("/api/auth/revoke", {"userId": ada.id, "userType": "agent"})
    dialog = console.dialog("Sign in again")
    expect(dialog).to_be_visible()
    console.page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    maria.say("Are you there?")
    dialog.get_by_label("Email").fill(ada.email)
    dialog.get_by_label("Password", exact=True).fill("not this one")
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog.get_by_role("alert")).to_have_text("The email or the password is wrong.")
    dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    dialog.get_by_role("button", name="Continue").click()

    expect(dialog).to_be_hidden()
    console.expect_texts("Hello", "Are you there?")
    expect(console.composer).to_have_value("A draft")
    console.composer.press("Enter")
    wait_until(lambda: maria.texts() == ["Hello", "Are you there?", "A draft"])


def test_signing_out_leaves_nothing_behind(person: MakePerson, server: Server) -> None:
    console = Console(person(), server).sign_in_by_form(hire(server.operator(), "Ada", password=PASSWORD))
    Visitor(server, "maria")
    console.open("maria")
    console.composer.fill("A draft")
    kept = json.loads(console.page.evaluate("Object.values(sessionStorage).find((text) => text.includes('token'))"))

    with console.page.expect_response("**/api/auth/logout") as answer:
        console.page.get_by_role("button", name="Sign out").click()

    assert answer.value.status == 200
    assert server.bearer(kept["token"]).get("/api/chat/stats").status == 401

    expect(console.page.get_by_role("button", name="Sign in")).to_be_visible()
    assert console.page.evaluate("sessionStorage.length + localStorage.length") == 0
    console.page.reload()
    expect(console.page.get_by_role("button", name="Sign in")).to_be_visible()


def test_nothing_is_loaded_after_a_sign_out(person: MakePerson, server: Server) -> None:
    console = Console(person(), server).sign_in(hire(server.operator(), "Ada"))
    held: list[Route] = []
    console.page.route("**/api/chat/stats", lambda route: held.append(route))
    with console.page.expect_request("**/api/chat/stats"):
        console.page.reload()

    console.page.get_by_role("button", name="Sign out").click()
    expect(console.page.get_by_role("button", name="Sign in")).to_be_visible()
    calls = len(held)
    for route in held:  # They reach the server after the sign-out. The page must not have an error.
        route.fulfill(status=401, json={"success": False, "code": "INVALID_TOKEN", "message": "", "requestId": "r"})
    console.page.wait_for_timeout(1_000)  # Longer than the pause before a call is repeated.

    assert len(held) == calls


def test_a_lost_answer_is_asked_for_again(person: MakePerson, server: Server) -> None:
    somebody = person()
    somebody.expected += ["ERR_FAILED", "403 (Forbidden)", *BROKEN]
    operator = server.operator()
    console = Console(somebody, server).sign_in(hire(operator, "Ada"))
    hire(operator, "Ben")
    maria = Visitor(server, "maria")
    console.open("maria")
    answered = 0

    def lose_the_first(route: object) -> None:
        nonlocal answered
        answered += 1
        response = route.fetch()  # type: ignore[attr-defined]
        if answered == 1:
            route.abort()  # type: ignore[attr-defined]
        else:
            route.fulfill(response=response)  # type: ignore[attr-defined]

    console.page.route("**/api/chat/transfer/**", lose_the_first)
    console.page.get_by_role("button", name="Transfer").click()
    console.dialog("Transfer the chat").get_by_text("Ben").click()
    console.dialog("Transfer the chat").get_by_role("button", name="Transfer").click()

    expect(console.page.get_by_text("The chat was transferred to Ben.")).to_be_visible()
    assert answered == 2
    assert maria.rest.get(f"/api/chat/session/{maria.session_id}").data["agent"]["name"] == "Ben"
