"""A visitor with the chat bubble on somebody else's site, and an agent on a socket."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakePerson
from tests.browser.people import LOOKS, violations
from tests.browser.sites import Site
from tests.browser.widgets import Agent, Widget
from tests.e2e.server import Server, wait_until


def test_a_whole_chat(server: Server, site: Site, person: MakePerson, agent: Agent) -> None:
    widget = Widget(person(reduced_motion="no-preference").open(site.embed(server.url))).open()
    expect(widget.panel.get_by_role("heading", name="Hello!")).to_be_visible()

    widget.write("Where is my parcel?")
    widget.wait_for_texts("Where is my parcel?")
    expect(widget.status).to_have_text("You are talking to Ada")
    expect(widget.rows.last.locator("small")).to_contain_text("Sent")
    session_id = agent.join(widget)
    agent.socket.call("mark_read", {"sessionId": session_id, "seq": 1})
    expect(widget.rows.last.locator("small")).to_contain_text("Read")
    agent.socket.call("typing_start", {"sessionId": session_id})
    expect(widget.typing).to_have_text("Ada is typing")
    agent.socket.send(session_id, "It left this morning: https://track.example/1?a=b. Anything else?")
    widget.wait_for_texts("Where is my parcel?", "It left this morning: https://track.example/1?a=b. Anything else?")
    expect(widget.typing).to_be_hidden()
    link = widget.log.get_by_role("link")
    expect(link).to_have_attribute("href", "https://track.example/1?a=b")
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
    agent.socket.wait_for("messages_read", lambda read: read["seq"] == 2)
    widget.field.press_sequentially("No")
    agent.socket.wait_for("user_typing", lambda typing: typing["isTyping"])

    widget.end()
    expect(widget.status).to_have_text("This chat has ended")
    agent.socket.wait_for("session_ended")
    widget.page.reload()
    expect(widget.panel).to_be_visible()
    widget.wait_for_texts("Where is my parcel?", "It left this morning: https://track.example/1?a=b. Anything else?")
    widget.panel.get_by_role("button", name="Start new chat").click()
    widget.wait_for_texts()
    widget.write("One more thing")
    widget.wait_for_texts("One more thing")
    assert widget.session_id() != session_id


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_demo_is_a_shop_with_a_chat(server: Server, person: MakePerson, agent: Agent, scheme: str) -> None:
    page = person(color_scheme=scheme, viewport={"width": 390, "height": 800}).open(f"{server.url}/demo")
    widget = Widget(page)
    expect(widget.bubble).to_be_visible()
    assert not violations(page, None if scheme == "light" else LOOKS)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    loaded = page.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth)")
    assert loaded
    expect(page.get_by_role("link", name="console")).to_have_attribute("href", "console")
    widget.open()
    widget.write("Hello")
    expect(widget.status).to_have_text("You are talking to Ada")


def test_the_functions_for_pages(server: Server, site: Site, person: MakePerson, agent: Agent) -> None:
    visitor = person()
    page = visitor.open(site.embed(server.url))
    assert page.evaluate(GLOBALS) == ["ChatSupport"]
    page.evaluate(
        """() => {
            window.heard = [];
            for (const event of ["open", "close", "message", "unread", "status"])
                ChatSupport.on(event, (detail) => heard.push([event, detail?.message ?? detail?.status ?? detail]));
            window.stop = ChatSupport.on("open", () => heard.push("never"));
            stop();
            return ChatSupport.identify({ userId: "customer-3" }).then(() => ChatSupport.open());
        }"""
    )
    widget = Widget(page)
    expect(widget.panel).to_be_visible()
    widget.write("Hello")
    session_id = agent.join(widget)
    agent.say(session_id, "Hi")
    expect(widget.texts).to_have_count(2)
    session = server.operator().get(f"/api/chat/session/{session_id}").data
    assert session["userId"] == "customer-3"
    page.evaluate("ChatSupport.close()")
    expect(widget.panel).to_be_hidden()
    for entry in (["open", None], ["status", "active"], ["message", "Hi"], ["close", None]):
        wait_until(lambda entry=entry: entry in page.evaluate("heard"))
    assert "never" not in page.evaluate("heard")


GLOBALS = """() => {
    const frame = document.body.appendChild(document.createElement("iframe"));
    const usual = new Set(Object.getOwnPropertyNames(frame.contentWindow));
    frame.remove();
    const names = Object.getOwnPropertyNames(window);
    return names.filter((name) => !usual.has(name) && isNaN(name) && !name.startsWith("__pw"));
}"""
