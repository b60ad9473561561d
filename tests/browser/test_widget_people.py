"""Ways to use the bubble: keyboards, screen readers, phones, two tabs, other languages, and hostile texts."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakePerson
from tests.browser.people import LOOKS, violations
from tests.browser.sites import Site
from tests.browser.widgets import Agent, Widget
from tests.e2e.rest import Rest
from tests.e2e.server import Server, wait_until

HOSTILE = [
    "<script>document.title = 'owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<svg/onload=document.title='owned'>",
    '"><iframe srcdoc="<script>parent.document.title=\'owned\'</script>">',
    "javascript:document.title='owned'",
    "https://a.example/\"onmouseover=\"document.title='owned'",
    "https://a.example/<img/src=x/onerror=document.title='owned'>",
    "{{constructor.constructor('document.title=1')()}} ${document.title} %ASSETS% $& $1",
    "&lt;b&gt; &amp; <b>bold</b> <!-- --> ]]>",
    "\u202egnp.exe \u2066isolate \u0001 \U0001f469\u200d\U0001f469\u200d\U0001f467",
    "data:text/html,<script>1</script> vbscript:x ftp://x.example //x.example",
]
APPEARANCES: dict[str, dict[str, Any]] = {
    "desk": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 700}, "has_touch": True, "is_mobile": True},
    "high contrast": {"forced_colors": "active"},
}


def test_hostile_texts_and_names_are_only_text(server: Server, site: Site, person: MakePerson) -> None:
    agent = Agent(server, name=HOSTILE[1])
    address = site.embed(server.url, "/x", title=HOSTILE[0], color="red;background:url(x)", position="left onclick=")
    widget = Widget(person().open(address)).open()
    for text in HOSTILE:
        widget.write(text)
    session_id = agent.join(widget)
    wait_until(lambda: len(server.operator().history(session_id)) == len(HOSTILE))
    for text in HOSTILE:
        agent.say(session_id, text)
    agent.socket.call("typing_start", {"sessionId": session_id})
    expect(widget.status).to_have_text(f"You are talking to {HOSTILE[1]}")
    expect(widget.typing).to_have_text(f"{HOSTILE[1]} is typing")
    expect(widget.panel.get_by_role("heading", name=HOSTILE[0], exact=True)).to_be_visible()
    expect(widget.texts).to_have_count(2 * len(HOSTILE))

    assert widget.texts.all_text_contents() == HOSTILE * 2
    inside = widget.log.locator("script, img, svg, iframe, p b, b b, [onmouseover], [onerror]")
    assert inside.count() == 0
    links = widget.log.get_by_role("link")
    assert {link.get_attribute("href") for link in links.all()} == {"https://a.example/"}
    widget.texts.last.hover()
    assert widget.page.title() == "A site"
    agent.leave()


def test_a_new_name_of_an_agent_appears_in_open_chats(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    widget = Widget(person().open(site.embed(server.url, "/renamed"))).open()
    widget.write("hello")
    agent.join(widget)
    expect(widget.status).to_contain_text("You are talking to Ada")

    operator.request("PATCH", f"/api/agents/{agent.id}", {"name": "Adele"})

    expect(widget.status).to_contain_text("You are talking to Adele")


def test_the_chat_works_by_keyboard_alone(server: Server, site: Site, person: MakePerson, agent: Agent) -> None:
    page = person().open(site.embed(server.url))
    widget = Widget(page)
    expect(widget.bubble).to_be_visible()
    keyboard = page.keyboard
    keyboard.press("Tab")  # The page's link.
    keyboard.press("Tab")
    expect(widget.bubble).to_be_focused()
    keyboard.press("Enter")
    expect(widget.field).to_be_focused()
    keyboard.type("Hello")
    keyboard.press("Shift+Enter")
    keyboard.type("again")
    keyboard.press("Enter")
    widget.wait_for_texts("Hello\nagain")
    expect(widget.field).to_be_focused()
    expect(widget.status).to_have_text("You are talking to Ada")

    names: list[str | None] = []
    for _ in range(7):
        keyboard.press("Tab")
        names.append(page.evaluate(f"{FOCUSED}.ariaLabel || {FOCUSED}.textContent"))
    # The send button is off while there is nothing to send.
    assert names == ["Menu", "Close chat", "Chat with us", "Send a file", "Your message", "Menu", "Close chat"]
    keyboard.press("Shift+Tab")
    keyboard.press("Shift+Tab")
    expect(widget.field).to_be_focused()
    keyboard.press("Escape")
    expect(widget.panel).to_be_hidden()
    expect(widget.bubble).to_be_focused()
    keyboard.press("Space")
    keyboard.press("Tab")
    expect(widget.menu_button).to_be_focused()
    keyboard.press("Enter")
    expect(widget.panel.get_by_role("button", name="Sound")).to_be_focused()
    keyboard.press("Tab")
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(widget.panel.get_by_role("button", name="Keep")).to_be_focused()
    keyboard.press("Escape")
    expect(widget.panel.locator(".menu")).to_be_hidden()
    expect(widget.menu_button).to_be_focused()
    keyboard.press("Enter")
    expect(widget.panel.get_by_role("button", name="Sound")).to_be_focused()
    keyboard.press("Tab")
    keyboard.press("Tab")
    keyboard.press("Enter")
    keyboard.press("Shift+Tab")
    keyboard.press("Enter")
    expect(widget.status).to_have_text("This chat has ended")
    expect(widget.panel.get_by_role("button", name="Start new chat")).to_be_focused()
    keyboard.press("Enter")
    expect(widget.field).to_be_focused()
    widget.wait_for_texts()


FOCUSED = "document.activeElement.shadowRoot.activeElement"


@pytest.mark.parametrize("appearance", APPEARANCES)
def test_axe_finds_no_barriers(server: Server, site: Site, person: MakePerson, agent: Agent, appearance: str) -> None:
    # White is almost readable on this blue, but not quite.
    color = "#0d73f5" if appearance == "desk" else "#ffd166"
    page = person(**APPEARANCES[appearance]).open(site.embed(server.url, color=color))
    widget = Widget(page)
    rules = None if appearance == "desk" else LOOKS
    expect(widget.bubble).to_be_visible()
    found = {"closed": violations(page, rules)}
    widget.open()
    found["start"] = violations(page, rules)
    widget.write("Where is it?")
    session_id = agent.join(widget)
    expect(widget.rows.last.locator("small")).to_contain_text("Sent")
    agent.say(session_id, "See https://track.example/1")
    agent.socket.call("typing_start", {"sessionId": session_id})
    expect(widget.typing).to_be_visible()
    widget.field.fill("x" * 1001)
    expect(widget.panel.get_by_text("Characters left: -1")).to_be_visible()
    found["conversation"] = violations(page, rules)
    for number in range(12):
        agent.say(session_id, f"{number} more")
    expect(widget.texts).to_have_count(14)
    widget.log.evaluate("(log) => (log.scrollTop = 0)")
    widget.menu_button.click()
    agent.say(session_id, "and one below")
    expect(widget.panel.get_by_role("button", name="1 new")).to_be_visible()
    found["menu, and a message below"] = violations(page, rules)
    widget.panel.get_by_role("button", name="End chat").click()
    found["question"] = violations(page, rules)
    if widget.page.viewport_size == {"width": 390, "height": 700}:
        assert widget.panel.bounding_box() == {"x": 0, "y": 0, "width": 390, "height": 700}
    agent.socket.call("end_session", {"sessionId": session_id})
    expect(widget.status).to_have_text("This chat has ended")
    found["ended"] = violations(page, rules)
    assert not {state: problems for state, problems in found.items() if problems}


def test_a_failed_message_does_not_block_others(server: Server, site: Site, person: MakePerson) -> None:
    visitor = person()
    visitor.expected = ["Failed to load resource", "net::ERR"]
    page = visitor.open(site.embed(server.url))
    page.route("**/api/chat/start-session", lambda route: route.fulfill(status=403, json=FORBIDDEN))
    widget = Widget(page).open()
    widget.write("Hello?")
    expect(widget.panel.get_by_role("button", name="Try again")).to_be_visible()
    assert not violations(page)
    page.reload()
    expect(widget.rows.last).to_contain_text("Not sent")
    page.unroute("**/api/chat/start-session")
    widget.panel.get_by_role("button", name="Try again").click()
    expect(widget.rows.last.locator("small")).to_contain_text("Sent")


FORBIDDEN = {"success": False, "code": "FORBIDDEN", "message": "No."}


def test_the_chat_works_from_right_to_left(server: Server, site: Site, person: MakePerson, agent: Agent) -> None:
    page = person().open(site.embed(server.url, language="ar-EG"))
    widget = Widget(page).open()
    widget.write("مرحبًا")
    session_id = agent.join(widget)
    agent.say(session_id, "Hello")
    expect(widget.status).to_have_text("أنت تتحدث مع Ada")
    expect(widget.texts).to_have_count(2)
    assert not violations(page)
    panel, own, other = (part.bounding_box() for part in (widget.panel, widget.texts.first, widget.texts.last))
    assert panel is not None
    assert own is not None
    assert other is not None
    assert panel["x"] == 20
    assert own["x"] < other["x"]
    german = Widget(person(locale="de-DE").open(site.embed(server.url, "/de", language="de", position="left"))).open()
    expect(german.panel.get_by_role("heading", name="Hallo!")).to_be_visible()
    assert (german.panel.bounding_box() or {})["x"] == 20


def test_two_tabs_are_one_visitor(server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest) -> None:
    visitor = person()
    address = site.embed(server.url)
    one, two = Widget(visitor.open(address)), Widget(visitor.open(address))
    one.open()
    two.open()
    one.write("from one")
    two.wait_for_texts("from one")
    two.write("from two")
    one.wait_for_texts("from one", "from two")
    session_id = agent.join(one)
    assert session_id == two.session_id()
    assert [message["seq"] for message in operator.history(session_id)] == [1, 2]

    two.page.evaluate(KEEP_UNSENT)  # Like a third tab with a broken connection.
    for tab in (one, two):
        tab.page.keyboard.press("Escape")
    agent.say(session_id, "an answer")
    for tab in (one, two):
        expect(tab.badge).to_have_text("1")
        expect(tab.bubble).to_have_accessible_name("Open chat, 1 new")
    one.page.reload()
    expect(one.badge).to_have_text("1")
    one.open()
    expect(two.badge).to_be_hidden()
    agent.socket.wait_for("messages_read", lambda read: read["seq"] >= 3)
    one.wait_for_texts("from one", "from two", "an answer", "from three")
    sound = one.panel.get_by_role("button", name="Sound")
    one.menu_button.click()
    expect(sound).to_have_attribute("aria-pressed", "false")
    sound.click()
    one.page.reload()
    one.menu_button.click()
    expect(sound).to_have_attribute("aria-pressed", "true")
    one.menu_button.click()
    one.end()
    two.open()
    expect(two.status).to_have_text("This chat has ended")
    one.panel.get_by_role("button", name="Start new chat").click()
    two.wait_for_texts()


def test_a_tab_that_knows_less_does_not_make_others_lose_the_chat(
    server: Server, site: Site, person: MakePerson, agent: Agent
) -> None:
    visitor = person()
    address = site.embed(server.url)
    one, two = Widget(visitor.open(address)), Widget(visitor.open(address))
    one.open()
    two.open()
    wait_until(lambda: "token" in kept(one))
    before = kept(one)
    one.write("hello")
    session_id = agent.join(one)
    two.wait_for_texts("hello")

    keep(two, before)  # Like a third tab that has not heard yet of the chat.
    wait_until(lambda: session_id in kept(two), otherwise=lambda: kept(two))
    agent.say(session_id, "an answer")
    for tab in (one, two):
        tab.wait_for_texts("hello", "an answer")
    one.page.reload()
    one.wait_for_texts("hello", "an answer")

    agent.socket.call("end_session", {"sessionId": session_id})
    two.panel.get_by_role("button", name="Start new chat").click()
    one.wait_for_texts()
    between = kept(two)
    two.write("hello again")
    one.wait_for_texts("hello again")
    second = agent.join(two)
    assert second != session_id
    keep(one, between)
    wait_until(lambda: second in kept(one), otherwise=lambda: kept(one))
    one.wait_for_texts("hello again")


def test_earlier_messages_can_be_loaded(server: Server, site: Site, person: MakePerson, operator: Rest) -> None:
    session_id = operator.start("reader")
    for number in range(1, 61):
        operator.send(session_id, f"{number}", senderId="reader", senderType="user")
    visitor = person()
    visitor.expected = ["net::ERR_FAILED"]
    page = visitor.open(site.embed(server.url, user_id="reader"))
    widget = Widget(page).open()
    expect(widget.texts).to_have_count(50)
    widget.write("61")
    expect(widget.texts).to_have_count(51)
    page.route("**/api/chat/messages/**", lambda route: route.abort())
    widget.panel.get_by_role("button", name="Earlier messages").click()
    expect(widget.panel.get_by_role("alert")).to_have_text("The chat cannot be reached at the moment.")
    page.unroute("**/api/chat/messages/**")
    widget.panel.get_by_role("button", name="Earlier messages").click()
    widget.wait_for_texts(*map(str, range(1, 62)))
    expect(widget.panel.get_by_role("button", name="Earlier messages")).to_be_hidden()


KEEP_UNSENT = """() => {
    const key = Object.keys(localStorage).find((name) => name.startsWith("chat-support"));
    const kept = JSON.parse(localStorage.getItem(key));
    localStorage.setItem(key, JSON.stringify({ ...kept, outbox: [{ id: "third-1", text: "from three" }] }));
}"""


def kept(tab: Widget) -> str:
    """Return the data that the visitor's tabs share, as JSON."""
    return str(tab.page.evaluate(f"localStorage[{KEY}]"))


def keep(tab: Widget, entry: str) -> None:
    tab.page.evaluate(f"(entry) => (localStorage[{KEY}] = entry)", entry)


KEY = "Object.keys(localStorage).find((name) => name.startsWith('chat-support'))"
