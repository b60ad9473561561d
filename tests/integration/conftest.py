"""An application in this process, on a real database that each test finds empty."""

from tests.applications import (
    ada,
    agent,
    agent_socket,
    apis,
    app,
    ben,
    close_sockets,
    make_app,
    operator,
    session_id,
    sockets,
    user,
    user_socket,
)

__all__ = [
    "ada",
    "agent",
    "agent_socket",
    "apis",
    "app",
    "ben",
    "close_sockets",
    "make_app",
    "operator",
    "session_id",
    "sockets",
    "user",
    "user_socket",
]
