"""Fixtures: an application in this process with a real, empty database, the agent Ada, and her visitor u1."""

from __future__ import annotations

import datetime as dt
import math
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import flask_jwt_extended.tokens
import jwt.api_jwt
import pytest
from argon2 import PasswordHasher
from flask import Flask
from pymongo import message
from socketio import Server

from chatsupport import background, command_notices, documents
from chatsupport.config import Config
from chatsupport.database import connection
from chatsupport.database.connection import measure_time
from chatsupport.extensions import socketio
from chatsupport.factory import create_app
from chatsupport.services.people import passwords
from chatsupport.services.presence import membership
from chatsupport.services.server import index_builds, processes
from tests import compiled_rules  # noqa: F401 - each test has its own application
from tests.api import Api, Apis
from tests.background_tasks import BackgroundTasks
from tests.changes import CHANGES
from tests.concurrency import eventually
from tests.conftest import MakeConfig
from tests.declared_fields import undeclared
from tests.sockets import Socket, Sockets, close_all

MakeApp = Callable[..., Flask]
SetClock = Callable[[float], None]
AsCommand = Callable[[Callable[[], object]], None]

# While its commands are watched, the driver draws a random number for each, also in the background. It gets its own
# source here, because Hypothesis controls the common one and reports other users of it as a fault of the test.
message.random = random.Random()  # type: ignore[attr-defined]

STRONG_HASHER = passwords._HASHER
"""The server's own, for the tests of how strong hashes are."""
# Other tests sign in with passwords too, and each hash of the server takes a twentieth of a second.
passwords._HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@pytest.fixture
def make_app(make_config: MakeConfig) -> Iterator[MakeApp]:
    """Make an application with an emptied database. Keyword arguments override its configuration."""
    made: list[Config] = []

    def make(**overrides: object) -> Flask:
        config = make_config(**overrides)
        with pytest.MonkeyPatch.context() as patch:
            if CHANGES.has_all_indexes(config):
                patch.setattr(documents, "missing_indexes", list)
            app = create_app(config)
        if not index_builds._missing:
            CHANGES.note_all_indexes(config)
        for document in documents.ALL:
            if CHANGES.take(config, document._get_collection_name()):
                document.collection().delete_many({})
        processes.here._alone_until = math.inf  # No server process uses this database.
        made.append(config)
        return app

    yield make
    if made:
        changed = [one for one in documents.ALL if CHANGES.may_have(made[-1], one._get_collection_name())]
        assert not (fields := undeclared(changed)), f"Declare {fields} in their documents."


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
def end_background_tasks() -> Iterator[None]:
    """End the background tasks of a test, so that none works in the database of the next one."""
    tasks = BackgroundTasks()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Server, "start_background_task", lambda _, task, *args, **kwargs: tasks.start(task, *args, **kwargs)
        )
        patch.setattr(Server, "sleep", lambda _, seconds=0: tasks.sleep(seconds))
        yield
        tasks.end()


@pytest.fixture(autouse=True)
def close_sockets(end_background_tasks: None) -> Iterator[None]:
    """Close the sockets that a test leaves open, so that the next test finds none."""
    yield
    close_all()
    assert eventually(lambda: not membership.joined_sessions()), membership.joined_sessions()


@pytest.fixture
def sockets(app: Flask) -> Sockets:
    return Sockets(app)


@pytest.fixture
def agent(operator: Api) -> dict[str, Any]:
    """Ada, an agent with room for one session."""
    return operator.create_agent("Ada", maxUsers=1)


@pytest.fixture
def ada(agent: dict[str, Any]) -> str:
    """Ada's id."""
    return str(agent["id"])


@pytest.fixture
def session_id(operator: Api, agent: dict[str, Any]) -> str:
    """The id of a session of u1 with Ada."""
    return str(operator.start("u1")["sessionId"])


@pytest.fixture
def ben(operator: Api, session_id: str) -> str:
    """The id of Ben, an agent with room for one, who was made when Ada had the session."""
    return str(operator.create_agent("Ben", maxUsers=1)["id"])


@pytest.fixture
def user(apis: Apis) -> Api:
    """The user u1."""
    return apis.user("u1")


@pytest.fixture
def user_socket(sockets: Sockets, session_id: str) -> Socket:
    """A socket of u1, in the session."""
    socket = sockets.user("u1")
    socket.join(session_id)
    return socket


@pytest.fixture
def agent_socket(sockets: Sockets, ada: str, session_id: str) -> Socket:
    """A socket of Ada's, in the session."""
    socket = sockets.agent(ada)
    socket.join(session_id)
    return socket


@pytest.fixture
def profile(app: Flask) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """MongoDB's explanation of each command since the test began: its plan, and what it examined."""
    database = connection.database()
    database.command("profile", 2)
    of_tests = {"ns": {"$not": {"$regex": "profile|cmd"}}}
    hidden = {"execStats": 0}  # It may have times that Python does not know.
    rows = database["system.profile"]
    yield lambda: list(rows.find(of_tests, hidden))
    database.command("profile", 0)
    database.drop_collection("system.profile")


@pytest.fixture
def set_clock(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[SetClock]:
    """Set the clock of this machine ahead by some seconds, for everything in this process."""
    measure_time()
    real, ahead = time.time, [0.0]

    class Wrong(dt.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return dt.datetime.fromtimestamp(time.time(), tz)

    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])
    monkeypatch.setattr(time, "time_ns", lambda: int((real() + ahead[0]) * 1e9))
    for module in (jwt.api_jwt, flask_jwt_extended.tokens):
        monkeypatch.setattr(module, "datetime", Wrong)
    yield lambda seconds: ahead.__setitem__(0, seconds)
    measure_time()


@pytest.fixture
def as_command(app: Flask) -> AsCommand:
    """Do something as a command instead of as a server."""
    manager = socketio.server.manager

    def run(work: Callable[[], object]) -> None:
        command_notices.leave_all()
        try:
            work()
            assert background.flush_all() == []
        finally:
            del manager.emit

    return run
