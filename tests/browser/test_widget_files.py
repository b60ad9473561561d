"""Files in the chat bubble: a visitor sends a photo from a phone, and gets files."""

from __future__ import annotations

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import CDPSession, FilePayload, Locator, Route, expect

from tests.browser.conftest import MakePerson
from tests.browser.people import violations
from tests.browser.sites import Site
from tests.browser.test_widget_pages import NO_CONNECTION
from tests.browser.widgets import Agent, Widget
from tests.e2e.server import Server, Servers, wait_until
from tests.features.files.samples import PDF, REFUSED, photo, picture
from tests.features.files.scanner import VIRUS, Scanner
from tests.features.files.sending import post_file

pytestmark = pytest.mark.features("files")

PHONE = {"viewport": {"width": 390, "height": 700}, "has_touch": True, "is_mobile": True}
COLORS = """(canvas) => [0.25, 0.75].map((x) =>
    [...canvas.getContext("2d").getImageData(canvas.width * x, canvas.height / 4, 1, 1).data]
        .map((part) => Math.round(part / 255)).join(""))"""
RED, BLUE = "1001", "0011"
GIVE = """([selector, type, names]) => {
    const transfer = new DataTransfer();
    for (const name of names) transfer.items.add(new File([name], name, { type: "text/plain" }));
    const options = { bubbles: true, cancelable: true, composed: true };
    const event = type === "paste"
        ? new ClipboardEvent(type, { ...options, clipboardData: transfer })
        : new DragEvent(type, { ...options, dataTransfer: transfer });
    // Until they are dropped, nobody learns which files they are.
    if (type === "dragover") Object.defineProperty(event, "dataTransfer", { value: { types: ["Files"], files: [] } });
    return document.querySelector("chat-support").shadowRoot.querySelector(selector).dispatchEvent(event);
}"""

PASTE = """(types) => {
    const transfer = new DataTransfer();
    for (const type of types) transfer.setData(type, "x");
    transfer.items.add(new File(["x"], "pasted.txt", { type: "text/plain" }));
    const options = { bubbles: true, cancelable: true, composed: true };
    const event = new ClipboardEvent("paste", { ...options, clipboardData: transfer });
    return document.querySelector("chat-support").shadowRoot.querySelector("textarea").dispatchEvent(event);
}"""


class Files:
    """The files in a bubble."""

    def __init__(self, widget: Widget) -> None:
        self.widget = widget
        self.button = widget.panel.get_by_role("button", name="Send a file")
        self.chips = widget.panel.get_by_role("list", name="Files to send").get_by_role("listitem")
        self.shown = widget.log.locator(".file")
        self.large = widget.page.locator("chat-support dialog.pictures")

    def choose(self, *files: tuple[str, str, bytes]) -> None:
        """Choose files (name, media type, content) in the browser's dialog."""
        with self.widget.page.expect_file_chooser() as chooser:
            self.button.click()
        assert chooser.value.is_multiple()
        payloads: list[FilePayload] = [{"name": name, "mimeType": kind, "buffer": body} for name, kind, body in files]
        chooser.value.set_files(payloads)

    def give(self, how: str, where: str, *names: str) -> None:
        """Drop or paste text files."""
        assert not self.widget.page.evaluate(GIVE, [where, how, list(names)])


def expect_colors(canvas: Locator, *colors: str) -> None:
    """Expect these colors on the left and on the right."""
    wait_until(lambda: canvas.evaluate(COLORS) == [*colors], otherwise=lambda: str(canvas.evaluate(COLORS)))


def large_photo() -> bytes:
    """Return a photo of about two megabytes that lies on its side, as phones make them."""
    size = (1600, 1200)
    exif = Image.Exif()
    exif[0x0112] = 6
    to = io.BytesIO()
    bands = [Image.effect_noise(size, 40), Image.linear_gradient("L").resize(size), Image.effect_noise(size, 40)]
    Image.merge("RGB", bands).save(to, "JPEG", quality=95, exif=exif.tobytes())
    return to.getvalue()


def test_a_visitor_sends_a_photo_and_gets_files(server: Server, site: Site, person: MakePerson, agent: Agent) -> None:
    visitor = person(**PHONE)
    visitor.expected += ["415 (UNSUPPORTED MEDIA TYPE)"]
    # The policy of this site allows no images.
    widget = Widget(visitor.open(site.embed(server.url))).open()
    files, page = Files(widget), widget.page
    expect(widget.send_button).to_be_disabled()
    files.choose(("IMG_1.jpg", "image/jpeg", photo(size=(900, 600))), ("bad.png", "image/png", REFUSED["svg"]))
    expect(files.chips).to_have_text([re.compile("IMG_1.jpg"), re.compile("bad.png")])
    expect_colors(files.chips.first.locator("canvas"), RED, RED)  # It lies on its side, and is shown upright.
    widget.panel.get_by_label("Describe the picture: IMG_1.jpg").fill("The broken part")
    assert not violations(page)
    widget.write("Look at this")

    canvas = widget.log.get_by_role("img", name="The broken part")
    expect(canvas).to_be_visible()
    expect(files.chips).to_have_count(1)
    expect(files.chips.get_by_role("alert")).to_have_text("Files of this type cannot be sent.")
    assert not violations(page)
    files.chips.get_by_role("button", name="Remove bad.png").click()
    expect(files.chips).to_have_count(0)
    expect(widget.send_button).to_be_disabled()
    session_id = agent.join(widget)
    sent = {message["message"]: message for message in server.operator().history(session_id)}
    assert set(sent) == {"IMG_1.jpg", "Look at this"}
    assert sent["IMG_1.jpg"]["attachment"]["alt"] == "The broken part"

    post_file(server.operator(), session_id, "new.png", picture("PNG", (900, 600)))
    post_file(server.operator(), session_id, "plan.pdf", PDF)
    expect(files.shown).to_have_count(3)
    expect_colors(widget.log.get_by_role("img", name="new.png"), RED, BLUE)
    assert not violations(page)
    files.shown.first.click()
    expect_colors(files.large.get_by_role("img", name="The broken part"), RED, RED)
    assert not violations(page)
    files.large.get_by_role("button", name="Next picture").press("Enter")
    expect_colors(files.large.get_by_role("img", name="new.png"), RED, BLUE)
    expect(files.large.get_by_role("button", name="Previous picture")).to_be_focused()
    expect(files.large.get_by_role("button", name="Next picture")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(files.large).to_have_count(0)
    expect(widget.panel).to_be_visible()
    expect(files.shown.first).to_be_focused()

    link = widget.log.get_by_role("link", name="plan.pdf")
    with page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename == "plan.pdf"

    widget.end()
    widget.panel.get_by_role("button", name="Start new chat").click()
    widget.panel.get_by_role("button", name="Past chats").click()
    past = widget.panel.locator(".sheet .log")
    past.get_by_role("button").click()
    expect_colors(past.get_by_role("img", name="The broken part"), RED, RED)
    expect(past.get_by_role("link", name="plan.pdf")).to_be_visible()


def test_a_file_on_a_slow_and_broken_connection_is_sent_once(server: Server, site: Site, person: MakePerson) -> None:
    visitor = person(**PHONE)
    visitor.expected += NO_CONNECTION
    widget = Widget(visitor.open(site.embed(server.url))).open()
    files = Files(widget)
    files.choose(("IMG_2.jpg", "image/jpeg", large_photo()))
    network = widget.page.context.new_cdp_session(widget.page)
    network.send("Network.enable")
    limit_uploads(network, 200_000)
    widget.send_button.click()
    progress = files.chips.get_by_role("progressbar")
    wait_until(lambda: float(progress.evaluate("(bar) => bar.value")) > 0.2)
    server.kill()
    wait_until(lambda: progress.evaluate("(bar) => bar.value") == 0)
    files.choose(("notes.txt", "text/plain", b"Later"))
    widget.write("Are you there?")
    expect(files.chips.get_by_role("progressbar")).to_have_count(2)
    limit_uploads(network, -1)
    server.start()

    expect(files.chips).to_have_count(0)
    expect(widget.log.get_by_role("img", name="IMG_2.jpg")).to_be_visible()
    sent = [message["message"] for message in server.operator().history(widget.session_id())]
    assert sorted(sent) == ["Are you there?", "IMG_2.jpg", "notes.txt"]


def limit_uploads(network: CDPSession, bytes_per_second: int) -> None:
    """Let a page send only so many bytes a second; -1: no limit."""
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second}
    network.send("Network.emulateNetworkConditions", conditions)


def test_files_are_dropped_pasted_and_belong_to_one_person(
    server: Server, site: Site, person: MakePerson, agent: Agent
) -> None:
    visitor = person()
    visitor.expected += ["401", "403", "400"]  # A call may be in progress when somebody signs out.
    widget = Widget(visitor.open(site.embed(server.url))).open()
    files, page = Files(widget), widget.page
    files.give("dragover", ".log", "one.txt")
    files.give("drop", ".log", "one.txt")
    files.give("paste", "textarea", "two.txt", "three.txt")
    expect(files.chips).to_have_text([re.compile(name) for name in ("one.txt", "two.txt", "three.txt")])
    files.chips.nth(1).get_by_role("button", name="Remove two.txt").click()
    page.evaluate("ChatSupport.identify({ userId: 'somebody else' })")
    expect(files.chips).to_have_count(0)
    files.give("drop", "header", "four.txt")
    page.evaluate("ChatSupport.reset()")
    expect(widget.panel).to_be_hidden()

    widget.open()
    expect(files.chips).to_have_count(0)
    files.give("drop", "header", "five.txt")
    expect(widget.send_button).to_be_enabled()
    widget.send_button.click()
    widget.wait_for_texts("five.txt")
    assert agent.join(widget)


def test_files_stay_with_the_person_who_chose_or_sees_them(
    server: Server, site: Site, person: MakePerson, agent: Agent
) -> None:
    visitor = person()
    visitor.expected += ["401", "403", "400"]  # A call may be in progress when somebody signs out.
    page = visitor.open(site.embed(server.url))
    widget, held = Widget(page).open(), list[Route]()
    files = Files(widget)
    page.route("**/parts/attach.js", lambda route: held.append(route))
    with page.expect_request("**/parts/attach.js"):
        files.give("drop", "header", "one.txt")
    page.evaluate("ChatSupport.reset()")
    widget.open()
    held[0].continue_()
    files.give("drop", "header", "two.txt")
    expect(files.chips).to_have_text([re.compile("two.txt")])

    # In a file manager, a copied file's name comes with it. A table comes with its picture, and is text.
    assert not page.evaluate(PASTE, ["text/plain"])
    assert page.evaluate(PASTE, ["text/plain", "text/html"])
    expect(files.chips).to_have_count(2)

    page.route("**/api/chat/files/*", lambda route: route.fulfill(status=403, body="<h1>No</h1>"), times=1)
    widget.write("Hello")
    expect(files.chips.get_by_role("alert")).to_have_text("The chat cannot be reached at the moment.")
    files.chips.get_by_role("button", name="Try again").click()
    expect(files.chips).to_have_count(0)
    widget.wait_for_texts("Hello", "pasted.txt", "two.txt")
    post_file(server.operator(), agent.join(widget), "new.png", picture("PNG", (900, 600)))
    for leave in ("ChatSupport.close()", "ChatSupport.identify({ userId: 'third' })"):
        widget.log.get_by_role("img", name="new.png").click()
        expect(files.large).to_be_visible()
        page.evaluate(leave)
        expect(files.large).to_have_count(0)
        if not widget.panel.is_visible():
            widget.open()


def test_a_file_is_shown_once_it_was_scanned(servers: Servers, site: Site, person: MakePerson) -> None:
    scanner = Scanner()
    scanner.always_say(b"")
    # An address that is good for five seconds is always renewed.
    limits = {"MAX_FILE_BYTES": "2000", "FILE_URL_SECONDS": "5"}
    server = servers.start(FRONTEND_URLS=site.origin, SCAN_URL=scanner.url, **limits)
    widget = Widget(person().open(site.embed(server.url))).open()
    files = Files(widget)
    files.choose(("a.txt", "text/plain", b"Good"), ("b.txt", "text/plain", VIRUS), ("c.txt", "text/plain", b"x" * 2001))
    expect(files.chips.get_by_role("alert").last).to_have_text("This file is too large. It may have 2 kB.")
    expect(files.chips.last.get_by_role("button")).to_have_count(1)
    widget.send_button.click()
    expect(files.shown).to_have_text([re.compile("a.txt.*Being checked"), re.compile("b.txt.*Being checked")])

    scanner.always_say(None)
    expect(files.shown).to_have_text([re.compile("a.txt.*4 byte"), re.compile("b.txt.*Blocked")])
    with widget.page.expect_download() as download:
        widget.log.get_by_role("link").click()
    assert download.value.suggested_filename == "a.txt"
    scanner.stop()


def test_a_server_without_files_offers_none(servers: Servers, site: Site, person: MakePerson) -> None:
    server = servers.start(FRONTEND_URLS=site.origin, FILES="off")
    widget = Widget(person().open(site.embed(server.url))).open()
    expect(widget.field).to_be_visible()
    expect(Files(widget).button).to_have_count(0)
