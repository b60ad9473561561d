"""The supervisors' settings in the console."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from chatsupport.features.settings.service import DEFAULTS
from tests.browser.conftest import MakePerson
from tests.browser.consoles import PASSWORD, Agent, Console, hire
from tests.browser.people import LOOKS, Person, violations
from tests.e2e.rest import Rest
from tests.e2e.server import Server

pytestmark = pytest.mark.usefixtures("nobody")

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 780}, "color_scheme": "dark"}
UNCOVERED = """(() => {
    const { left, right, top, bottom } = document.activeElement.getBoundingClientRect();
    const covers = document.elementFromPoint((left + right) / 2, bottom - 4);
    return top >= 0 && document.activeElement.contains(covers);
})()"""
SECTIONS = (
    "Agents",
    "Departments",
    "Canned replies",
    "End reasons",
    "Bots",
    "Opening hours",
    "Texts",
    "Questions before a chat",
    "Chat bubble",
    "Webhooks",
)


@pytest.fixture(autouse=True)
def built_in_settings(operator: Rest) -> Iterator[None]:
    """Begin with few settings, and leave none to other tests on the same server."""
    parts = {"hours": None, "texts": {}, "widget": {}, "preChat": [], "botId": None}
    change(operator, **parts, endReasons=[{"label": "Solved", "isPublic": True}])
    yield
    change(operator, **parts, endReasons=DEFAULTS["endReasons"])


def change(operator: Rest, **parts: Any) -> dict[str, Any]:
    """Change some parts of the settings."""
    changed = operator.request("PUT", "/api/settings", {**operator.get("/api/settings").data, **parts})
    assert changed.status == 200, changed
    return dict(changed.data)


@pytest.fixture
def sue(operator: Rest) -> Agent:
    return hire(operator, "Sue", role="supervisor")


def open_settings(person: Person, server: Server, agent: Agent, section: str) -> Page:
    """Sign in, and open a section."""
    console = Console(person, server).sign_in(agent)
    console.go("Settings")
    page = console.page
    page.get_by_role("navigation", name="Settings").get_by_role("link", name=section).click()
    expect(page.get_by_role("heading", name=section, level=2)).to_be_visible()
    return page


def save(page: Page) -> None:
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("The settings are saved.").last).to_be_visible()
    expect(page.locator(".save-bar")).to_be_hidden()


def test_only_supervisors_have_settings_and_they_are_loaded_when_opened(
    person: MakePerson, server: Server, operator: Rest, sue: Agent
) -> None:
    ada = Console(person(), server).sign_in(hire(operator, "Ada"))
    expect(ada.page.get_by_role("button", name="Settings")).to_be_hidden()
    ada.page.keyboard.press("6")
    ada.page.goto(f"{server.url}/console#/settings")
    expect(ada.page.locator(".settings")).to_be_hidden()

    somebody = person()
    requested: list[str] = []
    somebody.context.on("request", lambda request: requested.append(request.url.rpartition("/console/")[2]))
    console = Console(somebody, server).sign_in(sue)
    assert not any(path.startswith("settings/") for path in requested)
    somebody.expected.append("net::ERR_FAILED")
    console.page.route("**/settings/all.js", lambda route: route.abort())
    console.page.keyboard.press("6")
    console.page.get_by_role("button", name="Try again").click()
    expect(console.page.get_by_role("heading", name="Agents")).to_be_visible()
    parts = [path for path in requested if path.startswith("settings/")]
    assert parts == ["settings/all.js", "settings/all.js?2", "settings/settings.css"]


@pytest.mark.features("events")
def test_a_supervisor_makes_a_webhook_and_sees_what_has_become_of_events(
    person: MakePerson, server: Server, operator: Rest, sue: Agent
) -> None:
    receivers = importlib.import_module("tests.features.events.receivers")
    with receivers.receiving() as receiver:
        page = open_settings(person(), server, sue, "Webhooks")
        page.get_by_role("button", name="Add a webhook").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Address").fill(receiver.url)
        dialog.get_by_label("Events").fill("session.started session.ended")
        dialog.get_by_role("button", name="Add a webhook").click()
        receiver.secrets.append(dialog.locator("code").inner_text())
        dialog.get_by_role("button", name="Close").click()
        row = page.locator(".entry").filter(has_text=receiver.url)
        expect(row).to_contain_text("Gets its events.")
        row.get_by_role("button", name="Test").click()
        expect(page.get_by_text("The test event was delivered.")).to_be_visible()

        receiver.answer = lambda body: (500, {})
        operator.post("/api/chat/start-session", {"userId": "webhook-visitor"})
        assert receiver.wait_for(2)[1]["type"] == "session.started"
        state = eventually_shows(page, row, dialog, "Failed")
        expect(state).to_contain_text("session.started")
        expect(state).to_contain_text("500 · 1 attempt · next attempt")
        assert violations(page) == []
        receiver.answer = lambda body: (200, {})
        state.get_by_role("button", name="Try again").click()
        receiver.wait_for(3)
        dialog.get_by_role("button", name="Close").click()
        eventually_shows(page, row, dialog, "Delivered")
        dialog.get_by_role("button", name="Close").click()

        row.get_by_role("button", name="Delete").click()
        dialog.get_by_role("button", name="Delete").click()
        expect(row).to_be_hidden()


def eventually_shows(page: Page, row: Locator, dialog: Locator, state: str) -> Locator:
    """Open the deliveries until one has this state, and return it."""
    for _ in range(100):
        row.get_by_role("button", name="Deliveries").click()
        expect(dialog.get_by_text("Loading")).to_have_count(0)
        found = dialog.locator(".entry").filter(has_text=state)
        if found.count():
            return found
        dialog.get_by_role("button", name="Close").click()
        page.wait_for_timeout(200)
    raise AssertionError(f"No delivery is shown as {state}.")


@pytest.mark.features("events")
def test_a_supervisor_who_may_not_change_webhooks_only_sees_them(
    person: MakePerson, server: Server, operator: Rest, sue: Agent
) -> None:
    webhook = operator.post("/api/webhooks", {"url": "http://127.0.0.1:9/", "types": ["*"]}).data
    somebody = person()

    def refuse(route: Route) -> None:
        answer = route.fetch().json()
        answer["data"]["mayChange"] = False
        route.fulfill(json=answer)

    somebody.context.route("**/api/webhooks?*", refuse)
    page = open_settings(somebody, server, sue, "Webhooks")
    expect(page.get_by_text("You can read webhooks.")).to_be_visible()
    row = page.locator(".entry").filter(has_text="127.0.0.1:9")
    expect(row.get_by_role("button")).to_have_text(["Deliveries"])
    expect(page.get_by_role("button", name="Add a webhook")).to_be_hidden()
    operator.request("DELETE", f"/api/webhooks/{webhook['id']}")


def test_a_supervisor_manages_the_team(person: MakePerson, server: Server, operator: Rest, sue: Agent) -> None:
    somebody = person()
    somebody.expected.append("status of 409")
    page = open_settings(somebody, server, sue, "Agents")

    page.get_by_role("button", name="Add an agent").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Ben")
    dialog.get_by_label("Email").fill(sue.email)
    dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    dialog.get_by_label("Chats at once").fill("5")
    dialog.get_by_role("button", name="Add an agent").click()
    expect(dialog.get_by_role("alert")).to_contain_text("already uses this email")
    dialog.get_by_label("Email").fill("ben@example.com")
    dialog.get_by_role("button", name="Add an agent").click()
    row = page.locator(".entry").filter(has_text="ben@example.com")
    expect(row).to_contain_text("Agent · 5 chats at once · online")

    row.get_by_role("button", name="Edit Ben").click()
    dialog.get_by_label("Role").select_option("Supervisor")
    dialog.get_by_label("New password").fill("another good password")
    dialog.get_by_role("button", name="Save changes").click()
    expect(row).to_contain_text("Supervisor")
    signed_in = operator.post("/api/auth/login", {"email": "ben@example.com", "password": "another good password"})
    assert signed_in.data["agent"]["role"] == "supervisor"

    expect(page.get_by_role("button", name="Delete Sue")).to_have_count(0)
    row.get_by_role("button", name="Delete Ben").click()
    page.get_by_role("dialog", name="Delete Ben?").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    assert [agent["name"] for agent in operator.get("/api/agents").data["agents"]] == ["Sue"]


def test_agents_belong_to_departments(person: MakePerson, server: Server, operator: Rest, sue: Agent) -> None:
    page = open_settings(person(), server, sue, "Departments")
    page.get_by_role("button", name="Add a department").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Sales")
    dialog.get_by_label("Open to everybody").fill("120")
    dialog.get_by_role("button", name="Add a department").click()
    expect(page.locator(".entry")).to_contain_text("Open to everybody after 120 seconds")
    sales = operator.get("/api/departments").data["departments"][0]["id"]

    page.get_by_role("link", name="Agents").click()
    page.get_by_role("button", name="Edit Sue").click()
    dialog.get_by_label("those of").check()
    dialog.get_by_label("Sales").check()
    dialog.get_by_role("button", name="Save changes").click()
    expect(dialog).to_have_count(0)
    expect(page.locator(".entry")).to_contain_text("online · Sales")
    assert operator.get(f"/api/agents/{sue.id}").data["departmentIds"] == [sales]

    page.get_by_role("link", name="Departments").click()
    page.get_by_role("button", name="Delete Sales").click()
    page.get_by_role("dialog", name="Delete Sales?").get_by_role("button", name="Delete").click()
    expect(page.locator(".entry")).to_have_count(0)


def test_a_supervisor_writes_canned_replies(person: MakePerson, server: Server, operator: Rest, sue: Agent) -> None:
    for reply in operator.get("/api/replies").data["replies"]:
        operator.request("DELETE", f"/api/replies/{reply['id']}")
    page = open_settings(person(), server, sue, "Canned replies")

    page.get_by_role("button", name="Add a reply").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Shortcut").fill("hello")
    dialog.get_by_label("Title").fill("Greeting")
    dialog.get_by_label("Text").fill("Hello {{visitor.name}}!")
    dialog.get_by_role("button", name="Add a reply").click()
    page.get_by_role("button", name="Edit hello").click()
    dialog.get_by_label("Shortcut").fill("hi")
    dialog.get_by_role("button", name="Save changes").click()
    expect(page.locator(".entry")).to_contain_text("/hi")
    assert [reply["text"] for reply in operator.get("/api/replies").data["replies"]] == ["Hello {{visitor.name}}!"]
    page.get_by_role("button", name="Delete hi").click()
    page.get_by_role("dialog", name="Delete /hi?").get_by_role("button", name="Delete").click()
    expect(page.locator(".entry")).to_have_count(0)


def test_hours_are_edited_and_a_wrong_one_is_shown_where_it_is(
    person: MakePerson, server: Server, operator: Rest, sue: Agent
) -> None:
    somebody = person(timezone_id="Europe/Berlin")
    somebody.expected.append("status of 400")
    page = open_settings(somebody, server, sue, "Opening hours")

    page.get_by_label("Open at these times").check()
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Berlin")
    page.get_by_label("Monday, until").fill("12:00")
    page.get_by_role("button", name="Add hours on Monday").click()
    expect(page.get_by_label("Monday, until").last).to_have_value("00:00")
    page.get_by_role("button", name="Copy Monday to Tuesday–Friday").click()
    page.get_by_role("button", name="Add hours on Saturday").click()
    page.get_by_label("Saturday, until").fill("08:00")
    page.get_by_role("button", name="Add a date").click()
    page.get_by_label("Date", exact=True).fill("2026-12-24")
    page.get_by_label("Name").fill("Christmas Eve")
    page.get_by_role("link", name="Texts").click()
    page.get_by_role("button", name="Save changes").click()

    expect(page.locator(".save-bar")).to_contain_text("One field is wrong.")
    expect(page.get_by_text("Must end after it begins.")).to_be_visible()
    expect(page.get_by_label("Saturday, from")).to_be_focused()
    page.get_by_label("Saturday, until").fill("10:00")
    save(page)
    hours = operator.get("/api/settings").data["hours"]
    assert hours["timeZone"] == "Europe/Berlin"
    assert hours["weekly"]["mon"] == hours["weekly"]["fri"] == [["09:00", "12:00"], ["12:00", "24:00"]]
    assert hours["weekly"]["sat"] == [["09:00", "10:00"]]
    assert hours["exceptions"] == [{"date": "2026-12-24", "spans": [], "name": "Christmas Eve"}]

    page.get_by_label("Always open").check()
    save(page)
    assert operator.get("/api/settings").data["hours"] is None


def test_texts_reasons_and_questions_are_edited(person: MakePerson, server: Server, operator: Rest, sue: Agent) -> None:
    page = open_settings(person(), server, sue, "End reasons")
    page.get_by_role("button", name="Add a reason").click()
    page.get_by_label("Reason").last.fill("Spam")
    page.get_by_label("Visitors see it").last.uncheck()
    page.get_by_role("button", name="Move up: Spam").click()

    page.get_by_role("link", name="Texts").click()
    page.get_by_label("Greeting").fill("Welcome!")
    expect(page.locator(".is-unsaved")).to_have_text(["End reasons", "Texts"])

    page.get_by_role("link", name="Questions").click()
    page.get_by_role("button", name="Add a question").click()
    page.get_by_label("Required").check()
    page.get_by_role("button", name="Add a question").click()
    second = page.locator(".question").last
    second.get_by_label("Asks for").select_option("A choice")
    second.get_by_label("Question").fill("Topic")
    second.get_by_label("Field").fill("topic")
    second.get_by_label("Choices").fill("Parcel\n\n Bill ")
    save(page)

    stored = operator.get("/api/settings").data
    assert stored["endReasons"] == [{"label": "Spam", "isPublic": False}, {"label": "Solved", "isPublic": True}]
    assert stored["texts"] == {"greeting": "Welcome!", "away": None, "ended": None}
    assert stored["preChat"] == [
        {"key": "name", "label": "Your name", "type": "text", "required": True},
        {"key": "topic", "label": "Topic", "type": "select", "options": ["Parcel", "Bill"], "required": False},
    ]


def test_the_bubble_has_a_preview_and_a_line_to_copy(
    person: MakePerson, server: Server, operator: Rest, sue: Agent
) -> None:
    somebody = person(permissions=["clipboard-read", "clipboard-write"])
    sales = operator.post("/api/departments", {"name": "Sales"}).data["id"]
    page = open_settings(somebody, server, sue, "Chat bubble")

    page.get_by_label("Heading").fill("Fern & Clay")
    page.get_by_label("Color").fill("#ffd400")
    page.get_by_label("Position").select_option("Left")
    expect(page.locator(".sample-title")).to_have_text("Fern & Clay")
    expect(page.locator(".sample-head")).to_have_css("background-color", "rgb(255, 212, 0)")
    expect(page.locator(".sample-head")).to_have_css("color", "rgb(0, 0, 0)")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("The line is copied.")).to_be_visible()
    line = f'<script src="{server.url}/widget.js" async></script>'
    assert page.evaluate("navigator.clipboard.readText()") == line
    page.get_by_label("Department that gets the chats").select_option("Sales")
    expect(page.locator(".snippet code")).to_have_text(line.replace(" async", f' data-department="{sales}" async'))
    save(page)
    with urlopen(f"{server.url}/widget.js") as script:
        assert b'"color":"#ffd400"' in script.read()
    operator.request("DELETE", f"/api/departments/{sales}")


def test_who_changed_the_settings_meanwhile_is_said_and_no_change_is_lost(
    person: MakePerson, server: Server, operator: Rest, sue: Agent
) -> None:
    token = operator.token(hire(operator, "Ben", role="supervisor").id, "agent")
    somebody = person()
    somebody.expected.append("status of 409")
    page = open_settings(somebody, server, sue, "Texts")
    page.get_by_label("Greeting").fill("Mine")
    change(server.bearer(token), hours={"timeZone": "UTC", "weekly": {}, "exceptions": []})

    page.get_by_role("button", name="Save changes").click()
    bar = page.locator(".save-bar")
    expect(bar).to_contain_text("Ben has changed the settings since you opened them: Opening hours.")
    bar.get_by_role("button", name="Keep my changes").click()
    save(page)
    stored = operator.get("/api/settings").data
    assert (stored["texts"]["greeting"], stored["hours"]["timeZone"]) == ("Mine", "UTC")

    page.get_by_label("Greeting").fill("Mine again")
    change(server.bearer(token), texts={"greeting": "Ben's"})
    page.get_by_role("button", name="Save changes").click()
    bar.get_by_role("button", name="Reload theirs").click()
    expect(page.get_by_label("Greeting")).to_have_value("Ben's")
    expect(bar).to_be_hidden()


@pytest.mark.parametrize("options", [{}, PHONE])
def test_every_section_is_accessible(
    person: MakePerson, server: Server, operator: Rest, sue: Agent, options: dict[str, Any]
) -> None:
    change(
        operator,
        hours={
            "timeZone": "UTC",
            "weekly": {"mon": [["09:00", "12:00"], ["13:00", "24:00"]]},
            "exceptions": [{"date": "2026-12-24", "spans": [["09:00", "12:00"]], "name": "Christmas Eve"}],
        },
        preChat=[{"key": "topic", "label": "Topic", "type": "select", "options": ["A", "B"], "required": True}],
    )
    page = open_settings(person(**options), server, sue, "Agents")
    for section in SECTIONS:
        page.get_by_role("link", name=section).click()
        expect(page.get_by_role("heading", name=section, level=2)).to_be_visible()
        assert violations(page, LOOKS if options else None) == [], section
        assert page.evaluate("document.querySelector('.settings').scrollWidth <= innerWidth"), section

    page.get_by_role("link", name="Opening hours").click()
    page.get_by_role("button", name="Add a date").click()
    expect(page.locator(".save-bar")).to_be_visible()
    assert page.evaluate(UNCOVERED)
