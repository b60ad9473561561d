"""Files in the console: an agent sends them, and looks at those of visitors."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import FilePayload, Request, expect

from tests.browser.conftest import MakePerson, MakeVisitor
from tests.browser.consoles import Console, Visitor, hire
from tests.browser.people import violations
from tests.browser.test_console_faults import BROKEN
from tests.e2e.rest import Rest
from tests.e2e.server import Server, wait_until
from tests.features.files.samples import PDF, REFUSED, photo, picture
from tests.features.files.sending import post_file

pytestmark = [pytest.mark.usefixtures("nobody"), pytest.mark.features("files")]


def test_an_agent_sends_files_and_sees_pictures_large(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    somebody = person()
    somebody.expected += ["415 (UNSUPPORTED MEDIA TYPE)"]
    console = Console(somebody, server).sign_in(hire(operator, "Ada"))
    page = console.page
    maria = visitor("maria")
    post_file(maria.rest, maria.session_id, "broken.jpg", photo())
    console.open("maria")
    thumbnails = page.locator(".thumbnail img")
    expect(thumbnails).to_have_attribute("alt", "broken.jpg")
    wait_until(lambda: bool(thumbnails.first.evaluate("image => image.naturalWidth")))
    expect(console.bubbles.first).to_be_hidden()

    page.locator("input[type=file]").set_input_files(
        [
            {"name": "plan.pdf", "mimeType": "application/pdf", "buffer": PDF},
            {"name": "part.png", "mimeType": "image/png", "buffer": picture("PNG", (900, 600))},
            {"name": "bad.png", "mimeType": "image/png", "buffer": REFUSED["svg"]},
        ]
    )
    chips = page.locator(".upload")
    expect(chips).to_have_count(3)
    page.get_by_label("Description of part.png").fill("The new part")
    page.get_by_label("Remove plan.pdf").click()
    page.locator("input[type=file]").set_input_files({"name": "plan.pdf", "mimeType": "application/pdf", "buffer": PDF})
    assert not violations(page)
    console.write("Here you are")

    expect(chips).to_have_count(1)
    expect(chips.locator(".failure")).to_contain_text("Files of this type cannot be sent.")
    wait_until(lambda: set(maria.texts()) == {"broken.jpg", "part.png", "plan.pdf", "Here you are"})
    expect(page.locator("button.file")).to_contain_text("plan.pdf")
    with page.expect_download() as download:
        page.locator("button.file").click()
    assert download.value.suggested_filename == "plan.pdf"
    page.get_by_label("Remove bad.png").click()
    expect(chips).to_have_count(0)

    page.locator(".thumbnail").last.focus()
    page.keyboard.press("Enter")
    large = page.locator("dialog.pictures")
    expect(large.get_by_role("img", name="The new part")).to_be_visible()
    wait_until(lambda: large.locator("img").evaluate("image => image.naturalWidth") == 900)
    assert not violations(page)
    page.keyboard.press("ArrowLeft")
    expect(large.get_by_role("img", name="broken.jpg")).to_be_visible()
    page.keyboard.press("Escape")
    expect(large).to_have_count(0)
    expect(page.locator(".thumbnail").last).to_be_focused()


def test_files_are_dropped_pasted_and_sent_when_there_is_a_connection(person: MakePerson, server: Server) -> None:
    somebody = person()
    somebody.expected += BROKEN
    console = Console(somebody, server).sign_in(hire(server.operator(), "Ada"))
    page = console.page
    maria = Visitor(server, "maria")
    maria.say("Hi")
    console.open("maria")
    transfer = page.evaluate_handle(
        """() => {
            const transfer = new DataTransfer();
            transfer.items.add(new File(["one"], "one.txt", { type: "text/plain" }));
            return transfer;
        }"""
    )
    page.dispatch_event(".log", "drop", {"dataTransfer": transfer})
    console.composer.evaluate(
        """field => {
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File(["two"], "two.txt", { type: "text/plain" }));
            field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
        }"""
    )
    chips = page.locator(".upload")
    expect(chips).to_have_text([re.compile("one.txt"), re.compile("two.txt")])

    server.kill()
    expect(console.banner).to_contain_text("no connection")
    page.get_by_role("button", name="Send").click()
    expect(chips.locator("progress:visible")).to_have_count(2)
    server.start()

    wait_until(lambda: maria.texts() == ["Hi", "one.txt", "two.txt"])
    expect(chips).to_have_count(0)


def test_a_file_that_is_too_large_for_a_proxy_or_for_us_holds_up_no_other(
    person: MakePerson, server: Server, operator: Rest, visitor: MakeVisitor
) -> None:
    somebody = person()
    somebody.expected += ["413"]
    console = Console(somebody, server).sign_in(hire(operator, "Ada"))
    page = console.page
    maria = visitor("maria")
    maria.say("Hi")
    console.open("maria")
    sent: list[Request] = []
    page.on("request", lambda request: request.method == "POST" and "/files/" in request.url and sent.append(request))
    html = "<h1>413 Request Entity Too Large</h1>"
    page.route(
        "**/api/chat/files/**", lambda route: route.fulfill(status=413, content_type="text/html", body=html), times=1
    )
    large = page.evaluate_handle(
        """() => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(2 ** 26 + 1)], "film.txt", { type: "text/plain" }));
            return transfer;
        }"""
    )
    page.dispatch_event(".log", "drop", {"dataTransfer": large})
    files: list[FilePayload] = [
        {"name": f"{name}.txt", "mimeType": "text/plain", "buffer": b"text"} for name in ("long", "short")
    ]
    page.locator("input[type=file]").set_input_files(files)
    page.get_by_role("button", name="Send").click()

    uploads, failures = page.locator(".upload"), page.locator(".upload .failure")
    expect(uploads).to_have_count(2)  # The browser asks the route above only while Playwright waits.
    expect(failures).to_have_text(["This file is too large."] * 2)
    assert maria.texts() == ["Hi", "short.txt"]
    page.locator(".upload", has_text="film.txt").get_by_role("button", name="Retry").click()
    page.locator(".upload", has_text="long.txt").get_by_role("button", name="Retry").click()
    expect(uploads).to_have_count(1)
    assert maria.texts() == ["Hi", "short.txt", "long.txt"]
    expect(failures).to_have_text(["This file is too large."])
    assert len(sent) == 3
