"""`flask --app wsgi queue`."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from chatsupport import serializers
from chatsupport.cli import tables
from chatsupport.cli.patience import patience
from chatsupport.documents import Agent, Session
from chatsupport.documents.agent import is_bot
from chatsupport.documents.session import QUEUE_ORDER, WAITING
from chatsupport.extensions import settings


@click.command("queue")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most.")
@with_appcontext
def queue(limit: int) -> None:
    """Show the waiting sessions in their order, and the agents who could take them. Needs only the database."""
    with patience():
        waiting = Session.objects(status=WAITING).count()
        rows = list(Session.collection().find({"status": WAITING}, sort=QUEUE_ORDER, limit=limit))
        agents = [agent for agent in Agent.objects.as_pymongo() if not is_bot(agent)]
    there = [agent for agent in agents if serializers.is_there(agent)]
    room = sum(max(0, agent["maxUsers"] - len(agent.get("activeUsers", ()))) for agent in there)
    click.echo(
        f"{waiting} of {settings.config.queue_limit} (QUEUE_LIMIT) waiting; "
        f"{len(there)} of {len(agents)} agents online, with room for {room}."
    )
    if waiting and not there:
        click.echo("No agent is available. Agents must connect and be online.")
    if rows:
        tables.show(
            ["PLACE", "ID", "VISITOR", "WAITING FOR", "STARTED"],
            (
                [
                    place,
                    row["_id"],
                    row["userId"],
                    tables.age(row.get("queuedAt")),
                    f"{tables.age(row['createdAt'])} ago",
                ]
                for place, row in enumerate(rows, start=1)
            ),
        )
