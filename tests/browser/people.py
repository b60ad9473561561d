"""People with a browser: each has a separate context, which records all errors of its pages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, expect

from tests.e2e.server import wait_until
from tests.e2e.sockets import JS_DIRECTORY
from tests.leaving_out import chromium, firefox

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-site-isolation-trials"
).split()
AXE = JS_DIRECTORY / "node_modules/axe-core/axe.min.js"
PATIENCE_MS = 30_000
"""How long to wait for a page. Long, because it costs nothing where a test passes."""


def launch(playwright: Playwright, *arguments: str, whole: bool = False) -> Browser:
    """Start the system's Chromium, with more arguments if a test needs them."""
    expect.set_options(timeout=PATIENCE_MS)
    return playwright.chromium.launch(executable_path=chromium(whole=whole), args=[*ARGUMENTS, *arguments])


def launch_firefox(playwright: Playwright) -> Browser:
    """Start the system's Firefox. It does not support `color_scheme` and `is_mobile`."""
    expect.set_options(timeout=PATIENCE_MS)
    environment: dict[str, str | float | bool] = {**os.environ, "FIREFOX": firefox() or ""}
    program = Path(__file__).with_name("firefox.mjs")
    return playwright.firefox.launch(channel="moz-firefox", executable_path=program, env=environment)


NOTE_SOCKET = """{
    const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (data) {
        if (data === "5") window.__pwSocket = this;  // The upgrade from polling ends.
        send.call(this, data);
    };
}"""


def wait_for_websocket(page: Page) -> None:
    """Wait until the chat's connection is a websocket: it begins by polling."""
    wait_until(lambda: page.evaluate("window.__pwSocket !== undefined"))


def pass_time(page: Page, seconds: int) -> None:
    """Let time pass in a page whose clock is installed. The server's pings come meanwhile, as in real time."""
    wait_for_websocket(page)
    for passed in range(0, seconds, 10):
        page.evaluate("window.__pwSocket.onmessage({ data: '2' })")
        page.clock.run_for(1_000 * min(10, seconds - passed))


class Person:
    """Somebody with a separate browser profile, who wants no animations: they are dear to draw without a GPU.

    `options` are those of Playwright's new_context.
    """

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.context: BrowserContext = browser.new_context(**{"reduced_motion": "reduce", **options})
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.add_init_script(NOTE_SOCKET)
        self._problems: list[tuple[str, str]] = []
        self.expected: list[str] = []
        """Parts of console messages that are expected in this test."""

    def tab(self) -> Page:
        """Open an empty tab."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self._problems.append((f"{error.message}\n{error.stack}", "")))
        page.on("console", self._hear)
        return page

    def open(self, url: str) -> Page:
        """Open a page in a new tab."""
        page = self.tab()
        page.goto(url)
        return page

    def close(self) -> None:
        """Close all tabs. Fails if a page had an unexpected error, including a violation of its policy."""
        self.context.close()
        expected = (*self.expected, "/favicon.ico")  # Firefox reports that a policy forbids it.
        problems = [problem for problem in self._problems if not any(part in problem[0] for part in expected)]
        assert not problems, problems

    def _hear(self, entry: ConsoleMessage) -> None:
        if entry.type == "error":
            self._problems.append((entry.text, entry.location["url"]))


LOOKS = ["color-contrast", "link-in-text-block", "scrollable-region-focusable"]
"""The rules whose results depend on colours and sizes."""


def violations(page: Page, rules: list[str] | None = None) -> list[str]:
    """Return what axe-core finds in Chromium, one line for each rule. Debian's Firefox does not survive it.

    `rules` are enough where another test examines the same elements in other colours.
    """
    if page.context.browser and page.context.browser.browser_type.name == "firefox":
        return []
    if not page.evaluate("window.axe !== undefined"):
        page.evaluate(AXE.read_text("utf-8"))
    options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    found = page.evaluate("(options) => axe.run(options)", options)["violations"]
    return [
        f"{rule['impact']} {rule['id']}: {[(node['html'][:120], node['failureSummary']) for node in rule['nodes']]}"
        for rule in found
    ]
