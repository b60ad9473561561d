"""The pages around the bubble: their colours, their languages, their changes of the document, and their policies."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect

from chatsupport.web.assets import FOLDER
from tests.browser.conftest import MakePerson
from tests.browser.sites import Site
from tests.browser.widgets import Agent, Widget
from tests.e2e.server import Server, Servers, wait_until

WHITE, DARK = "rgb(255, 255, 255)", "rgb(23, 28, 34)"
NO_CONNECTION = [
    "Failed to load resource",
    "WebSocket connection to",
    "net::ERR_",
    "blocked by CORS policy",
    "Cross-Origin Request Blocked",
    "Loading module from",
]


@pytest.mark.features("settings")
def test_the_server_decides_what_the_page_does_not(servers: Servers, site: Site, person: MakePerson) -> None:
    server = servers.start(FRONTEND_URLS=site.origin)
    operator = server.operator()
    settings = operator.get("/api/settings").data
    settings["widget"].update(title="From the server", color="#ffd166", position="left", theme="dark", language="de")
    settings["texts"].update(greeting="Welcome {} <b>", away="Back {} <i>soon", ended="Bye $& {}")
    assert operator.request("PUT", "/api/settings", settings).status == 200

    widget = Widget(person().open(site.embed(server.url, title="From the page"))).open()
    expect(widget.panel.locator("h2")).to_have_text("From the page")
    expect(widget.panel.locator("h3")).to_have_text("Welcome {} <b>")
    expect(widget.panel).to_have_css("background-color", DARK)
    expect(widget.panel.locator("header")).to_have_css("background-color", "rgb(255, 209, 102)")
    expect(widget.panel.get_by_role("button", name="Schließen")).to_be_visible()
    wait_until(lambda: (widget.panel.bounding_box() or {"x": 1000})["x"] < 100)
    expect(widget.panel.locator(".hello p")).to_contain_text("Back {} <i>soon ")
    widget.write("Hallo")
    expect(widget.status).to_have_text("Back {} <i>soon")
    operator.post(f"/api/chat/end-session/{widget.session_id()}")
    expect(widget.status).to_have_text("Bye $& {}")
    again = Widget(person().open(site.embed(server.url, "/greeting", greeting="From the page"))).open()
    expect(again.panel.locator("h3")).to_have_text("From the page")


@pytest.mark.features("departments")
def test_a_page_names_the_department_that_gets_its_chats(
    server: Server, site: Site, person: MakePerson, agent: Agent
) -> None:
    operator = server.operator()
    sales = operator.post("/api/departments", {"name": "Sales"}).data["id"]
    operator.request("PATCH", f"/api/agents/{agent.id}", {"departmentIds": []})
    visitor = person()
    visitor.expected += ["404 (NOT FOUND)"]
    widget = Widget(visitor.open(site.embed(server.url, "/sales", department=sales))).open()
    hint = widget.panel.locator(".hello p")
    expect(hint).to_contain_text("Nobody is here")  # The only agent gets no chats of this department.
    widget.write("Hello")
    expect(widget.status).to_contain_text("Nobody is here")
    assert operator.get(f"/api/chat/session/{widget.session_id()}").data["departmentId"] == sales

    # Everybody may get the chat of a page that names an unknown department, or an empty one.
    operator.request("DELETE", f"/api/departments/{sales}")
    for path, department in {"/gone": sales, "/odd": "a & b", "/empty": ""}.items():
        visitor = person()
        visitor.expected += ["404 (NOT FOUND)"]
        widget = Widget(visitor.open(site.embed(server.url, path, department=department))).open()
        expect(widget.panel.locator(".hello p")).to_have_text("Write to us, and somebody will answer here.")
        widget.write("Hello")
        expect(widget.status).to_have_text("You are talking to Ada")
        session = operator.get(f"/api/chat/session/{widget.session_id()}").data
        assert session["departmentId"] is None
        assert session["context"]["page"]["url"].endswith(path)


def test_the_page_chooses_light_or_dark(server: Server, site: Site, person: MakePerson, agent: Agent) -> None:
    for scheme, theme, expected in (
        ("dark", "light", WHITE),
        ("light", "dark", DARK),
        ("dark", "auto", DARK),
        ("light", "", WHITE),
    ):
        page = person(color_scheme=scheme).open(site.embed(server.url, theme=theme, color="#ffd166"))
        widget = Widget(page).open()
        expect(widget.panel).to_have_css("background-color", expected)
        expect(widget.panel.locator("header")).to_have_css("color", "rgb(0, 0, 0)")  # Text on yellow is black.
    page.emulate_media(color_scheme="dark")
    expect(widget.panel).to_have_css("background-color", DARK)
    page.emulate_media(media="print")
    expect(widget.panel).to_be_hidden()
    styles = "".join(path.read_text("utf-8") for path in (FOLDER / "widget").glob("*.css"))
    assert not re.search(r"light-dark\(|color\(from", styles)  # Browsers of 2023 support neither.


def test_a_page_sets_the_texts_the_launcher_and_its_place(
    server: Server, site: Site, person: MakePerson, agent: Agent
) -> None:
    visitor = person()
    visitor.expected = ["Content Security Policy", "Content-Security-Policy"]  # This page allows no images.
    own = {"greeting": "Welcome <b>", "hint": "We answer within an hour.", "launcher": "Questions?", "offset": "30 90"}
    page = visitor.open(site.embed(server.url, **own, logo=f"{server.url}/web/x/console/icon.svg"))
    widget = Widget(page)
    expect(widget.bubble).to_be_visible()
    box = widget.bubble.bounding_box()
    viewport = page.viewport_size
    assert box is not None
    assert viewport is not None
    assert round(viewport["width"] - box["x"] - box["width"]) == 30
    assert round(viewport["height"] - box["y"] - box["height"]) == 90
    expect(widget.bubble).to_have_accessible_name("Questions?")
    assert box["width"] > box["height"] * 2
    widget.open()
    expect(widget.panel.locator("h3")).to_have_text("Welcome <b>")
    expect(widget.panel.locator(".hello p")).to_have_text("We answer within an hour.")
    expect(widget.panel.locator("img")).to_have_count(0)

    page = person().open(site.embed(server.url, "/none", launcher="none"))
    wait_until(lambda: page.evaluate("document.querySelector('chat-support') !== null"))
    expect(page.locator("chat-support .bubble")).to_be_hidden()
    page.evaluate("ChatSupport.open()")
    expect(Widget(page).panel).to_be_visible()


def test_odd_attributes_and_module_scripts(server: Server, site: Site, person: MakePerson) -> None:
    address = site.embed(server.url, "/odd", title=" ", language="de_DE")
    site.pages["/odd"] = site.pages["/odd"].replace("<script ", '<script type="module" ')
    widget = Widget(person().open(address)).open()
    expect(widget.panel.get_by_role("heading", name="Chatten Sie mit uns")).to_be_visible()
    address = site.embed(server.url, "/lang")
    site.pages["/lang"] = site.pages["/lang"].replace('lang="en"', 'lang="ar_EG"')
    page = person().open(address)
    expect(page.locator("chat-support .bubble")).to_have_attribute("aria-label", re.compile("[ء-ي]"))


def test_pages_that_replace_the_document_keep_the_bubble(
    server: Server, site: Site, person: MakePerson, agent: Agent
) -> None:
    page = person().open(site.embed(server.url))
    widget = Widget(page).open()
    for number in range(12):
        widget.write(f"{number}\nand more\nand more")
        expect(widget.rows.last).to_contain_text("Sent")
    page.evaluate("document.documentElement.replaceChildren(document.createElement('body'))")
    expect(widget.panel).to_be_visible()
    expect(widget.texts).to_have_count(12)
    expect(widget.texts.last).to_be_in_viewport()
    page.evaluate(
        """() => {
            const html = document.createElement("html");
            html.append(document.createElement("body"));
            document.replaceChild(html, document.documentElement);
        }"""
    )
    expect(widget.panel).to_be_visible()
    page.evaluate("document.querySelector('chat-support').remove()")
    expect(widget.panel).to_be_visible()
    assert page.locator("chat-support").count() == 1


def test_the_bubble_waits_until_the_page_is_read(server: Server, site: Site, person: MakePerson) -> None:
    address = site.embed(server.url, "/slow", head='<script src="/slow.js" defer></script>')
    site.policy = site.policy.replace("script-src", f"script-src {site.origin}")
    page = person().context.new_page()
    slow: list[Route] = []
    page.route("**/slow.js", lambda route: slow.append(route))
    with page.expect_response("**/bubble.css"):
        page.goto(address, wait_until="commit")
    page.wait_for_timeout(300)
    assert page.locator("chat-support").count() == 0
    slow[0].fulfill(body="", content_type="text/javascript")
    expect(page.locator("chat-support .bubble")).to_be_visible()


def test_a_page_that_is_never_idle_gets_the_bubble(server: Server, site: Site, person: MakePerson) -> None:
    visitor = person()
    visitor.context.add_init_script(
        "self.requestIdleCallback = (task, how) => how?.timeout && setTimeout(task, how.timeout)"
    )
    expect(Widget(visitor.open(site.embed(server.url))).bubble).to_be_visible()


def test_a_chat_loaded_before_the_page_is_ready_is_complete(server: Server, site: Site, person: MakePerson) -> None:
    visitor = person()
    widget = Widget(visitor.open(site.embed(server.url))).open()
    height = widget.field.evaluate("(field) => field.offsetHeight")
    widget.page.add_init_script("""
        const waiting = [];
        self.requestIdleCallback = (task) => waiting.push(task);
        self.becomeIdle = () => waiting.forEach((task) => task());
    """)
    widget.page.reload()
    wait_until(lambda: widget.page.evaluate("self.ChatSupport !== undefined"))
    widget.page.evaluate("ChatSupport.open()")
    widget.page.evaluate("becomeIdle()")
    expect(widget.field).to_be_visible()
    expect(widget.field).to_have_js_property("offsetHeight", height)


@pytest.mark.parametrize("file", ["languages/en.js", "bubble.css", "all.js", "widget.css", "socket.io.esm.min.js"])
def test_a_file_that_fails_to_load_is_tried_again(
    server: Server, site: Site, person: MakePerson, agent: Agent, file: str
) -> None:
    visitor = person()
    visitor.expected = NO_CONNECTION
    failures = [503, None]

    def serve(route: Route) -> None:
        failure = failures.pop() if failures else 0
        if failure is None:
            route.abort()
        elif failure:
            route.fulfill(status=failure, body="no")
        else:
            route.continue_()

    visitor.context.route(re.compile(rf"/{re.escape(file)}(\?.*)?$"), serve)
    widget = Widget(visitor.open(site.embed(server.url)))
    widget.bubble.click()
    expect(widget.panel).to_be_visible()
    widget.write("Hello")
    expect(widget.rows.last).to_contain_text("Sent")
    assert not failures


def test_a_page_that_may_not_use_the_chat_says_so(server: Server, person: MakePerson) -> None:
    stranger = Site()
    visitor = person()
    visitor.expected = [*NO_CONNECTION, "Access to fetch", "sandbox"]
    says = "The chat does not work on this page."
    widget = Widget(visitor.open(stranger.embed(server.url))).open()
    expect(widget.status).to_have_text(says)
    widget.write("Hello?")
    expect(widget.rows.last).to_contain_text("Sending…")

    address = stranger.embed(server.url, "/framed")
    stranger.pages["/"] = f'<!doctype html><title>x</title><iframe sandbox="allow-scripts" src="{address}"></iframe>'
    stranger.policy = f"{stranger.policy}; frame-src 'self'"
    page = visitor.open(f"{stranger.origin}/")
    frame = page.frame_locator("iframe")
    frame.locator("chat-support .bubble").click()
    expect(frame.get_by_role("dialog").locator("header [role=status]")).to_have_text(says)
    stranger.close()
