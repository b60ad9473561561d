"""The bubble's data in the browser: kept, not kept, or replaced by something else."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakePerson
from tests.browser.sites import Site
from tests.browser.widgets import Agent, Widget
from tests.e2e.rest import Rest
from tests.e2e.server import Server, wait_until

RUBBISH = ["null", "5", "[]", "rubbish", '{"outbox": 5, "names": null, "read": "x", "sessionId": {}, "token": [1]}']
FULL = """() => {
    Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); };
    const full = (name) => new Proxy({}, {
        get: (_, key) => (key === "getItem" ? () => null : undefined),
        set() { throw new DOMException("full", "QuotaExceededError"); },
    });
    for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, { value: full(name) });
}"""


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_rubbish_in_storage_does_no_harm(
    server: Server, site: Site, person: MakePerson, agent: Agent, rubbish: str
) -> None:
    visitor = person()
    visitor.expected = ["400", "401", "403", "404"]
    for area in ("localStorage", "sessionStorage"):
        put = f"{area}['chat-support {server.url}'] = {rubbish!r}"
        visitor.context.add_init_script(
            f"if (!window.name) {put}; if ('{area}' === 'sessionStorage') window.name = 'x'"
        )
    widget = Widget(visitor.open(site.embed(server.url))).open()
    widget.write("Hello")
    expect(widget.rows.last).to_contain_text("Sent")
    agent.say(agent.join(widget), "Hi")
    widget.wait_for_texts("Hello", "Hi")
    widget.page.reload()
    widget.wait_for_texts("Hello", "Hi")


def test_a_chat_works_with_full_storage(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    visitor = person()
    visitor.context.add_init_script(f"({FULL})()")
    page = visitor.open(site.embed(server.url))
    widget = Widget(page)
    expect(widget.bubble).to_be_visible()
    page.evaluate(
        """() => {
            window.heard = [];
            for (const event of ["open", "unread"]) ChatSupport.on(event, (detail) => heard.push(detail ?? event));
        }"""
    )
    widget.open()
    for text in ("one", "two"):
        widget.write(text)
        expect(widget.rows.last).to_contain_text("Sent")
    session = operator.get("/api/chat/sessions").data["sessions"][0]
    assert [message["message"] for message in operator.history(session["id"])] == ["one", "two"]
    page.keyboard.press("Escape")
    agent.say(session["id"], "three")
    expect(widget.badge).to_have_text("1")
    wait_until(lambda: page.evaluate("heard") == [0, "open", 1])
    widget.open()
    widget.wait_for_texts("one", "two", "three")


def test_a_draft_is_kept_on_the_next_page(server: Server, site: Site, person: MakePerson, agent: Agent) -> None:
    widget = Widget(person().open(site.embed(server.url))).open()
    widget.field.fill("My order number is")
    widget.page.reload()
    expect(widget.field).to_have_value("My order number is")
    widget.write("12")
    expect(widget.rows.last).to_contain_text("Sent")
    widget.page.reload()
    widget.wait_for_texts("12")
    expect(widget.field).to_have_value("")
