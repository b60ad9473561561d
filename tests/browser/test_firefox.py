"""The main paths through widget and console again, in Firefox. The tests come from the other modules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright

from tests.browser import test_widget_pages
from tests.browser.conftest import MakePerson
from tests.browser.people import launch_firefox
from tests.browser.sites import Site
from tests.browser.test_console_chat import test_a_whole_chat as test_a_whole_chat_in_the_console  # noqa: F401
from tests.browser.test_console_desk import (  # noqa: F401
    test_an_agent_uses_canned_replies_and_notes,
    test_the_panel_shows_what_is_known_of_the_visitor,
)
from tests.browser.test_console_ending import (  # noqa: F401
    ada,
    test_an_end_is_sent_after_eight_seconds_unless_it_is_undone,
)
from tests.browser.test_console_search import test_the_palette_has_commands_chats_and_people  # noqa: F401
from tests.browser.test_console_settings import (  # noqa: F401
    built_in_settings,
    sue,
    test_texts_reasons_and_questions_are_edited,
)
from tests.browser.test_widget import test_a_whole_chat, test_the_functions_for_pages  # noqa: F401
from tests.browser.test_widget_people import test_two_tabs_are_one_visitor  # noqa: F401
from tests.browser.widgets import Agent
from tests.e2e.server import Server

pytestmark = [pytest.mark.firefox, pytest.mark.usefixtures("nobody")]


def test_the_chat_is_loaded_again_after_a_failure(server: Server, site: Site, person: MakePerson, agent: Agent) -> None:
    # This browser remembers that an import has failed.
    test_widget_pages.test_a_file_that_fails_to_load_is_tried_again(server, site, person, agent, "all.js")


@pytest.fixture(scope="module")
def browser(playwright: Playwright, _node_modules: None) -> Iterator[Browser]:
    """One Firefox for all tests of this module."""
    browser = launch_firefox(playwright)
    yield browser
    browser.close()
