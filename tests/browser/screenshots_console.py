"""Take the screenshots of the console in docs/images, from real chats: `make screenshots`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pymongo
import pytest
from bson import ObjectId
from playwright.sync_api import Page, expect

from tests.browser.conftest import MakePerson
from tests.browser.consoles import Agent, Console, Visitor, hire
from tests.e2e.rest import Rest
from tests.e2e.server import Server, Servers, wait_until
from tests.features.files.samples import PDF
from tests.features.files.sending import post_file

IMAGES = Path(__file__).parents[2] / "docs/images"
DESK: dict[str, Any] = {"viewport": {"width": 1360, "height": 820}, "locale": "en-GB", "timezone_id": "Europe/Berlin"}
PHONE: dict[str, Any] = {
    **DESK,
    "viewport": {"width": 390, "height": 780},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
TALK = (
    ("user", "Hi! My order 4711 still has not arrived."),
    ("user", "It should have been here on Monday."),
    ("agent", "Hello Maria, I am sorry about that. Let me look where it is."),
    (
        "agent",
        "It left our warehouse on Tuesday and is with the carrier. It will be with you tomorrow before noon.",
    ),
    ("user", "Oh great, thank you! 🎉"),
    ("user", "Can the driver leave it with my neighbour if I am out?"),
)

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PAGES = (("Pots", "pots"), ("Tall, ochre", "pots/tall"), ("Your order 4711", "orders/4711"))
NOTE = "The carrier lost her last parcel too. Please be generous."
REPLIES = (
    ("hello", "Greeting", "Hello {{visitor.name}}, I am {{agent.name}}. How can I help?"),
    ("parcel", "Where a parcel is", "You can follow your parcel at https://fern.example/parcels."),
    ("sorry", "Something went wrong", "I am sorry about that. I will look at it at once."),
    ("voucher", "A voucher", "Please take this voucher for your next order: FERN10."),
)


class Scene:
    """A server with a team, visitors and a past. Sessions are moved back in time so that visitors have waited long."""

    def __init__(self, server: Server, client: pymongo.MongoClient[dict[str, Any]]) -> None:
        self.server = server
        self.operator: Rest = server.operator()
        self._database = client[server.database]

    def visitor(self, name: str, minutes: float, *texts: str, waited: float = 0.0) -> Visitor:
        """Add a visitor who came some minutes ago and waited for some of them."""
        visitor = Visitor(self.server, name)
        for text in texts:
            visitor.say(text)
        self.move(visitor, minutes, waited)
        return visitor

    def move(self, visitor: Visitor, minutes: float, waited: float = 0.0) -> None:
        """Move a session and its messages into the past."""
        session = self._database.sessions.find_one({"_id": _id(visitor)}) or {}
        began = datetime.now(timezone.utc) - timedelta(minutes=minutes)
        times = {"createdAt": began, "queuedAt": began}
        if session["status"] == "active":
            times |= dict.fromkeys(("assignedAt", "firstAssignedAt"), began + timedelta(minutes=waited))
        self._database.sessions.update_one({"_id": session["_id"]}, {"$set": times})
        messages = list(self._database.messages.find({"sessionId": session["_id"]}, sort=[("seq", 1)]))
        for message in messages:
            part = (message["seq"] - 0.5) / len(messages)
            at = began + timedelta(minutes=waited + (minutes - waited) * part)
            self._database.messages.update_one({"_id": message["_id"]}, {"$set": {"timestamp": at}})

    def give(self, visitor: Visitor, agent: Agent) -> None:
        """Hand a session to an agent."""
        self.operator.post(f"/api/chat/transfer/{visitor.session_id}", {"agentId": agent.id})

    def tell(self, visitor: Visitor) -> None:
        """Let Maria's browser tell who she is, and on which pages she has been."""
        visitor.rest.headers["User-Agent"] = BROWSER
        told: dict[str, Any] = {
            "visitor": {"name": "Maria Lopez", "email": "maria@example.com"},
            "locale": "es-ES",
            "timezone": "Europe/Madrid",
            "fields": {"customerSince": 2021},
        }
        for title, path in PAGES:
            told["page"] = {"url": f"https://fern.example/{path}", "title": title}
            visitor.rest.request("PATCH", f"/api/chat/session/{visitor.session_id}", told)

    def maria(self, agent: Agent) -> Visitor:
        """Let Maria talk with an agent. She and others have written before."""
        for name, reason in (
            ("maria.lopez", "Solved"),
            ("jonas.berg", "Solved"),
            ("guest-48190", "The visitor does not answer"),
        ):
            past = Visitor(self.server, name)
            self.give(past, agent)
            if name.startswith("maria"):
                self.tell(past)
            past.say("Hello")
            past.rest.post(f"/api/chat/end-session/{past.session_id}", {"reason": reason})
            self.move_end(past, 60 * 26 if name.startswith("maria") else 47)
        maria = Visitor(self.server, "maria.lopez")
        self.give(maria, agent)
        self.tell(maria)
        self.operator.request("PUT", f"/api/chat/tags/{maria.session_id}", {"tags": ["delivery", "regular"]})
        answers = self.server.bearer(self.operator.token(agent.id, "agent"))
        for side, text in TALK:
            (answers if side == "agent" else maria.rest).send(maria.session_id, text)
        self.move(maria, 12, 1.5)
        return maria

    def move_end(self, visitor: Visitor, minutes: float) -> None:
        """Move a session that has ended into the past."""
        ended = datetime.now(timezone.utc) - timedelta(minutes=minutes)
        times = {
            "createdAt": ended - timedelta(minutes=9),
            "firstAssignedAt": ended - timedelta(minutes=8),
            "endedAt": ended,
        }
        self._database.sessions.update_one({"_id": _id(visitor)}, {"$set": times})
        written = {"timestamp": ended - timedelta(minutes=7)}
        self._database.messages.update_many({"sessionId": _id(visitor)}, {"$set": written})


def _id(visitor: Visitor) -> ObjectId:
    return ObjectId(visitor.session_id)


def take(page: Page, name: str) -> None:
    page.wait_for_timeout(400)  # Animations have ended.
    IMAGES.mkdir(exist_ok=True)
    page.screenshot(path=IMAGES / f"console-{name}.png", caret="initial")


@pytest.fixture
def scene(servers: Servers, mongodb_uri: str) -> Iterator[Scene]:
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri, tz_aware=True) as client:
        yield Scene(servers.start(), client)


def test_sign_in(servers: Servers, person: MakePerson) -> None:
    server = servers.start(APP_ENV="development", API_KEY="", DEFAULT_AGENTS="Alice,Bob,Carol")
    page = person(**DESK).open(f"{server.url}/console")
    expect(page.get_by_role("button", name="Carol")).to_be_visible()
    take(page, "sign-in")
    page.get_by_role("button", name="Alice").click()
    expect(page.get_by_text("No chats right now")).to_be_visible()
    take(page, "empty")


def test_chats(scene: Scene, person: MakePerson) -> None:
    ada = hire(scene.operator, "Ada", maxUsers=4)
    maria = scene.maria(ada)
    hire(scene.operator, "Ben", maxUsers=3, isOnline=False)
    scene.visitor("tom@example.com", 4, "Hello, do you ship to Norway?", "And how much is it?", waited=0.4)
    scene.visitor("guest-48213", 7, "My voucher code is not accepted.")
    scene.visitor("li.wei", 2, "Is the blue one back in stock soon?")
    waiting = (("sofia.rossi", 5.2), ("guest-48220", 3.1), ("amir.k", 0.7))
    for name, minutes in waiting:
        scene.visitor(name, minutes, "Hello?")
    hire(scene.operator, "Cleo", maxUsers=3, isOnline=False)
    for scheme in ("light", "dark"):
        console = Console(person(**DESK, color_scheme=scheme), scene.server).sign_in(ada)
        console.open("Maria Lopez")
        if scheme == "light":
            console.write("Yes, I have told the carrier so. The neighbour on the left?")
            expect(console.page.locator(".message.own .message-state").last).to_have_text("Sent")
            maria.socket.call("mark_read", {"sessionId": maria.session_id, "seq": 7})
        expect(console.page.locator(".message.own .message-state").last).to_have_text("Read")
        maria.socket.call("typing_start", {"sessionId": maria.session_id})
        expect(console.page.locator(".typing")).to_be_visible()
        console.composer.fill("She is usually in")
        take(console.page, "chat" if scheme == "light" else "dark")
        if scheme == "dark":
            continue
        maria.socket.call("typing_stop", {"sessionId": maria.session_id})
        console.go("Queue")
        expect(console.rows).to_have_count(3)
        take(console.page, "queue")
        console.go("Ended")
        console.page.get_by_label("Reason").select_option("Solved")
        expect(console.rows).to_have_count(2)
        console.rows.first.click()
        take(console.page, "ended")
        console.page.keyboard.press("Escape")
        console.page.keyboard.press("Control+k")
        console.page.keyboard.type("neighbour")
        expect(console.page.get_by_role("group", name="Found in chats")).to_be_visible()
        take(console.page, "search")
        console.page.context.close()
    phone = Console(person(**PHONE), scene.server).sign_in(ada)
    take(phone.page, "phone-list")
    phone.open("Maria Lopez")
    expect(phone.bubbles).to_have_count(7)
    take(phone.page, "phone")


def test_desk(scene: Scene, person: MakePerson) -> None:
    ada = hire(scene.operator, "Ada", maxUsers=4)
    for shortcut, title, text in REPLIES:
        scene.operator.post("/api/replies", {"shortcut": shortcut, "title": title, "text": text})
    maria = scene.maria(ada)
    scene.visitor("li.wei", 2, "Is the blue one back in stock soon?")
    sue = hire(scene.operator, "Sue", role="supervisor", isOnline=False)
    boss = scene.server.bearer(scene.operator.token(sue.id, "agent"))
    boss.post(f"/api/chat/notes/{maria.session_id}", {"text": NOTE})
    shop = person(**DESK).open(f"{scene.server.url}/demo")
    pot = shop.locator("main img").first.screenshot()
    post_file(maria.rest, maria.session_id, "cracked.png", pot)
    console = Console(person(**DESK), scene.server).sign_in(ada)
    page = console.page
    console.open("Maria Lopez")
    expect(page.locator(".message.note")).to_be_visible()
    wait_until(lambda: bool(page.locator(".thumbnail img").evaluate("image => image.naturalWidth")))
    console.composer.press_sequentially("/")
    expect(page.get_by_role("listbox", name="Canned replies")).to_be_visible()
    take(page, "replies")
    console.composer.fill("")
    page.locator("input[type=file]").set_input_files(
        [
            {"name": "voucher.pdf", "mimeType": "application/pdf", "buffer": PDF},
            {"name": "the new one.png", "mimeType": "image/png", "buffer": pot},
        ]
    )
    page.get_by_label("Description of the new one.png").fill("A round pot with a fern")
    console.composer.fill("We send you a new one today.")
    take(page, "files")
    for name in ("voucher.pdf", "the new one.png"):
        page.get_by_label(f"Remove {name}").click()
    console.composer.fill("")
    page.get_by_label("Note", exact=True).check(force=True)
    page.get_by_label("Note for your team").fill("She gets a new pot and a voucher.")
    take(page, "note")
    page.get_by_label("Note for your team").fill("")
    page.get_by_role("button", name="Alerts").click()
    take(page, "alerts")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="End", exact=True).click()
    console.dialog("End the chat").get_by_role("button", name="End the chat").click()
    expect(page.locator(".conversation-title")).to_have_text("li.wei")
    take(page, "undo")


def test_settings(scene: Scene, person: MakePerson) -> None:
    sue = hire(scene.operator, "Sue", role="supervisor", maxUsers=2)
    sales, returns = (
        scene.operator.post("/api/departments", {"name": name, "overflowAfter": seconds}).data["id"]
        for name, seconds in (("Sales", 120), ("Returns", None))
    )
    for name, room, departments in (("Ada", 4, [sales]), ("Ben", 3, [sales, returns]), ("Cleo", 2, None)):
        hire(scene.operator, name, maxUsers=room, departmentIds=departments, isOnline=name != "Ben")
    for shortcut, title, text in REPLIES:
        scene.operator.post("/api/replies", {"shortcut": shortcut, "title": title, "text": text})
    settings = scene.operator.get("/api/settings").data
    weekdays = {day: [["09:00", "12:30"], ["13:30", "18:00"]] for day in ("mon", "tue", "wed", "thu")}
    christmas = {"date": "2026-12-24", "spans": [["09:00", "12:00"]], "name": "Christmas Eve"}
    settings["hours"] = {
        "timeZone": "Europe/Berlin",
        "weekly": {**weekdays, "fri": [["09:00", "16:00"]]},
        "exceptions": [christmas],
    }
    settings["widget"] |= {"title": "Fern & Clay", "color": "#2f5d46"}
    settings["texts"] |= {"greeting": "Hello! Questions about pots?"}
    settings["preChat"] = [
        {"key": "name", "label": "Your name", "type": "text", "required": True},
        {"key": "topic", "label": "Topic", "type": "select", "options": ["An order", "A pot"], "required": False},
    ]
    assert scene.operator.request("PUT", "/api/settings", settings).status == 200
    console = Console(person(**DESK), scene.server).sign_in(sue)
    console.go("Settings")
    for section, name in (
        ("Agents", "team"),
        ("Departments", "departments"),
        ("Opening hours", "hours"),
        ("Questions before a chat", "questions"),
        ("Chat bubble", "bubble"),
    ):
        console.page.get_by_role("link", name=section).click()
        expect(console.page.get_by_role("heading", name=section, level=2)).to_be_visible()
        take(console.page, f"settings-{name}")


def test_overview(scene: Scene, person: MakePerson) -> None:
    sue = hire(scene.operator, "Sue", maxUsers=3, role="supervisor")
    console = Console(person(**DESK), scene.server).sign_in(sue)
    console.page.get_by_role("switch").click()
    console.page.wait_for_timeout(500)
    team = {"Ada": 4, "Ben": 3, "Cleo": 2, "Dmitri": 3}
    agents = {name: hire(scene.operator, name, maxUsers=room, isOnline=False) for name, room in team.items()}
    guests = {"Ada": ("maria.lopez", "li.wei"), "Ben": ("tom@example.com",), "Cleo": ("guest-48213", "jonas.berg")}
    for name, visitors in guests.items():
        scene.operator.request("PATCH", f"/api/agents/{agents[name].id}", {"isOnline": True})
        for visitor in visitors:
            scene.give(scene.visitor(visitor, 9, "Hello"), agents[name])
    for name in guests:
        scene.operator.request("PATCH", f"/api/agents/{agents[name].id}", {"isOnline": False})
    for name, minutes in (("sofia.rossi", 5.2), ("guest-48220", 3.1), ("amir.k", 0.7)):
        scene.visitor(name, minutes, "Hello?")
    for name in guests:
        scene.operator.request(
            "PATCH",
            f"/api/agents/{agents[name].id}",
            {"isOnline": name != "Ben", "maxUsers": 3 if name == "Ben" else 2},
        )
    console.page.reload()
    console.wait()
    console.go("Overview")
    expect(console.page.locator(".overview-waiting")).to_have_count(3)
    take(console.page, "overview")


def test_transfer(scene: Scene, person: MakePerson) -> None:
    ada = hire(scene.operator, "Ada", maxUsers=4)
    scene.maria(ada)
    busy = hire(scene.operator, "Ben", maxUsers=1)
    scene.give(scene.visitor("tom@example.com", 4, "Hello"), busy)
    for name, is_online in (("Cleo", True), ("Dmitri", False)):
        hire(scene.operator, name, maxUsers=3, isOnline=is_online)
    console = Console(person(**DESK), scene.server).sign_in(ada)
    console.open("Maria Lopez")
    expect(console.bubbles).to_have_count(6)
    console.page.get_by_role("button", name="Transfer").click()
    dialog = console.dialog("Transfer the chat")
    dialog.get_by_text("Cleo").click()
    take(console.page, "transfer")
    console.page.keyboard.press("Escape")
    console.page.keyboard.press("Escape")
    console.page.keyboard.press("?")
    take(console.page, "help")


def test_offline(scene: Scene, person: MakePerson) -> None:
    ada = hire(scene.operator, "Ada", maxUsers=4)
    scene.maria(ada)
    somebody = person(**DESK)
    somebody.expected += ["ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "WebSocket connection to"]
    console = Console(somebody, scene.server).sign_in(ada)
    console.open("Maria Lopez")
    expect(console.bubbles).to_have_count(6)
    scene.server.kill()
    expect(console.banner).to_be_visible()
    console.write("Yes, I have told the carrier so. The neighbour on the left?")
    take(console.page, "offline")
