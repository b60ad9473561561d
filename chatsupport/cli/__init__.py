"""Command line: `flask --app wsgi …`, a module for each group of commands."""

from __future__ import annotations

from flask import Flask

from chatsupport.cli import agents, database, doctor, queue, sessions, simulate, tokens

COMMANDS = (
    agents.agents,
    database.init_db,
    database.migrate,
    doctor.doctor,
    queue.queue,
    sessions.sessions,
    simulate.simulate,
    tokens.tokens,
)


def register(app: Flask) -> None:
    """Add the commands to `flask`."""
    for command in COMMANDS:
        app.cli.add_command(command)
