"""Whether this process may change anything yet. Reads and health never wait for that."""

from __future__ import annotations

from chatsupport.database.clock import elapsed
from chatsupport.errors import DatabaseUnavailableError
from chatsupport.extensions import socketio
from chatsupport.services.server import index_builds, processes

PATIENCE_SECONDS = 4.0


def is_ready() -> bool:
    """Tell whether the other processes know this one, and all indexes that hold a promise exist."""
    return processes.here.is_known() and index_builds.holds_back() is None


def wait_until_ready() -> None:
    """Wait until this process may change something. Raises `DatabaseUnavailableError` if that takes too long."""
    deadline = elapsed() + PATIENCE_SECONDS
    while not is_ready():
        if elapsed() >= deadline:
            raise DatabaseUnavailableError("The server is still starting. Try again in a few seconds.")
        socketio.sleep(0.05)
