"""Command line: `flask --app wsgi …`."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import with_appcontext

from chatsupport import startup
from chatsupport.extensions import settings


def register(app: Flask) -> None:
    """Add the commands to `flask`."""
    app.cli.add_command(init_db)


@click.command("init-db")
@with_appcontext
def init_db() -> None:
    """Make the indexes and the default agents. A release runs it once."""
    startup.prepare_database(settings.config)
    click.echo("The database is ready: indexes and default agents are there.")
