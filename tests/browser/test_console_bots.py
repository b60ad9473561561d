"""Chats of bots in the console: seen, taken over, handed over with a summary; and bots in the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.consoles import Console, Visitor, hire
from tests.browser.people import Person, violations
from tests.e2e.rest import Rest
from tests.e2e.server import Server, wait_until
from tests.features.files.samples import picture
from tests.features.files.sending import post_file

pytestmark = [pytest.mark.usefixtures("nobody"), pytest.mark.features("settings", "notes", "files")]

MakePerson = Callable[[], Person]


def answer_first(operator: Rest, bot_id: str | None) -> None:
    """Let a bot get every new session, or none."""
    settings = operator.get("/api/settings").data
    assert operator.request("PUT", "/api/settings", {**settings, "botId": bot_id}).status == 200


@pytest.fixture
def bot(server: Server, operator: Rest) -> Iterator[Rest]:
    """A bot that gets every new session first, as a caller."""
    bot_id = operator.create_agent("Robin", kind="bot", maxUsers=500)
    answer_first(operator, bot_id)
    yield server.bearer(operator.token(bot_id, "agent"))
    answer_first(operator, None)


def test_a_chat_of_a_bot_is_marked_and_taken_over(
    person: MakePerson, server: Server, operator: Rest, bot: Rest
) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Sue", role="supervisor"))
    page = console.page
    maria = Visitor(server, "maria")
    options = [{"title": "Track it", "value": "track"}, {"title": "Something else", "value": "else"}]
    asked = bot.send(maria.session_id, "What about it?", content={"type": "quick_replies", "options": options}).data
    assert maria.rest.send(maria.session_id, "Track it", replyTo=asked["message"]["seq"]).status == 201
    post_file(bot, maria.session_id, "map.png", picture())
    file = bot.history(maria.session_id)[-1]["attachment"]
    buttons = [{"title": "Follow it", "url": "https://example.com/parcel"}]
    card = {"type": "card", "title": "Your parcel", "text": "It is near.", "fileId": file["id"], "buttons": buttons}
    assert bot.send(maria.session_id, "Your parcel is near.", content=card).status == 201

    console.go("All open")
    expect(console.row("maria")).to_contain_text("With Robin (bot)")
    page.get_by_role("button", name="With a bot").click()
    console.open("maria")
    expect(console.notice).to_contain_text("Robin (bot) is answering")
    expect(page.locator("aside.visitor")).to_contain_text("AgentRobin (bot)")
    expect(page.locator("aside.visitor")).to_contain_text("Waited–Talked–")
    expect(page.get_by_role("list", name="Offered answers").get_by_role("listitem")).to_have_text(
        ["Track it", "Something else"]
    )
    expect(page.locator(".message.theirs")).to_contain_text("Chosen from the offered answers")
    offer = page.locator(".offer")
    expect(offer).to_contain_text("Your parcelIt is near.Follow it")
    expect(offer.get_by_role("link")).to_have_attribute("href", "https://example.com/parcel")
    wait_until(lambda: offer.locator("img").evaluate("image => image.complete && image.naturalWidth > 0"))
    assert violations(page) == []

    page.get_by_role("button", name="Take over").click()
    expect(console.bubbles.last).to_have_text("You are now connected to Sue.")
    assert bot.send(maria.session_id, "One more thing").status == 403
    console.go("My chats")
    console.open("maria")
    console.write("Hello, I am Sue")
    wait_until(lambda: maria.texts()[-1] == "Hello, I am Sue")


def test_the_summary_of_a_bot_stands_above_the_chat(
    person: MakePerson, server: Server, operator: Rest, bot: Rest
) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Ada"))
    tom = Visitor(server, "tom")
    tom.say("It is broken")
    handed_over = {"message": "One moment, please.", "summary": "Order 17 arrived broken."}
    assert bot.post(f"/api/chat/handoff/{tom.session_id}", handed_over).status == 200

    console.open("tom")
    console.expect_texts("It is broken", "One moment, please.")
    expect(console.page.locator(".message-who").get_by_text("Robin (bot)")).to_have_count(1)
    summary = console.page.locator(".bot-summary")
    expect(summary).to_contain_text("Summary by RobinOrder 17 arrived broken.")
    assert violations(console.page) == []
    summary.locator("summary").press("Enter")
    expect(summary.get_by_text("Order 17")).to_be_hidden()
    Visitor(server, "maria")
    console.page.get_by_role("button", name="Transfer").click()
    expect(console.dialog("Transfer the chat").get_by_text("Robin")).to_have_count(0)


@pytest.mark.features("departments")
def test_a_supervisor_adds_a_bot_and_lets_it_answer_first(person: MakePerson, server: Server, operator: Rest) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Sue", role="supervisor"))
    page = console.page
    console.go("Settings")
    page.get_by_role("button", name="Add an agent").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Robin")
    dialog.get_by_label("Who answers").select_option("A bot")
    expect(dialog.get_by_label("Email")).to_be_hidden()
    dialog.get_by_label("Chats at once").fill("500")
    dialog.get_by_role("button", name="Add an agent").click()
    expect(page.locator(".entry").filter(has_text="Robin")).to_contain_text("A bot · 500 chats at once · online")
    (bot,) = [agent for agent in operator.get("/api/agents").data["agents"] if agent["kind"] == "bot"]
    page.get_by_role("button", name="Edit Robin").click()
    dialog.get_by_label("Chats at once").fill("400")
    dialog.get_by_role("button", name="Save changes").click()
    expect(page.locator(".entry").filter(has_text="Robin")).to_contain_text("400 chats")

    page.get_by_role("link", name="Bots").click()
    page.get_by_label("New chats go first to").select_option("Robin")
    assert violations(page) == []
    page.get_by_role("button", name="Save changes").click()
    expect(page.locator(".save-bar")).to_be_hidden()
    assert operator.get("/api/settings").data["botId"] == bot["id"]
    answer_first(operator, None)

    page.get_by_role("link", name="Departments").click()
    page.get_by_role("button", name="Add a department").click()
    dialog.get_by_label("Name").fill("Sales")
    dialog.get_by_label("New chats go first to").select_option("Robin")
    dialog.get_by_role("button", name="Add a department").click()
    expect(page.locator(".entry")).to_contain_text("Sales")
    (sales,) = operator.get("/api/departments").data["departments"]
    assert sales["botId"] == bot["id"]
    operator.request("DELETE", f"/api/departments/{sales['id']}")
