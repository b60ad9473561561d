"""Replacements for an application and its database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from chatsupport import background
from chatsupport.extensions import socketio


@pytest.fixture(scope="session")
def mongodb_uri() -> str:
    """Nothing listens at this address: a unit test needs no database."""
    return "mongodb://127.0.0.1:1/"


@pytest.fixture
def background_tasks() -> None:
    """Let Socket.IO start background tasks, as threads."""
    socketio.init_app(Flask("tests"), async_mode="threading")


@pytest.fixture(autouse=True)
def leave_nothing_to_write() -> Iterator[None]:
    """Drop what waits to be written: without a database it would be tried, and its failure logged, for ever.

    A traceback is formatted with the parser of Python, which two threads cannot use at a time.
    """
    background.clear_all()
    yield
    background.clear_all()
