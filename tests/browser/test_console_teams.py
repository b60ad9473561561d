"""Several agents, several tabs, and a supervisor."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.consoles import Console, Visitor, hire
from tests.browser.people import Person
from tests.e2e.rest import Rest
from tests.e2e.server import Server, wait_until

pytestmark = pytest.mark.usefixtures("nobody")

MakePerson = Callable[[], Person]


def test_a_chat_is_handed_from_one_console_to_another(person: MakePerson, server: Server, operator: Rest) -> None:
    first = Console(person(), server).sign_in(hire(operator, "Ada"))
    maria = Visitor(server, "maria")
    maria.say("Where is my parcel?")
    first.open("maria")
    first.write("I do not know, but Ben does.")
    first.composer.fill("Half a sentence")
    second = Console(person(), server).sign_in(hire(operator, "Ben"))

    first.page.get_by_role("button", name="Transfer").click()
    dialog = first.dialog("Transfer the chat")
    dialog.get_by_text("Ben").click()
    dialog.get_by_role("button", name="Transfer").click()

    expect(second.badge("maria")).to_have_text("2")
    expect(first.row("maria")).to_have_count(0)
    expect(first.notice).to_contain_text("You transferred it to Ben")
    expect(first.composer).to_have_value("Half a sentence")
    first.expect_texts("Where is my parcel?", "I do not know, but Ben does.")
    second.open("maria")
    second.expect_texts("Where is my parcel?", "I do not know, but Ben does.")
    second.write("It is at your neighbour's.")
    wait_until(lambda: maria.texts()[-1:] == ["It is at your neighbour's."])
    first.expect_texts("Where is my parcel?", "I do not know, but Ben does.")


@pytest.mark.features("departments")
def test_a_chat_is_handed_to_a_department_that_starves(person: MakePerson, server: Server, operator: Rest) -> None:
    sales = operator.post("/api/departments", {"name": "Sales"}).data["id"]
    try:
        console = Console(person(), server).sign_in(hire(operator, "Sue", role="supervisor", departmentIds=[]))
        Visitor(server, "maria")
        console.open("maria")
        about = console.page.locator("aside.visitor")
        expect(about).to_contain_text("Why this agentHad the fewest chats")

        console.page.get_by_role("button", name="Transfer").click()
        dialog = console.dialog("Transfer the chat")
        dialog.get_by_role("radio", name="Sales Department").check()
        dialog.get_by_role("button", name="Transfer").click()

        expect(console.page.get_by_text("The chat was transferred to Sales.")).to_be_visible()
        console.go("Queue")
        console.open("maria")
        expect(about).to_contain_text("DepartmentSales")
        console.go("Overview")
        starving = console.page.get_by_text("Sales: 1 waiting, and nobody of the department is there")
        expect(starving).to_be_visible()
        hire(operator, "Sam", departmentIds=[sales])
        expect(starving).to_be_hidden()
    finally:
        operator.request("DELETE", f"/api/departments/{sales}")


def test_an_agent_without_room_cannot_be_chosen(person: MakePerson, server: Server, operator: Rest) -> None:
    ada = hire(operator, "Ada")
    console = Console(person(), server).sign_in(ada)
    Visitor(server, "maria")
    hire(operator, "Ben", maxUsers=1)
    Visitor(server, "tom")
    hire(operator, "Cleo", isOnline=False)
    console.open("maria")

    console.page.keyboard.press("Escape")
    console.page.keyboard.press("t")

    dialog = console.dialog("Transfer the chat")
    expect(dialog.get_by_role("radio", name="Ben 1 of 1 chats, full")).to_be_disabled()
    expect(dialog.get_by_role("radio", name="Cleo Away")).to_be_disabled()
    expect(dialog.get_by_role("radio", name="The queue")).to_be_enabled()
    expect(dialog.get_by_role("button", name="Transfer")).to_be_disabled()
    console.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_the_queue_shows_waiting_visitors_and_updates_itself(
    person: MakePerson, server: Server, operator: Rest
) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Ada", maxUsers=1))
    Visitor(server, "maria")
    expect(console.row("maria")).to_be_visible()
    for name in ("tom", "sam"):
        Visitor(server, name)

    console.go("Queue")
    expect(console.rows).to_have_count(2)
    expect(console.rows.first).to_contain_text("tom")
    waits = console.rows.first.locator(".row-time")
    expect(waits).to_have_text(re.compile(r"^\d+:\d\d$"))
    expect(waits).not_to_have_text(waits.inner_text())  # It counts.
    expect(console.page.get_by_label("Now", exact=True)).to_contain_text("Waiting2")

    console.go("My chats")
    console.open("maria")
    console.page.get_by_role("button", name="End", exact=True).click()
    console.end()
    expect(console.row("tom")).to_be_visible()
    console.go("Queue")
    expect(console.rows).to_have_count(1)


def test_the_only_agent_gets_a_chat_back_from_the_queue(person: MakePerson, server: Server, operator: Rest) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Ada"))
    maria = Visitor(server, "maria")
    maria.say("Hello?")
    console.open("maria")

    console.page.get_by_role("button", name="Transfer").click()
    console.dialog("Transfer the chat").get_by_text("The queue").click()
    console.dialog("Transfer the chat").get_by_role("button", name="Transfer").click()

    expect(console.page.get_by_text("the chat came back to you")).to_be_visible()
    console.open("maria")
    console.expect_texts("Hello?")
    console.write("Still me.")
    wait_until(lambda: maria.texts() == ["Hello?", "Still me."])


def test_two_tabs_of_an_agent_show_the_same(person: MakePerson, server: Server, operator: Rest) -> None:
    ada, one = hire(operator, "Ada"), person()
    left, right = Console(one, server).sign_in(ada), Console(one, server).sign_in(ada)
    maria = Visitor(server, "maria")
    maria.say("Hello")
    right.open("maria")
    right.expect_texts("Hello")
    expect(left.badge("maria")).to_be_hidden()

    left.open("maria")
    left.write("From the left")
    right.expect_texts("Hello", "From the left")
    right.write("From the right")
    for console in (left, right):
        console.expect_texts("Hello", "From the left", "From the right")
    assert maria.texts() == ["Hello", "From the left", "From the right"]

    left.page.get_by_role("switch").click()
    expect(right.page.get_by_role("switch")).not_to_be_checked()
    left.page.get_by_role("button", name="End", exact=True).click()
    left.end()
    expect(right.notice).to_contain_text("The chat ended")
    expect(right.composer).to_be_hidden()


def test_a_supervisor_sees_all_watches_and_takes_over(person: MakePerson, server: Server, operator: Rest) -> None:
    agent = Console(person(), server).sign_in(hire(operator, "Ada", maxUsers=1))
    supervisor = Console(person(), server).sign_in(hire(operator, "Sue", role="supervisor", maxUsers=1))
    switch = supervisor.page.get_by_role("switch")
    switch.click()
    wait_until(lambda: not operator.get("/api/agents").data["agents"][1]["isOnline"])
    maria, tom = Visitor(server, "maria"), Visitor(server, "tom")
    maria.say("Hello")
    agent.open("maria")
    supervisor.go("Overview")
    overview = supervisor.page.locator(".overview")
    expect(overview.locator(".tile").first).to_have_text("Waiting1")
    expect(overview.get_by_role("meter", name="Load of Ada")).to_have_attribute("aria-valuenow", "1")

    overview.get_by_role("button", name="maria").click()
    supervisor.expect_texts("Hello")
    supervisor.page.get_by_role("button", name="Watch live").click()
    agent.write("Good morning")
    supervisor.expect_texts("Hello", "Good morning")
    supervisor.write("Sue here too")
    agent.expect_texts("Hello", "Good morning", "Sue here too")
    supervisor.page.get_by_role("button", name="Stop watching").click()

    switch.click()
    expect(supervisor.row("tom")).to_be_visible()
    wait_until(lambda: tom.rest.get(f"/api/chat/session/{tom.session_id}").data["status"] == "active")
    operator.request(
        "PATCH", f"/api/agents/{tom.rest.get(f'/api/chat/session/{tom.session_id}').data['agentId']}", {"maxUsers": 2}
    )
    supervisor.page.get_by_role("button", name="Take over").click()
    supervisor.go("My chats")
    expect(supervisor.row("maria")).to_be_visible()
    expect(agent.notice).to_contain_text("This chat is no longer yours")
    supervisor.open("maria")
    supervisor.write("It is mine now")
    wait_until(lambda: maria.texts()[-1:] == ["It is mine now"])
