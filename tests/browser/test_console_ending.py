"""An agent can undo the end of a chat for eight seconds, and no end is lost."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakePerson, MakeVisitor
from tests.browser.consoles import Agent, Console, hire
from tests.browser.people import pass_time, wait_for_websocket
from tests.e2e.rest import Rest
from tests.e2e.server import Server, wait_until

pytestmark = pytest.mark.usefixtures("nobody")


def end(console: Console) -> None:
    """End the open chat as "Solved"."""
    console.page.get_by_role("button", name="End", exact=True).click()
    console.dialog("End the chat").get_by_role("button", name="End the chat").click()


def status(operator: Rest, session_id: str) -> str:
    shown: str = operator.get(f"/api/chat/session/{session_id}").data["status"]
    return shown


@pytest.fixture
def ada(operator: Rest) -> Agent:
    return hire(operator, "Ada", maxUsers=5)


def test_an_end_is_sent_after_eight_seconds_unless_it_is_undone(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor, ada: Agent
) -> None:
    console = Console(person(), server)
    console.page.clock.install()
    console.sign_in(ada)
    maria, tom = visitor("maria"), visitor("tom")
    tom.say("Hi")
    console.open("maria")
    wait_for_websocket(console.page)
    # From now on, time passes below only. To say so may take some seconds, on a busy machine.
    console.page.clock.pause_at(console.page.evaluate("Date.now() + 10_000"))
    end(console)
    # The next unanswered chat opens at once.
    expect(console.page.locator(".conversation-title")).to_have_text("tom")
    expect(console.row("tom")).to_be_focused()
    expect(console.row("maria")).to_contain_text("Ending the chat…")
    pass_time(console.page, 7)
    console.page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(console.page.locator(".conversation-title")).to_have_text("maria")
    expect(console.composer).to_be_editable()
    expect(console.row("maria")).to_be_focused()
    pass_time(console.page, 8)
    assert status(operator, maria.session_id) == "active"

    end(console)
    console.open("maria")
    expect(console.notice).to_contain_text("The chat ends in a few seconds.")
    console.notice.get_by_role("button", name="Undo").click()
    expect(console.notice).to_be_hidden()
    expect(console.page.locator(".toast")).to_have_count(0)

    end(console)
    pass_time(console.page, 8)
    wait_until(lambda: status(operator, maria.session_id) == "ended")
    expect(console.row("maria")).to_have_count(0)
    expect(console.page.locator(".toast")).to_have_count(0)


def test_a_closed_tab_a_reload_and_a_sign_out_send_the_end(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor, ada: Agent
) -> None:
    somebody = person()
    console = Console(somebody, server).sign_in(ada)
    for name, leave in (
        ("maria", lambda page: page.reload()),
        ("tom", lambda page: page.get_by_role("button", name="Sign out").click()),
        ("sam", lambda page: page.close()),
    ):
        one = visitor(name)
        if name == "sam":
            console = Console(somebody, server).sign_in(ada)
        console.open(name)
        end(console)
        leave(console.page)
        wait_until(lambda one=one: status(operator, one.session_id) == "ended")


def test_an_end_that_the_network_loses_is_sent_later(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor, ada: Agent
) -> None:
    console = Console(person(), server).sign_in(ada)
    maria = visitor("maria")
    console.open("maria")
    console.page.evaluate("window.fetch = () => Promise.reject(new TypeError('No network')); 0")
    end(console)
    console.page.reload()  # Before this, the end is sent in vain.
    wait_until(lambda: status(operator, maria.session_id) == "ended")


def test_an_end_that_the_server_refuses_is_taken_back(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor, ada: Agent
) -> None:
    somebody = person()
    somebody.expected += ["403"]
    console = Console(somebody, server).sign_in(ada)
    visitor("maria")
    console.open("maria")
    refusal = {"success": False, "code": "FORBIDDEN", "message": "It is not yours.", "requestId": "r"}
    console.page.route("**/api/chat/end-session/**", lambda route: route.fulfill(status=403, json=refusal))
    console.page.get_by_role("button", name="End", exact=True).click()
    console.end()

    expect(console.page.locator(".toast")).to_contain_text("The chat could not be ended. It is not yours.")
    expect(console.composer).to_be_editable()
