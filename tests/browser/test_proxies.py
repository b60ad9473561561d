"""A chat behind nginx as Debian installs it: on its own host and under a path, also over plain http.

Over http, at a name other than localhost, browsers have no crypto.randomUUID and the like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, expect

from tests import ROOT
from tests.browser.conftest import MakePerson
from tests.browser.consoles import PASSWORD, Console, clear, hire
from tests.browser.people import Person, launch
from tests.browser.sites import Site
from tests.browser.widgets import Widget
from tests.e2e.debian import DebianNginx, commands
from tests.e2e.server import Server, Servers, wait_until

pytestmark = pytest.mark.debian_nginx

CHAT_HOST, SHOP_HOST = "chat.example.com", "shop.example.com"
INSTALL = commands("conf.d/chat-support.conf\nsed")
UNDER_A_PATH = commands("|location /chat/ |")
SCRIPT = "text/javascript"
PATH_OFF = (
    "sed -i 's|pass http://chat_support;|pass http://chat_support/;|; /location ~/,/^    }/d; "
    's|Prefix /chat;|Prefix "";|\' /etc/nginx/conf.d/chat-support.conf'
)
"""Not in the guide: nginx silently removes the path, which it cannot do if a location is a pattern."""


@dataclass(frozen=True)
class At:
    """The address of a server for browsers."""

    url: str


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A Chromium for which example.com is this machine."""
    browser = launch(playwright, "--host-resolver-rules=MAP *.example.com 127.0.0.1")
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def shop(site: Site) -> str:
    return site.origin.replace("localhost", SHOP_HOST)


@pytest.fixture(scope="module")
def server(servers: Servers, shop: str) -> Server:
    return servers.start(FRONTEND_URLS=shop, TRUSTED_PROXIES="1")


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[DebianNginx]:
    nginx = DebianNginx(tmp_path)
    yield nginx
    nginx.stop()


@pytest.fixture
def person(person: MakePerson) -> MakePerson:
    """Make people whose browser may say that a header is for https only."""

    def make(**options: object) -> Person:
        one = person(**options)
        one.expected = ["The Cross-Origin-Opener-Policy header has been ignored"]
        return one

    return make


def chat(person: MakePerson, server: Server, site: Site, shop: str, at: str) -> None:
    """Let a visitor of the shop and an agent at the console write to each other."""
    operator = server.operator()
    clear(operator)
    ada = hire(operator, "Ada", password=PASSWORD)
    console = Console(person(), At(at)).sign_in_by_form(ada)  # type: ignore[arg-type]
    site.embed(at)
    visitor = person()
    page = visitor.open(shop)
    assert page.evaluate("isSecureContext") is False
    widget = Widget(page).open()
    question = f"Where is my parcel, {at}?"  # Chats of earlier tests may be in the list too.
    widget.write(question)
    console.rows.filter(has_text=question).click()
    console.write("On its way")
    widget.wait_for_texts(question, "On its way")
    transports = console.page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert all(name.startswith(f"{at}/") for name in transports), transports


def test_the_guide_ends_in_a_chat(
    nginx: DebianNginx, person: MakePerson, server: Server, site: Site, shop: str
) -> None:
    nginx.set_up(INSTALL, CHAT_HOST)
    nginx.start(server.port)
    chat(person, server, site, shop, f"http://{CHAT_HOST}:{nginx.port}")

    # Debian's own site is still there for any other name.
    page = person().context.new_page()
    assert "Welcome to nginx" in page.request.get(f"http://127.0.0.1:{nginx.port}/").text()


@pytest.mark.parametrize("change", [UNDER_A_PATH, UNDER_A_PATH + PATH_OFF], ids=["kept", "taken-off"])
def test_under_a_path(
    nginx: DebianNginx, person: MakePerson, server: Server, site: Site, shop: str, change: str
) -> None:
    nginx.set_up(INSTALL + change, CHAT_HOST)
    nginx.start(server.port)
    at = f"http://{CHAT_HOST}:{nginx.port}/chat"
    chat(person, server, site, shop, at)

    demo = person().open(f"{at}/demo")
    expect(Widget(demo).bubble).to_be_visible()
    assert [image for image in demo.locator("img").all() if not image.evaluate("(image) => image.naturalWidth")] == []
    demo.get_by_role("link", name="Chat Support").click()
    expect(demo).to_have_url(f"{at}/api/docs")
    expect(demo.get_by_role("heading", name="Chat Support")).to_be_visible()
    expect(demo.get_by_text("/api/chat/start-session").first).to_be_attached()
    document = demo.evaluate("fetch('openapi.json').then((answer) => answer.json())")
    assert document["servers"] == [{"url": "/chat" if change == UNDER_A_PATH else "/"}]


def test_under_a_path_that_only_the_server_knows(
    nginx: DebianNginx, person: MakePerson, servers: Servers, site: Site, shop: str
) -> None:
    nginx.set_up(INSTALL + UNDER_A_PATH.replace("Prefix /chat;", 'Prefix "";'), CHAT_HOST)
    server = servers.start(FRONTEND_URLS=shop, TRUSTED_PROXIES="1", PUBLIC_URL="https://elsewhere.example/chat")
    nginx.start(server.port)
    chat(person, server, site, shop, f"http://{CHAT_HOST}:{nginx.port}/chat")


def test_the_page_of_the_readme_works_from_another_machine(person: MakePerson, site: Site, servers: Servers) -> None:
    shop = site.origin.replace("localhost", SHOP_HOST)
    server = servers.start(FRONTEND_URLS=shop)
    (sample,) = re.findall(r"^```html\n(<!doctype html>.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)
    client = (ROOT / "chatsupport/web/vendor/socket.io.esm.min.js").read_text("utf-8")
    visitor = person()
    visitor.context.route("**/node_modules/**", lambda route: route.fulfill(body=client, content_type=SCRIPT))
    site.policy = ""
    site.pages["/"] = sample.replace(":5000`", f":{server.port}`")
    page = visitor.open(shop)
    assert page.evaluate("isSecureContext") is False
    wait_until(lambda: page.evaluate("document.forms[0].onsubmit !== null"))
    page.get_by_role("textbox").fill("Hello")
    page.get_by_role("button", name="Send").click()

    expect(page.get_by_text("user: Hello")).to_be_visible()
