"""Reading in the bubble: names, times, read marks and sounds."""

from __future__ import annotations

import re
from datetime import datetime, timezone

import pymongo
from bson import ObjectId
from playwright.sync_api import expect

from tests.browser.conftest import MakePerson
from tests.browser.sites import Site
from tests.browser.widgets import Agent, Widget
from tests.e2e.rest import Rest
from tests.e2e.server import Server, wait_until

LONG = "A sentence that takes some room. " * 6
COUNT_FORMATS = """() => {
    window.formats = 0;
    const made = Intl.DateTimeFormat;
    Intl.DateTimeFormat = new Proxy(made, { construct: (what, all) => (formats++, new what(...all)) });
    for (const name of ["toLocaleTimeString", "toLocaleDateString", "toLocaleString"]) {
        const original = Date.prototype[name];
        Date.prototype[name] = function (...all) { formats++; return original.apply(this, all); };
    }
}"""
COUNT_TONES = """() => {
    window.tones = [];
    const { start } = AudioScheduledSourceNode.prototype;
    AudioScheduledSourceNode.prototype.start = function () {
        tones.push(this.context.state);
        start.call(this);
    };
}"""


def test_an_answer_is_announced_until_it_is_read(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    visitor = person()
    visitor.expected = ["of the page"]  # The page's own error, below.
    page = visitor.open(site.embed(server.url))
    widget = Widget(page)
    expect(widget.bubble).to_be_visible()
    page.evaluate("() => void ChatSupport.on('unread', () => { throw new Error('of the page'); })")
    page.evaluate("() => void ChatSupport.on('unread', (count) => (window.count = count))")
    widget.open()
    widget.write("Hello")
    session_id = agent.join(widget)
    expect(widget.rows.last).to_contain_text("Sent")
    page.keyboard.press("Escape")
    agent.say(session_id, "The answer")
    expect(widget.badge).to_have_text("1")
    wait_until(lambda: page.evaluate("window.count") == 1)
    operator.post(f"/api/chat/end-session/{session_id}")
    wait_until(lambda: '"ended":true' in page.evaluate("JSON.stringify(localStorage)").replace("\\", ""))

    page.reload()
    expect(widget.badge).to_have_text("1")
    widget.open()
    widget.wait_for_texts("Hello", "The answer")
    expect(widget.badge).to_be_hidden()
    page.keyboard.press("Escape")
    page.reload()
    expect(widget.bubble).to_be_visible()
    expect(widget.badge).to_be_hidden()


def test_messages_have_the_name_of_their_sender(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    widget = Widget(person().open(site.embed(server.url))).open()
    widget.write("Hello")
    session_id = agent.join(widget)
    agent.say(session_id, "one moment")
    agent.say(session_id, "I ask a colleague")
    grace = Agent(server, "Grace")
    operator.post(f"/api/chat/transfer/{session_id}", {"agentId": grace.id})
    expect(widget.status).to_have_text("You are talking to Grace")
    grace.say(session_id, "Hello, I am Grace")
    expect(widget.texts).to_have_count(4)
    for _ in range(2):
        wait_until(lambda: [name.rpartition("\n")[2] for name in widget.names.all_inner_texts()] == ["Ada", "Grace"])
        expect(widget.lines).to_have_text(["Ada joined", "Grace took over"], use_inner_text=True)
        widget.page.reload()
        expect(widget.texts).to_have_count(4)
    grace.leave()


def test_only_visible_messages_count_as_read_and_the_view_does_not_jump(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    session_id = operator.start("reader")
    for number in range(1, 71):
        operator.send(session_id, f"{number} {LONG if number % 2 else ''}", senderId=agent.id, senderType="agent")
    agent.socket.join(session_id)
    page = person().open(site.embed(server.url, user_id="reader"))
    widget = Widget(page).open()
    expect(widget.texts).to_have_count(50)
    # Reading begins at the first new message, and messages further down are still unread.
    expect(widget.texts.first).to_be_in_viewport()
    read = agent.socket.wait_for("messages_read")["seq"]
    assert 21 <= read < 40
    jump = widget.panel.get_by_role("button", name=re.compile("new$"))
    expect(jump).to_have_text(f"{70 - read} new")

    widget.log.evaluate("(log) => (log.scrollTop = 0)")
    top = widget.texts.first.bounding_box()
    widget.panel.get_by_role("button", name="Earlier messages").click()
    expect(widget.texts).to_have_count(70)
    moved = widget.texts.nth(20)
    assert top is not None
    wait_until(lambda: abs(top["y"] - (moved.bounding_box() or {"y": -1000})["y"]) < 60)  # The button above is gone.
    agent.say(session_id, "71")
    expect(widget.texts).to_have_count(71)
    expect(widget.texts.nth(20)).to_be_in_viewport()
    assert max(event["seq"] for event in agent.socket.events("messages_read")) == read

    jump.click()
    agent.socket.wait_for("messages_read", lambda event: event["seq"] == 71)
    expect(jump).to_be_hidden()
    # A growing field takes its room from above the last message.
    widget.field.fill("a\nb\nc\nd")
    expect(widget.texts.last).to_be_in_viewport(ratio=1)


def test_a_line_marks_what_came_while_the_visitor_was_away(
    server: Server, site: Site, person: MakePerson, agent: Agent
) -> None:
    widget = Widget(person().open(site.embed(server.url))).open()
    widget.write("Hello")
    session_id = agent.join(widget)
    agent.say(session_id, "Hi")
    widget.wait_for_texts("Hello", "Hi")
    expect(widget.lines).to_have_text(["Ada joined"], use_inner_text=True)
    widget.page.keyboard.press("Escape")
    agent.say(session_id, "Are you there?")
    agent.say(session_id, LONG)
    expect(widget.badge).to_have_text("2")
    widget.open()
    new = widget.log.locator(".new")
    expect(new).to_have_text("New")
    assert new.evaluate("(line) => line.nextSibling.textContent").startswith("AAda" + "Are you there?")
    widget.page.reload()
    expect(widget.texts).to_have_count(4)
    expect(new).to_be_hidden()
    expect(widget.lines).to_have_text(["Ada joined"], use_inner_text=True)


def test_times_are_in_the_language_of_the_chat_and_old_ones_have_a_date(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest, mongodb_uri: str
) -> None:
    session_id = operator.start("historian")
    for number in range(50):
        sender = (agent.id, "agent") if number % 2 else ("historian", "user")
        operator.send(session_id, f"{number}", senderId=sender[0], senderType=sender[1])
    client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(mongodb_uri)
    client[server.database]["messages"].update_one(
        {"sessionId": ObjectId(session_id), "seq": 1},
        {"$set": {"timestamp": datetime(2024, 3, 5, 14, 7, tzinfo=timezone.utc)}},
    )
    client.close()
    visitor = person(locale="en-US", timezone_id="UTC")
    visitor.context.add_init_script(f"({COUNT_FORMATS})()")
    widget = Widget(visitor.open(site.embed(server.url, user_id="historian", language="de")))
    widget.bubble.click()
    expect(widget.texts).to_have_count(50)
    expect(widget.lines.first).to_have_text("Dienstag, 5. März 2024", use_inner_text=True)
    expect(widget.rows.first.locator("small")).to_have_text("Gesendet · 14:07")
    expect(widget.rows.last.locator("small")).to_have_text(re.compile(r"^\d\d:\d\d$"))
    widget.write("eins")
    expect(widget.texts).to_have_count(51)
    assert widget.page.evaluate("formats") <= 2


def test_sound_is_heard_on_the_next_page_too(server: Server, site: Site, person: MakePerson, agent: Agent) -> None:
    visitor = person()
    visitor.context.add_init_script(f"({COUNT_TONES})()")
    widget = Widget(visitor.open(site.embed(server.url))).open()
    widget.choose("Sound")
    wait_until(lambda: widget.page.evaluate("tones.length") == 1)
    widget.write("Hello")
    session_id = agent.join(widget)
    widget.page.keyboard.press("Escape")
    widget.page.reload()
    widget.page.get_by_role("heading", name="A site").click()
    expect(widget.bubble).to_be_visible()
    expect(widget.badge).to_be_hidden()
    agent.say(session_id, "Hi")
    expect(widget.badge).to_have_text("1")
    wait_until(lambda: widget.page.evaluate("tones") == ["running"])


def test_the_page_gets_no_keys_of_the_chat_and_an_end_is_confirmed(
    server: Server, site: Site, person: MakePerson, agent: Agent
) -> None:
    widget = Widget(person().open(site.embed(server.url))).open()
    widget.page.evaluate(
        """() => {
            window.keys = [];
            for (const type of ["keydown", "keypress", "keyup"])
                document.addEventListener(type, ({ key }) => keys.push(key));
        }"""
    )
    widget.field.press_sequentially("no hotkeys")
    widget.field.press("Enter")
    expect(widget.rows.last).to_contain_text("Sent")
    assert widget.page.evaluate("keys") == []
    widget.choose("End chat")
    expect(widget.panel.get_by_text("End this chat?")).to_be_visible()
    widget.panel.get_by_role("button", name="Keep").click()
    expect(widget.panel.get_by_text("End this chat?")).to_be_hidden()
    expect(widget.status).to_have_text("You are talking to Ada")
    widget.end()
    expect(widget.status).to_have_text("This chat has ended")
