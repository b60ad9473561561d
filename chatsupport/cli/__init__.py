"""Command line: `flask --app wsgi …`, a module for each group of commands."""

from __future__ import annotations

from collections.abc import Iterable

import click
from flask import Flask

from chatsupport.cli import agents, database, queue, reactions, sessions, simulate, tokens

COMMANDS = (
    agents.agents,
    database.init_db,
    database.migrate,
    queue.queue,
    reactions.reactions,
    sessions.sessions,
    simulate.simulate,
    tokens.tokens,
)


def register(app: Flask, of_features: Iterable[click.Command]) -> None:
    """Add the commands to `flask`, with those of the features."""
    for command in (*COMMANDS, *of_features):
        app.cli.add_command(command)
