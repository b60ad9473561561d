"""People with a browser: each has a separate context, which records all errors of its pages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from tests.e2e.sockets import JS_DIRECTORY
from tests.leaving_out import chromium, firefox

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
AXE = JS_DIRECTORY / "node_modules/axe-core/axe.min.js"
PATIENCE_MS = 10_000


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


class Person:
    """Somebody with a separate browser profile. `options` are those of Playwright's new_context."""

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.context: BrowserContext = browser.new_context(**options)
        self.context.set_default_timeout(PATIENCE_MS)
        self.problems: list[str] = []
        self.expected: list[str] = []
        """Parts of console messages that are expected in this test."""

    def open(self, url: str) -> Page:
        """Open a page in a new tab."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.problems.append(f"{error.message}\n{error.stack}"))
        page.on("console", lambda entry: entry.type == "error" and self.problems.append(entry.text))
        page.goto(url)
        return page

    def close(self) -> None:
        """Close all tabs. Fails if a page had an unexpected error, including a violation of its policy."""
        self.context.close()
        expected = (*self.expected, "/favicon.ico")  # Firefox reports that a policy forbids it.
        problems = [text for text in self.problems if not any(part in text for part in expected)]
        assert not problems, problems


def violations(page: Page) -> list[str]:
    """Return what axe-core finds in Chromium, one line for each rule. Debian's Firefox does not survive it."""
    if page.context.browser and page.context.browser.browser_type.name == "firefox":
        return []
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    return [
        f"{rule['impact']} {rule['id']}: {[(node['html'][:120], node['failureSummary']) for node in rule['nodes']]}"
        for rule in found
    ]
