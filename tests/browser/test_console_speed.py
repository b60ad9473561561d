"""How soon the console and its chats appear on a slow phone network."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakePerson
from tests.browser.consoles import PASSWORD, hire
from tests.e2e.server import Server

SLOW_PHONE = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 94_000}
"""1.6 Mbit a second, with a latency of 150 ms."""


def note(url: str, files: list[str]) -> None:
    """Note which file is requested. A browser loads an icon when it likes, or never."""
    name = url.rpartition("/")[2]
    if "/web/" in url and not name.startswith("icon"):
        files.append(name)


@pytest.mark.usefixtures("nobody")
def test_the_console_needs_two_round_trips_and_no_socket_on_a_slow_network(server: Server, person: MakePerson) -> None:
    ada = hire(server.operator(), "Ada", password=PASSWORD)
    somebody = person()
    page = somebody.context.new_page()
    connection = somebody.context.new_cdp_session(page)
    connection.send("Network.enable")
    connection.send("Network.emulateNetworkConditions", SLOW_PHONE)
    files: list[str] = []
    page.on("request", lambda request: note(request.url, files))
    page.goto(f"{server.url}/console")
    expect(page.get_by_label("Email")).to_be_visible()

    # First the page, then all of these together. The test counts round trips, because seconds depend on the machine.
    assert sorted(files) == ["all.css", "all.js", "boot.js", "socket.io.esm.min.js"]
    page.get_by_label("Email").fill(ada.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    server.operator().start("maria")
    # The chats are there before the socket is.
    page.route("**/socket.io/**", lambda route: None)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".row")).to_contain_text("maria")
    assert len(files) == 4
