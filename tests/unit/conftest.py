"""Replacements for an application and its database."""

from __future__ import annotations

import pytest
from flask import Flask

from chatsupport.extensions import socketio


@pytest.fixture(scope="session")
def mongodb_uri() -> str:
    """Nothing listens at this address: a unit test needs no database."""
    return "mongodb://127.0.0.1:1/"


@pytest.fixture
def background_tasks() -> None:
    """Let Socket.IO start background tasks, as threads."""
    socketio.init_app(Flask("tests"), async_mode="threading")
