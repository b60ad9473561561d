"""How the console tells an agent who looks elsewhere about new chats and messages."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakePerson, MakeVisitor
from tests.browser.consoles import Console, hire
from tests.browser.people import pass_time, violations
from tests.e2e.rest import Rest
from tests.e2e.server import Server, wait_until

pytestmark = [pytest.mark.usefixtures("nobody"), pytest.mark.whole_chromium]


NOTING = """
window.shown = []; window.notes = 0;
window.Notification = new Proxy(Notification, {
    construct(target, given) {
        window.last = new target(...given);
        shown.push([last.title, last.body, last.tag]);
        return last;
    },
});
const { start } = AudioScheduledSourceNode.prototype;
AudioScheduledSourceNode.prototype.start = function (...given) { window.notes += 1; start.apply(this, given); };
"""
"""Notes what the page shows and plays, which is still shown and played."""
LOOK_AWAY = "document.hasFocus = () => false; dispatchEvent(new Event('blur'))"
LOOK_BACK = "delete document.hasFocus; dispatchEvent(new Event('focus'))"


def test_an_agent_who_looks_elsewhere_hears_of_chats(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    somebody = person(permissions=["notifications"])
    somebody.context.add_init_script(NOTING)
    ada = hire(operator, "Ada")
    first = Console(somebody, server).sign_in(ada)
    first.page.get_by_role("button", name="Alerts").click()
    dialog = first.dialog("Alerts")
    dialog.get_by_label("Desktop notifications").check()
    dialog.get_by_label("Every message").check()
    dialog.get_by_role("button", name="Test").click()
    wait_until(lambda: first.page.evaluate("[shown.length, notes]") == [1, 3])
    assert not violations(first.page)
    first.page.keyboard.press("Escape")

    second = Console(somebody, server)
    second.page.clock.install()
    second.sign_in(ada)
    for console in (first, second):
        console.page.evaluate(LOOK_AWAY)
    maria = visitor("maria")
    wait_until(lambda: second.page.evaluate("shown") == [["maria", "New chat", maria.session_id]])
    wait_until(lambda: second.page.evaluate("notes") == 3)
    maria.say("x" * 81)
    wait_until(lambda: second.page.evaluate("shown.at(-1)") == ["maria", "x" * 79 + "…", maria.session_id])
    wait_until(lambda: second.page.evaluate("notes") == 4)
    icon = second.page.locator('link[rel="icon"]')
    expect(icon).to_have_attribute("href", re.compile("/icon-unread.svg$"))
    pass_time(second.page, 20)
    wait_until(lambda: second.page.evaluate("notes") == 7)

    second.page.evaluate(f"{LOOK_BACK}; last.dispatchEvent(new Event('click'))")
    expect(second.page.locator(".conversation-title")).to_have_text("maria")
    expect(icon).to_have_attribute("href", re.compile("/icon.svg$"))
    pass_time(second.page, 20)
    assert second.page.evaluate("notes") == 7
    assert first.page.evaluate("[shown.length, notes]") == [1, 3]

    second.page.close()
    first.page.get_by_role("button", name="Alerts").click()
    dialog.get_by_label("Hide what visitors write").check()
    maria.say("A secret")
    wait_until(lambda: first.page.evaluate("shown.at(-1)") == ["maria", "New message", maria.session_id])


def test_the_dialog_says_when_the_browser_blocks_notifications(
    person: MakePerson, server: Server, operator: Rest
) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Ada"))
    console.page.get_by_role("button", name="Alerts").click()
    notifies = console.dialog("Alerts").get_by_label("Desktop notifications")

    notifies.click()

    expect(console.page.get_by_text("Your browser blocks notifications from this page.")).to_be_visible()
    expect(notifies).not_to_be_checked()
