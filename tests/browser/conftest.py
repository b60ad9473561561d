"""Fixtures of the tests with a real browser. Every test here is marked `chromium` and `node`, for what it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.browser.consoles import Visitor, clear
from tests.browser.people import Person, launch
from tests.browser.sites import Site
from tests.browser.widgets import Agent
from tests.e2e.conftest import install_node_modules, operator, pytest_runtest_makereport, servers
from tests.e2e.server import Server, Servers
from tests.e2e.sockets import JS_DIRECTORY

__all__ = ["operator", "pytest_runtest_makereport", "servers"]

MakePerson = Callable[..., Person]
MakeVisitor = Callable[[str], Visitor]

TIMEOUT_SECONDS = 180
"""A test with browsers takes a minute on a machine that does much else."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.chromium)
            item.add_marker(pytest.mark.node)
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(TIMEOUT_SECONDS))


@pytest.fixture(scope="session")
def _node_modules() -> None:
    install_node_modules(JS_DIRECTORY)


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Playwright, which a process can have only once at a time."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(playwright: Playwright, _node_modules: None) -> Iterator[Browser]:
    """One Chromium for all tests here."""
    browser = launch(playwright)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def whole_browser(playwright: Playwright, _node_modules: None) -> Iterator[Browser]:
    """A Chromium that has everything."""
    browser = launch(playwright, whole=True)
    yield browser
    browser.close()


@pytest.fixture
def person(request: pytest.FixtureRequest) -> Iterator[MakePerson]:
    """Make people with a browser, those of tests marked `whole_chromium` with one that has everything.

    Keyword arguments are Playwright's. Their pages must have no errors.
    """
    is_whole = request.node.get_closest_marker("whole_chromium") is not None
    browser: Browser = request.getfixturevalue("whole_browser" if is_whole else "browser")
    people: list[Person] = []

    def make(**options: object) -> Person:
        people.append(Person(browser, **options))
        return people[-1]

    yield make
    for one in people:
        one.close()


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    """A site on another origin."""
    site = Site()
    yield site
    site.close()


@pytest.fixture(scope="package")
def _shared_server(
    mongodb_uri: str, mongodb_db: str, tmp_path_factory: pytest.TempPathFactory, site: Site, _node_modules: None
) -> Iterator[Server]:
    servers = Servers(tmp_path_factory.mktemp("browser"), mongodb_uri, mongodb_db)
    yield servers.start(FRONTEND_URLS=site.origin, WEBHOOKS_BY_SUPERVISORS="on")
    servers.forget()


@pytest.fixture(scope="module")
def server(_shared_server: Server) -> Server:
    """The server of all tests here, which the site may call. Each module begins without agents and open sessions."""
    if not _shared_server.is_running:
        _shared_server.start()
    clear(_shared_server.operator())
    return _shared_server


@pytest.fixture
def agent(server: Server) -> Iterator[Agent]:
    """The only agent, on a socket."""
    agent = Agent(server)
    yield agent
    agent.leave()


@pytest.fixture
def nobody(server: Server) -> None:
    """Begin without agents and open sessions, and with a server that runs."""
    if not server.is_running:
        server.start()
    clear(server.operator())


@pytest.fixture
def visitor(server: Server) -> Iterator[MakeVisitor]:
    """Make visitors, who write to a console's agent. All leave in the end."""
    visitors: list[Visitor] = []

    def make(user_id: str) -> Visitor:
        visitors.append(Visitor(server, user_id))
        return visitors[-1]

    yield make
    for one in visitors:
        one.close()
