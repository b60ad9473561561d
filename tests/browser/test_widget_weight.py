"""What the widget costs a page, and where socket.io's client comes from: as a browser loads it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, Response, expect

from chatsupport.web.assets import LOCAL_CLIENT
from tests.browser.conftest import MakePerson
from tests.browser.people import Person
from tests.browser.sites import Site
from tests.browser.widgets import Widget
from tests.e2e.server import Server

KB = 1024


def loaded(visitor: Person) -> list[Response]:
    """Collect what the visitor's pages get of our own code from now on."""
    responses: list[Response] = []

    def keep(response: Response) -> None:
        own = "/widget.js" in response.url or "/web/" in response.url
        if own and "/vendor/" not in response.url and response.status == 200:
            responses.append(response)

    visitor.context.on("response", keep)
    return responses


def names(responses: list[Response]) -> set[str]:
    return {response.url.rpartition("/")[2] for response in responses}


def test_a_page_view_costs_the_bubble_only(server: Server, site: Site, person: MakePerson) -> None:
    visitor = person()
    responses = loaded(visitor)
    widget = Widget(visitor.open(site.embed(server.url)))
    expect(widget.bubble).to_be_visible()
    widget.page.wait_for_load_state("networkidle")

    assert names(responses) == {
        "widget.js",
        "main.js",
        "bubble.js",
        "dom.js",
        "store.js",
        "strings.js",
        "en.js",
        "widget.css",
    }
    assert sum(len(response.body()) for response in responses) < 15 * KB
    assert widget.page.evaluate("localStorage.length + sessionStorage.length") == 0

    widget.open()
    expect(widget.status).to_have_text("")
    widget.page.wait_for_load_state("networkidle")
    assert {"chat.js", "view.js", "chat.css", "connection.js"} <= names(responses)
    sent = [response.header_value("Content-Length") for response in responses]
    assert sum(int(length or 0) for length in sent) < 15 * KB
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
