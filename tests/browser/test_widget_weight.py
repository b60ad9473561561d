"""What the widget costs a page, and where socket.io's client comes from: as a browser loads it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Response, expect

from chatsupport.web.assets import CDN_INTEGRITY, CDN_URL, CLIENT_PATH, LOCAL_CLIENT
from tests.browser.conftest import MakePerson
from tests.browser.people import Person
from tests.browser.sites import Site
from tests.browser.widgets import Agent, Widget
from tests.e2e.server import Server

LIMIT = 15_000


def loaded(visitor: Person) -> list[Response]:
    """Collect what the visitor's pages get of our own code from now on."""
    responses: list[Response] = []

    def keep(response: Response) -> None:
        own = "/widget.js" in response.url or "/web/" in response.url
        if own and "/vendor/" not in response.url and response.status == 200:
            responses.append(response)

    visitor.context.on("response", keep)
    return responses


def weight(responses: list[Response]) -> int:
    """Return the bytes of code in them, as it is run: before compression."""
    return sum(len(response.body()) for response in responses)


def names(responses: list[Response]) -> set[str]:
    return {response.url.rpartition("/")[2] for response in responses}


def test_a_page_view_costs_the_bubble_only(server: Server, site: Site, person: MakePerson) -> None:
    visitor = person()
    responses = loaded(visitor)
    widget = Widget(visitor.open(site.embed(server.url)))
    expect(widget.bubble).to_be_visible()
    widget.page.wait_for_load_state("networkidle")

    assert names(responses) == {"widget.js", "en.js", "widget.css"}
    assert weight(responses) < 6_000
    assert widget.page.evaluate("localStorage.length + sessionStorage.length") == 0


@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_a_whole_chat_costs_less_than_15_kb(
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

    own = {"widget.js", f"{language}.js", "widget.css", "view.js", "chat.js", "visitor.js", "connection.js"}
    assert names(responses) == own
    assert len(responses) == len(own)
    # Where socket.io's client comes from its CDN, /widget.js has a longer address in it, and a hash.
    (local,) = re.findall(rf'"(/web/[^"]*/{CLIENT_PATH})"', widget.page.request.get(f"{server.url}/widget.js").text())
    assert weight(responses) - len(local) + len(CDN_URL) + len(CDN_INTEGRITY) < LIMIT
    assert all(response.header_value("Content-Encoding") == "gzip" for response in responses)


def test_a_client_from_elsewhere_must_match_its_hash(server: Server, person: MakePerson) -> None:
    visitor = person()
    visitor.expected = ["integrity", "Failed to find a valid digest"]
    page = visitor.open(f"{server.url}/demo")
    elsewhere = "https://cdn.socket.io/4.8.1/socket.io.esm.min.js"
    body = LOCAL_CLIENT.read_text("utf-8")
    headers = {"Access-Control-Allow-Origin": "*"}

    def serve(route: Any) -> None:
        route.fulfill(body=body, content_type="text/javascript", headers=headers)

    visitor.context.route("https://cdn.socket.io/**", serve)
    page.route(
        f"{server.url}/blank", lambda route: route.fulfill(body="<title>blank</title>", content_type="text/html")
    )
    right = page.evaluate(HASH, body)
    assert load(page, server, elsewhere, right) == "function"
    assert load(page, server, elsewhere, "sha384-" + "A" * 64) == "refused"


def load(page: Page, server: Server, url: str, integrity: str) -> str:
    """Load socket.io's client as the widget does, in a new page; return the type of `io`, or "refused"."""
    page.goto(f"{server.url}/blank")
    module = page.request.get(f"{server.url}/widget.js").text().split("/web/")[1].split("/")[0]
    script = """async ([module, url, integrity]) => {
        const { loadClient } = await import(module);
        return loadClient(url, integrity).then((io) => typeof io, () => "refused");
    }"""
    result: str = page.evaluate(script, [f"/web/{module}/shared/connection.js", url, integrity])
    return result


HASH = """async (text) => {
    const digest = await crypto.subtle.digest("SHA-384", new TextEncoder().encode(text));
    return "sha384-" + btoa(String.fromCharCode(...new Uint8Array(digest)));
}"""
