"""`flask --app wsgi simulate`: people who chat, for demonstrations and for load. They are in `bench/simulation`."""

from __future__ import annotations

import sys
from typing import Any

import click
from flask.cli import with_appcontext

from chatsupport.cli import rest
from chatsupport.extensions import settings

MAX_VISITORS = 500
"""Each is some threads; for more load, run several of this command, or `make bench`."""


@click.command("simulate")
@click.option("--url", help="Where the server is; by default on this machine at PORT.")
@click.option("--api-key", help="One of the server's keys; by default the first of API_KEY.")
@click.option(
    "--visitors", type=click.IntRange(1, MAX_VISITORS), default=10, show_default=True, help="Visitors at once."
)
@click.option(
    "--agents", type=click.IntRange(0, 100), default=3, show_default=True, help="Agents to make, and to delete again."
)
@click.option("--capacity", type=click.IntRange(1, 50), default=4, show_default=True, help="Chats of an agent at once.")
@click.option(
    "--messages", type=click.IntRange(0, 1000), default=5, show_default=True, help="Messages of a visitor in a chat."
)
@click.option(
    "--pause", type=click.FloatRange(0, 600), default=2.0, show_default=True, help="Seconds between messages."
)
@click.option("--seconds", type=click.FloatRange(0, 86_400), default=0.0, help="How long new chats begin.")
@with_appcontext
def simulate(url: str | None, api_key: str | None, **wanted: Any) -> None:
    """Have visitors and agents chat on a server, and count what is acknowledged, lost and doubled.

    Each visitor has one chat, or with --seconds one after the other. Ctrl-C ends all chats. Exit status 1 where an
    acknowledged message is lost or stored twice, or a chat failed.
    """
    try:
        from bench import simulation  # No other command needs it.
    except ModuleNotFoundError:
        raise click.ClickException(
            "The simulation is in the folder bench, which is missing here. Use a checkout of the repository."
        ) from None

    sys.exit(0 if simulation.run(_server(url, api_key), **wanted) else 1)


def _server(url: str | None, api_key: str | None) -> rest.Rest:
    config = settings.config
    keys = [key.strip() for key in (api_key or "").split(",") if key.strip()] or list(config.api_keys)
    if keys:
        return rest.Rest(url or rest.own_url(config), {"X-API-Key": keys[0]})
    return rest.own_server(config, url)
