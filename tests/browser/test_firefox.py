"""The main walks of widget and console once more, in Firefox: the tests themselves are those of the other modules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.people import launch_firefox
from tests.browser.test_console_chat import _nobody, visitor  # noqa: F401 (its fixtures)
from tests.browser.test_console_chat import test_a_whole_chat as test_a_whole_chat_in_the_console  # noqa: F401
from tests.browser.test_widget import test_a_whole_chat, test_what_a_page_may_ask_for  # noqa: F401

pytestmark = pytest.mark.firefox


@pytest.fixture(scope="module")
def browser(_node_modules: None) -> Iterator[Browser]:
    """One Firefox for all tests of this module."""
    with sync_playwright() as playwright:
        browser = launch_firefox(playwright)
        yield browser
        browser.close()
