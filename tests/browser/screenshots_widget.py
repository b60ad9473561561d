"""Take the screenshots of the widget in docs/images, from real chats: `make screenshots`."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from playwright.sync_api import FloatRect, Page, expect

from tests.browser.conftest import MakePerson
from tests.browser.sites import Site
from tests.browser.widgets import Agent, Widget
from tests.e2e.server import Server, Servers, wait_until
from tests.features.files.samples import PDF
from tests.features.files.sending import post_file

IMAGES = Path(__file__).parents[2] / "docs/images"
DESK = {
    "viewport": {"width": 1280, "height": 800},
    "device_scale_factor": 2,
    "locale": "en-GB",
    "timezone_id": "Europe/Berlin",
}
PHONE = {
    **DESK,
    "viewport": {"width": 390, "height": 780},
    "is_mobile": True,
    "has_touch": True,
    "color_scheme": "dark",
}
CORNER: FloatRect = {"x": 1280 - 440, "y": 800 - 680, "width": 440, "height": 680}


def take(page: Page, name: str, clip: FloatRect | None = CORNER) -> None:
    page.wait_for_timeout(400)  # Animations have ended.
    IMAGES.mkdir(exist_ok=True)
    page.screenshot(path=IMAGES / f"widget-{name}.png", clip=clip, caret="initial")


def talk(widget: Widget, agent: Agent) -> str:
    """Have a short conversation."""
    widget.write("Hello! Does the round pot have a hole for the water?")
    session_id = agent.join(widget)
    expect(widget.rows.last).to_contain_text("Sent")
    agent.say(session_id, "Hi! It does, and it comes with a saucer in the same clay.")
    agent.say(session_id, "You find the sizes here: https://fern.example/sizes")
    expect(widget.texts).to_have_count(3)
    widget.write("Lovely, thank you. And is the blue one safe outside in winter?")
    agent.socket.wait_for("new_message", lambda message: message["seq"] == 4)
    agent.socket.call("mark_read", {"sessionId": session_id, "seq": 4})
    expect(widget.rows.last).to_contain_text("Read")
    return session_id


QUESTIONS = [
    {"key": "name", "label": "Your name", "type": "text", "required": True},
    {"key": "email", "label": "Your email", "type": "email", "required": False},
    {"key": "topic", "label": "What is it about?", "type": "select", "options": ["An order"], "required": True},
]


def ask(server: Server, settings: dict[str, Any]) -> None:
    """Change the server's settings."""
    version = server.operator().get("/api/settings").data["version"]
    assert server.operator().request("PUT", "/api/settings", {**settings, "version": version}).status == 200


def test_picture_of_a_bot(servers: Servers, site: Site, person: MakePerson) -> None:
    server = servers.start(FRONTEND_URLS=site.origin)
    operator = server.operator()
    bot_id = operator.create_agent("Robin", kind="bot")
    ask(server, {**operator.get("/api/settings").data, "botId": bot_id})
    widget = Widget(person(**DESK).open(f"{server.url}/demo")).open()
    widget.write("Is the blue pot safe outside in winter?")
    session_id = widget.session_id()
    wait_until(lambda: operator.history(session_id))
    card = {
        "type": "card",
        "title": "Round pot, blue",
        "text": "Fired at 1200 °C: it may stay outside down to -5 °C.",
        "buttons": [{"title": "See the sizes", "url": "https://fern.example/sizes"}],
    }
    options = ["Track my parcel", "Something else"]
    quick_replies = {"type": "quick_replies", "options": [{"title": title, "value": title} for title in options]}
    for text, content in (("It is.", card), ("What else can I do for you?", quick_replies)):
        operator.send(session_id, text, content=content, senderId=bot_id, senderType="agent")
    expect(widget.panel.get_by_role("group", name="Please choose")).to_be_visible()
    expect(widget.panel.get_by_role("button", name="Talk to a person")).to_be_visible()
    take(widget.page, "bot")


def show_files(widget: Widget, server: Server, agent: Agent) -> None:
    """Send and get files, and have more to send."""
    page, button = widget.page, widget.panel.get_by_role("button", name="Send a file")
    pot = page.locator("main img").first.screenshot()
    with page.expect_file_chooser() as chooser:
        button.click()
    chooser.value.set_files({"name": "IMG_2041.png", "mimeType": "image/png", "buffer": pot})
    widget.panel.get_by_label("Describe the picture").fill("The round pot")
    widget.write("Is this the one with the saucer?")
    session_id = agent.join(widget)
    expect(widget.log.get_by_role("img", name="The round pot")).to_be_visible()
    agent.say(session_id, "Yes! Here are all sizes.")
    post_file(server.bearer(server.operator().token(agent.id, "agent")), session_id, "Sizes 2027.pdf", PDF)
    expect(widget.log.get_by_role("link", name="Sizes 2027.pdf")).to_be_visible()
    with page.expect_file_chooser() as chooser:
        button.click()
    chooser.value.set_files({"name": "My window.png", "mimeType": "image/png", "buffer": pot})
    widget.field.fill("Does it fit here?")
    take(page, "files")


def test_pictures(servers: Servers, site: Site, person: MakePerson) -> None:
    server = servers.start(FRONTEND_URLS=site.origin, RATE_LIMITS="on", RATE_LIMIT_MESSAGES="3/hour")
    page = person(**DESK).open(f"{server.url}/demo")
    widget = Widget(page)
    expect(widget.bubble).to_be_visible()
    take(page, "demo", clip=None)
    widget.open()
    expect(widget.status).to_have_text("")
    take(page, "start")

    settings = server.operator().get("/api/settings").data
    ask(server, {**settings, "preChat": QUESTIONS})
    asked = Widget(person(**DESK).open(f"{server.url}/demo")).open()
    asked.panel.get_by_label("Your name").fill("Grace Hopper")
    take(asked.page, "questions")
    day = datetime.now(timezone.utc) + timedelta(days=3)
    weekly = {f"{day:%a}".lower(): [["08:00", "16:00"]]}
    ask(server, {**settings, "hours": {"timeZone": "UTC", "weekly": weekly, "exceptions": []}})
    closed = Widget(person(**DESK).open(f"{server.url}/demo")).open()
    expect(closed.panel.get_by_label("Your email")).to_be_focused()
    take(closed.page, "closed")
    ask(server, settings)

    busy = Agent(server, "Grace", max_users=1)
    taken = server.operator().start("somebody else")
    first, second = (Widget(person(**DESK).open(f"{server.url}/demo")).open() for _ in range(2))
    first.write("Anybody there?")
    first.session_id()
    second.write("Hello, I have a question about the cactus pot.")
    expect(second.status).to_have_text("Number 2 in the queue")
    expect(second.rows.last).to_contain_text("Sent")
    take(second.page, "queue")

    agent = Agent(server, "Ada")
    server.operator().post(f"/api/chat/end-session/{taken}")
    busy.leave()
    server.operator().post(f"/api/chat/end-session/{first.session_id()}")
    server.operator().post(f"/api/chat/end-session/{second.session_id()}")
    session_id = talk(widget, agent)
    agent.socket.call("typing_start", {"sessionId": session_id})
    expect(widget.typing).to_be_visible()
    widget.field.fill("Or should I")
    take(page, "conversation")
    agent.socket.call("typing_stop", {"sessionId": session_id})
    widget.write("Or should I take it in?")
    widget.write("I have room in the hall.")
    expect(widget.rows.last).to_contain_text("Not sent", timeout=30_000)  # It is tried again before it fails.
    take(page, "failed")
    agent.say(session_id, "Down to -5 °C it is fine outside. Have a good day!")
    agent.socket.call("end_session", {"sessionId": session_id})
    expect(widget.status).to_have_text("This chat has ended")
    take(page, "ended")

    phone = Widget(person(**PHONE).open(f"{server.url}/demo")).open()
    talk(phone, agent)
    take(phone.page, "phone-dark", clip=None)

    show_files(Widget(person(**DESK).open(f"{server.url}/demo")).open(), server, agent)

    arabic = site.embed(server.url, "/ar", language="ar", color="#ffd166")
    widget = Widget(person(**DESK).open(arabic)).open()
    widget.write("مرحبًا، هل يصل الطلب هذا الأسبوع؟")
    agent.say(agent.join(widget), "نعم، يوم الخميس.")
    expect(widget.texts).to_have_count(2)
    take(widget.page, "rtl", clip={**CORNER, "x": 0})
    agent.leave()
