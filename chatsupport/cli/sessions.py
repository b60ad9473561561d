"""`flask --app wsgi sessions list|end|transfer`."""

from __future__ import annotations

from typing import Any

import click
from bson import ObjectId
from flask.cli import AppGroup

from chatsupport.cli import rest, tables
from chatsupport.cli.patience import patience
from chatsupport.documents import Agent, Session
from chatsupport.documents.session import NEWEST_FIRST, STATUSES
from chatsupport.extensions import settings
from chatsupport.services.messages import sequences

sessions = AppGroup("sessions", help="List, end and transfer sessions.")

_url = click.option("--url", help="Where the server is; by default on this machine at PORT.")


@sessions.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only these.")
@click.option("--agent", "agent_id", metavar="ID", help="Only those of this agent.")
@click.option("--user", "user_id", metavar="ID", help="Only those of this visitor.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most.")
def list_sessions(status: str | None, agent_id: str | None, user_id: str | None, limit: int) -> None:
    """List sessions, the newest first. Needs only the database, not a server."""
    if agent_id is not None and not ObjectId.is_valid(agent_id):
        raise click.BadParameter(
            f"{agent_id} is not an id. `flask --app wsgi agents list` shows the ids of agents.", param_hint="--agent"
        )
    query: dict[str, Any] = {} if status is None else {"status": status}
    query |= {} if agent_id is None else {"agentId": ObjectId(agent_id)}
    query |= {} if user_id is None else {"userId": user_id}
    with patience():
        rows = list(Session.collection().find(query, sort=NEWEST_FIRST, limit=limit))
        names = dict(Agent.objects.scalar("id", "name"))
        counts = sequences.last_seqs(row["_id"] for row in rows)
    tables.show(
        ["ID", "STATUS", "VISITOR", "AGENT", "MESSAGES", "STARTED", "ENDED"],
        (
            [
                row["_id"],
                row["status"],
                row["userId"],
                names.get(row.get("agentId"), row.get("agentId")),
                counts.get(row["_id"], 0),
                f"{tables.age(row['createdAt'])} ago",
                "-" if row.get("endedAt") is None else f"{tables.age(row['endedAt'])} ago",
            ]
            for row in rows
        ),
    )


@sessions.command("end")
@click.argument("session_id")
@click.option("--reason", default="Ended by an operator", show_default=True, help="The reason that both sides see.")
@_url
def end(session_id: str, reason: str, url: str | None) -> None:
    """End a session through the running server, which tells both sides."""
    server = rest.own_server(settings.config, url)
    ended = rest.ask(server, "POST", f"/api/chat/end-session/{_id(session_id)}", {"reason": reason})
    click.echo(f"Ended at {ended['endedAt']}: {ended['reason']}")


@sessions.command("transfer")
@click.argument("session_id")
@click.option("--agent", "agent_id", metavar="ID", help="The new agent; by default, the front of the queue.")
@_url
def transfer(session_id: str, agent_id: str | None, url: str | None) -> None:
    """Hand a session to an agent or back to the queue, through the running server."""
    server = rest.own_server(settings.config, url)
    body = {} if agent_id is None else {"agentId": agent_id}
    session = rest.ask(server, "POST", f"/api/chat/transfer/{_id(session_id)}", body)
    if session["agent"] is not None:
        click.echo(f"The session is now with {session['agent']['name']} ({session['agentId']}).")
    else:
        click.echo(f"The session is now number {session['queuePosition']} in the queue.")


def _id(session_id: str) -> str:
    if not ObjectId.is_valid(session_id):
        raise click.BadParameter(
            f"{session_id} is not a session's id. `flask --app wsgi sessions list` shows the ids.",
            param_hint="SESSION_ID",
        )
    return session_id
