"""A visitor with the chat bubble on somebody else's site, and an agent on a socket."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import MakePerson
from tests.browser.sites import Site
from tests.browser.widgets import Agent, Widget
from tests.e2e.server import Server


def test_a_whole_chat(server: Server, site: Site, person: MakePerson, agent: Agent) -> None:
    widget = Widget(person().open(site.embed(server.url))).open()
    expect(widget.panel.get_by_role("heading", name="Hello!")).to_be_visible()

    widget.write("Where is my parcel?")
    widget.wait_for_texts("Where is my parcel?")
    expect(widget.status).to_have_text("You are talking to Ada")
    expect(widget.rows.last.locator("small")).to_contain_text("Sent")
    session_id = agent.join(widget)
    agent.socket.call("mark_read", {"sessionId": session_id, "seq": 1})
    expect(widget.rows.last.locator("small")).to_contain_text("Read")
    agent.socket.call("typing_start", {"sessionId": session_id})
    expect(widget.typing).to_have_text("Ada is writing")
    agent.socket.send(session_id, "It left this morning: https://track.example/1?a=b. Anything else?")
    widget.wait_for_texts("Where is my parcel?", "It left this morning: https://track.example/1?a=b. Anything else?")
    expect(widget.typing).to_be_hidden()
    link = widget.log.get_by_role("link")
    expect(link).to_have_attribute("href", "https://track.example/1?a=b")
    expect(link).to_have_attribute("rel", "noopener nofollow")
    agent.socket.wait_for("messages_read", lambda read: read["seq"] == 2)
    widget.field.press_sequentially("No")
    agent.socket.wait_for("user_typing", lambda typing: typing["isTyping"])

    widget.panel.get_by_role("button", name="End chat").click()
    expect(widget.status).to_have_text("This chat has ended")
    agent.socket.wait_for("session_ended")
    widget.page.reload()
    expect(widget.panel).to_be_visible()
    widget.wait_for_texts("Where is my parcel?", "It left this morning: https://track.example/1?a=b. Anything else?")
    widget.panel.get_by_role("button", name="Start again").click()
    widget.wait_for_texts()
    widget.write("One more thing")
    widget.wait_for_texts("One more thing")
    assert widget.session_id() != session_id
