"""An application in this process, with a real database that is empty for each test."""

from tests.applications import (
    ada,
    agent,
    agent_socket,
    apis,
    app,
    as_command,
    ben,
    close_sockets,
    end_background_tasks,
    make_app,
    operator,
    profile,
    session_id,
    set_clock,
    sockets,
    user,
    user_socket,
)
from tests.bots import bot, bot_id, with_bot
from tests.collection_scans import no_collection_scans, own_client

__all__ = [
    "ada",
    "agent",
    "agent_socket",
    "apis",
    "app",
    "as_command",
    "ben",
    "bot",
    "bot_id",
    "close_sockets",
    "end_background_tasks",
    "make_app",
    "no_collection_scans",
    "operator",
    "own_client",
    "profile",
    "session_id",
    "set_clock",
    "sockets",
    "user",
    "user_socket",
    "with_bot",
]
