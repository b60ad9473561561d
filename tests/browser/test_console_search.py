"""The palette, which searches everything, and the filters of the lists."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import MakePerson, MakeVisitor
from tests.browser.consoles import Console, hire
from tests.browser.people import violations
from tests.e2e.rest import Rest
from tests.e2e.server import Server, wait_until

pytestmark = pytest.mark.usefixtures("nobody")

PLACE = """(element) => {
    const [box, log] = [element.getBoundingClientRect(), element.closest(".log").getBoundingClientRect()];
    return box.top >= log.top && box.bottom <= log.bottom;
}"""


@pytest.mark.features("search")
def test_the_palette_opens_a_chat_at_the_message_that_was_found(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    ada = hire(operator, "Ada", maxUsers=5)
    maria = visitor("maria")
    for number in range(130):
        operator.send(maria.session_id, "The Quokka <b>parcel</b> is lost" if number == 4 else f"Message {number}")
    operator.post(f"/api/chat/end-session/{maria.session_id}")
    visitor("tom")
    wait_until(lambda: operator.get("/api/chat/search", q="quokka").data["results"])
    console = Console(person(), server).sign_in(ada)
    page = console.page
    console.open("tom")

    page.keyboard.press("Control+k")
    palette = console.dialog("Search and commands")
    field = palette.get_by_role("combobox")
    expect(field).to_be_focused()
    assert not violations(page)
    page.keyboard.type("parcel QUÓKKA")
    found = palette.get_by_role("group", name="Found in chats").get_by_role("option")
    expect(found).to_have_count(1)
    expect(found).to_contain_text("The Quokka <b>parcel</b> is lost")
    expect(found.locator("mark")).to_have_text(["Quokka", "parcel"])
    wait_until(lambda: field.get_attribute("aria-activedescendant") == found.get_attribute("id"))
    assert not violations(page)
    page.keyboard.press("Enter")

    expect(palette).to_have_count(0)
    expect(page.locator(".conversation-title")).to_have_text("maria")
    spot = page.locator(".message.is-spot")
    expect(spot).to_contain_text("Quokka")
    expect(spot).to_be_focused()
    wait_until(lambda: spot.evaluate(PLACE))
    expect(page.locator(".list h1")).to_have_text("Recently ended")


@pytest.mark.features("search")
def test_the_palette_goes_on_where_a_page_without_results_ends(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    ada, maria = hire(operator, "Ada", maxUsers=5), visitor("maria")
    operator.send(maria.session_id, "A numbat")
    wait_until(lambda: operator.get("/api/chat/search", q="numbat").data["results"])
    console = Console(person(), server).sign_in(ada)
    page, palette = console.page, console.dialog("Search and commands")

    def end_early(route: Route) -> None:
        if "cursor" in route.request.url:
            return route.continue_()
        cursor = "99999999999999-ffffffffffffffffffffffff"
        data = {"results": [], "hasMore": True, "nextCursor": cursor}
        return route.fulfill(json={"success": True, "message": "Search results", "data": data})

    page.route("**/api/chat/search?*", end_early)
    page.keyboard.press("Control+k")
    page.keyboard.type("numbat")
    found = palette.get_by_role("group", name="Found in chats").get_by_role("option")
    expect(found).to_have_text(["Nothing was found yet. Search older chats"])
    assert not violations(page)
    page.keyboard.press("Enter")

    expect(found).to_have_count(1)
    expect(found).to_contain_text("A numbat")


@pytest.mark.features("search")
def test_the_palette_keeps_the_choice_while_more_is_found(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    ada, maria, tom = hire(operator, "Ada", maxUsers=5), visitor("maria"), visitor("tom")
    for one in (maria, tom):
        operator.send(one.session_id, "A bilby")
    wait_until(lambda: len(operator.get("/api/chat/search", q="bilby").data["results"]) == 2)
    of_tom, of_maria = operator.get("/api/chat/search", q="bilby").data["results"]
    console = Console(person(), server).sign_in(ada)
    page, palette = console.page, console.dialog("Search and commands")
    more = iter([[], [of_maria], []])

    def end_early(route: Route) -> None:
        cursor = "99999999999999-ffffffffffffffffffffffff"
        results = next(more) if "cursor" in route.request.url else [of_tom]
        data = {"results": results, "hasMore": True, "nextCursor": cursor}
        return route.fulfill(json={"success": True, "message": "Search results", "data": data})

    page.route("**/api/chat/search?*", end_early)
    found = palette.get_by_role("group", name="Found in chats").get_by_role("option")
    chosen = palette.get_by_role("option", selected=True)

    def show_more() -> None:
        with page.expect_response("**/api/chat/search?*"):
            page.keyboard.press("Enter")
        expect(found.last).to_have_text("Show more")

    page.keyboard.press("Control+k")
    page.keyboard.type("bilby")
    expect(found).to_have_count(2)
    expect(chosen).to_contain_text("tom")
    page.keyboard.press("ArrowUp")
    show_more()
    expect(found).to_have_count(2)
    expect(chosen).to_have_text("Show more")  # That page had nothing. Enter goes on.
    show_more()
    expect(found).to_have_count(3)
    expect(chosen).to_contain_text("maria")
    page.keyboard.press("ArrowDown")
    show_more()
    expect(chosen).to_have_text("Show more")
    assert not violations(page)


def test_the_palette_has_commands_chats_and_people(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Sue", role="supervisor", maxUsers=5))
    page, palette = console.page, console.dialog("Search and commands")
    visitor("maria")
    gone = visitor("zoe")
    operator.post(f"/api/chat/end-session/{gone.session_id}", {"reason": "Solved"})
    expect(console.row("maria")).to_be_visible()

    def run(words: str, option: str) -> None:
        page.get_by_role("button", name="Search and commands").click()
        page.keyboard.type(words)
        expect(palette.get_by_role("option").first).to_contain_text(option)
        page.keyboard.press("Enter")
        expect(palette).to_have_count(0)

    page.keyboard.press("Control+k")
    expect(palette.get_by_role("option", name="End", exact=False).filter(has_text="Transfer")).to_have_count(0)
    page.keyboard.press("ArrowUp")
    expect(palette.get_by_role("option").last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Control+k")
    expect(palette).to_have_count(0)
    run("mar", "maria")
    expect(page.locator(".conversation-title")).to_have_text("maria")
    run("transfer", "Transfer")
    expect(console.dialog("Transfer the chat")).to_be_visible()
    page.keyboard.press("Escape")
    run("or away", "Online or away")
    expect(page.get_by_role("switch", name="Take new chats")).not_to_be_checked()
    run("zoe", "zoe")
    expect(page.locator(".conversation-title")).to_have_text("zoe")
    run("sue", "Sue")
    expect(page.get_by_label("Agent", exact=True)).to_have_value(
        str(operator.get("/api/agents").data["agents"][0]["id"])
    )


@pytest.mark.features("settings", "tags")
def test_ended_chats_are_filtered(person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor) -> None:
    ada, ben = hire(operator, "Ada", maxUsers=5), hire(operator, "Ben", maxUsers=5)
    names = [f"filtered-{number}" for number in range(6)]
    tag = "Filtered " + "w" * 31
    for number, name in enumerate(names):
        one = visitor(name)
        operator.post(f"/api/chat/transfer/{one.session_id}", {"agentId": (ada, ben)[number % 2].id})
        if number % 3 == 0:
            operator.request("PUT", f"/api/chat/tags/{one.session_id}", {"tags": [tag]})
        operator.post(f"/api/chat/end-session/{one.session_id}", {"reason": "Sold out" if number < 4 else "Solved"})
    console = Console(person(), server).sign_in(hire(operator, "Sue", role="supervisor"))
    page, shown = console.page, console.rows.locator(".row-name")
    console.go("Ended")

    page.get_by_label("Reason").select_option("Sold out")
    expect(shown).to_have_text(names[3::-1])
    assert not violations(page)
    page.get_by_label("Agent", exact=True).select_option("Ben")
    expect(shown).to_have_text([names[3], names[1]])
    page.get_by_label("Tag", exact=True).select_option(tag)
    expect(shown).to_have_text([names[3]])
    assert page.evaluate("document.querySelector('.list').scrollWidth <= document.querySelector('.list').clientWidth")
    page.get_by_label("Began").select_option("Yesterday")
    expect(page.locator(".list .empty-title")).to_have_text("No chat matches")
    page.get_by_label("Began").select_option("Choose days…")
    today = datetime.now(timezone.utc).astimezone().date()
    page.get_by_label("From this day").fill(str(today - timedelta(days=2)))
    page.get_by_label("To this day").fill(str(today + timedelta(days=1)))
    expect(shown).to_have_text([names[3]])
    console.rows.first.click()
    expect(page.locator(".conversation-title")).to_have_text(names[3])

    page.get_by_role("button", name="Clear filters").click()

    expect(console.row(names[5])).to_be_visible()
    expect(page.get_by_label("Began")).to_have_value("any")


def test_chips_filter_open_chats_and_move_nothing_under_the_pointer(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    console = Console(person(), server).sign_in(hire(operator, "Ada", maxUsers=5))
    page, names = console.page, console.rows.locator(".row-name")
    maria, tom = visitor("maria"), visitor("tom")
    maria.say("Hi")
    expect(console.badge("maria")).to_have_text("1")
    page.get_by_role("group", name="Filters").get_by_role("button", name="Unread").click()
    expect(names).to_have_text(["maria"])
    console.open("maria")
    expect(console.badge("maria")).to_be_hidden()
    expect(names).to_have_text(["maria"])  # The open chat stays.
    tom.say("Hello")
    expect(names).to_have_text(["maria", "tom"])  # Under the pointer, a new row comes last.
    page.mouse.move(0, 0)
    expect(names).to_have_text(["tom", "maria"])
    assert not violations(page)
    console.open("tom")
    page.mouse.move(0, 0)
    expect(names).to_have_text(["tom"])
    operator.post(f"/api/chat/end-session/{tom.session_id}")
    expect(page.locator(".list .empty-title")).to_have_text("No chat matches")
    page.locator(".list").get_by_role("button", name="Show all").click()
    expect(names).to_have_text(["maria"])
