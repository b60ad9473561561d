"""Fixtures: an application in this process, on a real database that each test finds empty."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from pymongo import message

from chatsupport import documents
from chatsupport.factory import create_app
from chatsupport.services.presence import membership
from chatsupport.services.server import processes
from tests.api import Api, Apis
from tests.concurrency import eventually
from tests.conftest import MakeConfig
from tests.sockets import Sockets, close_all

MakeApp = Callable[..., Flask]

# While its commands are watched the driver draws a number for each, also in the background. Here from a source of its
# own: Hypothesis holds the common one, and takes whoever else draws from it for a fault of the test's.
message.random = random.Random()  # type: ignore[attr-defined]


@pytest.fixture
def make_app(make_config: MakeConfig) -> MakeApp:
    """Make an application on an emptied database; keyword arguments override its configuration."""

    def make(**overrides: object) -> Flask:
        app = create_app(make_config(**overrides))
        for document in documents.ALL:
            document._get_collection().delete_many({})
        processes.here._alone_until = math.inf  # No server process uses this database.
        return app

    return make


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def apis(app: Flask) -> Apis:
    return Apis(app)


@pytest.fixture
def operator(apis: Apis) -> Api:
    return apis.operator()


@pytest.fixture(autouse=True)
def close_sockets() -> Iterator[None]:
    """Close what sockets a test leaves open, so that the next one finds nobody there."""
    yield
    close_all()
    assert eventually(lambda: not membership.joined_sessions()), membership.joined_sessions()


@pytest.fixture
def sockets(app: Flask) -> Sockets:
    return Sockets(app)
