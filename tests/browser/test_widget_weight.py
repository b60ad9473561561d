"""The bytes that the widget adds to a page, and the source of socket.io's client, as a browser loads them."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Response, expect

from chatsupport.web import bundle
from chatsupport.web.assets import CLIENT_PATH, FOLDER
from tests.browser.conftest import MakePerson
from tests.browser.people import Person
from tests.browser.sites import Site
from tests.browser.widgets import Agent, Widget
from tests.e2e.server import Server, Servers
from tests.e2e.sockets import JS_DIRECTORY

LIMIT, LOADER_LIMIT = 24 * 1024, 3 * 1024


def loaded(visitor: Person) -> list[Response]:
    """Collect our own code that the visitor's pages load from now on."""
    responses: list[Response] = []

    def keep(response: Response) -> None:
        own = "/widget.js" in response.url or "/web/" in response.url
        if own and "/vendor/" not in response.url and response.status == 200:
            responses.append(response)

    visitor.context.on("response", keep)
    return responses


def weight(responses: list[Response]) -> int:
    """Return the bytes of code before compression."""
    return sum(len(response.body()) for response in responses)


def names(responses: list[Response]) -> set[str]:
    return {response.url.rpartition("/")[2] for response in responses}


def test_a_page_view_loads_only_the_bubble(server: Server, site: Site, person: MakePerson) -> None:
    visitor = person()
    responses = loaded(visitor)
    widget = Widget(visitor.open(site.embed(server.url)))
    expect(widget.bubble).to_be_visible()
    widget.page.wait_for_load_state("networkidle")

    assert names(responses) == {"widget.js", "en.js", "bubble.css"}
    assert weight(responses) < 6_000
    assert widget.page.evaluate(KNOWN_TO_BROWSERS, bundle.PRIVATE) == []
    assert widget.page.evaluate("localStorage.length + sessionStorage.length") == 0


KNOWN_TO_BROWSERS = """(names) => {
    const prototypes = Object.getOwnPropertyNames(window).map((name) => window[name]?.prototype).filter(Boolean);
    return names.filter((name) => name in window || prototypes.some((prototype) => name in prototype));
}"""


@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_a_whole_chat_costs_less_than_24_kb(
    server: Server, site: Site, person: MakePerson, agent: Agent, language: str
) -> None:
    visitor = person()
    responses = loaded(visitor)
    widget = Widget(visitor.open(site.embed(server.url, language=language))).open()
    widget.write("Hello")
    session_id = agent.join(widget)
    agent.say(session_id, "Hi")
    widget.wait_for_texts("Hello", "Hi")
    agent.socket.call("end_session", {"sessionId": session_id})
    expect(widget.field).to_be_hidden()
    widget.page.wait_for_load_state("networkidle")

    own = {"widget.js", f"{language}.js", "bubble.css", "widget.css", "all.js"}
    assert names(responses) == own
    assert len(responses) == len(own)
    assert weight(responses) < LIMIT
    assert weight([one for one in responses if "widget.js" in one.url]) < LOADER_LIMIT
    assert all(response.header_value("Content-Encoding") == "gzip" for response in responses)


@pytest.mark.usefixtures("_node_modules")
def test_the_client_is_the_one_from_npm() -> None:
    package = JS_DIRECTORY / "node_modules/socket.io-client"
    vendor = (FOLDER / CLIENT_PATH).parent
    assert (FOLDER / CLIENT_PATH).read_bytes() == (package / "dist/socket.io.esm.min.js").read_bytes()
    assert (vendor / "socket.io.LICENSE").read_bytes() == (package / "LICENSE").read_bytes()


def test_no_page_needs_another_host(server: Server, person: MakePerson) -> None:
    visitor = person()
    hosts = set()
    visitor.context.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    for path in ("/demo", "/console", "/api/docs"):
        visitor.open(server.url + path).wait_for_load_state("networkidle")
    widget = Widget(visitor.open(f"{server.url}/demo")).open()
    widget.write("Hello")
    widget.wait_for_texts("Hello")

    assert hosts == {urlsplit(server.url).netloc}


def test_the_client_can_come_from_elsewhere(servers: Servers, site: Site, person: MakePerson) -> None:
    elsewhere = "https://cdn.example.com/socket.io.js"
    server = servers.start(FRONTEND_URLS=site.origin, SOCKETIO_CLIENT_URL=elsewhere)
    visitor = person()
    headers = {"Access-Control-Allow-Origin": "*"}
    client = (FOLDER / CLIENT_PATH).read_text("utf-8")
    visitor.context.route(
        elsewhere, lambda route: route.fulfill(body=client, content_type="text/javascript", headers=headers)
    )
    widget = Widget(visitor.open(f"{server.url}/demo")).open()
    widget.write("Hello")
    widget.wait_for_texts("Hello")
    expect(visitor.open(f"{server.url}/console").get_by_role("button")).not_to_have_count(0)
