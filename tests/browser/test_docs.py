"""The page of the REST API shows every call, and sends calls with given credentials."""

from __future__ import annotations

import json

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import MakePerson
from tests.browser.people import violations
from tests.e2e.server import Server


def opened(page: Page, summary: str) -> Locator:
    """Open a call's details."""
    call = page.locator("details").filter(has=page.locator("summary", has_text=summary))
    call.locator("summary").click()
    return call


def answer(call: Locator, status: int) -> dict[str, object]:
    """Send a call, and return the data of its answer."""
    call.get_by_role("button", name="Send").click()
    shown = call.get_by_role("status")
    expect(shown).to_contain_text(f"{status} ")
    data: dict[str, object] = json.loads(shown.inner_text().partition("\n")[2])["data"]
    return data


def test_a_newcomer_sends_a_first_message_from_the_page(server: Server, person: MakePerson) -> None:
    visitor = person()
    visitor.expected.append("404")
    page = visitor.open(f"{server.url}/api/docs")
    token = answer(opened(page, "Get a token"), 201)["token"]
    page.get_by_label("Token or API key").fill(str(token))
    session_id = answer(opened(page, "Start a session"), 201)["sessionId"]
    sending = opened(page, "Send a message")
    sending.get_by_label("session_id").fill(str(session_id))

    assert answer(sending, 201)["sessionId"] == session_id

    reading = opened(page, "Read a session's messages")
    reading.get_by_label("session_id").fill(str(session_id))
    reading.get_by_label("limit").fill("1")
    assert [message["message"] for message in answer(reading, 200)["messages"]] == ["Where is my parcel?"]  # type: ignore[attr-defined]
    # A value stays within its segment of the path.
    reading.get_by_label("session_id").fill("../../health")
    reading.get_by_role("button", name="Send").click()
    expect(reading.get_by_role("status")).to_contain_text("SESSION_NOT_FOUND")
    assert violations(page) == []
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
