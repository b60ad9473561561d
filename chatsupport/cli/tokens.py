"""`flask --app wsgi tokens make`."""

from __future__ import annotations

import click
import pymongo
from bson import ObjectId
from flask.cli import AppGroup
from pymongo.errors import PyMongoError

from chatsupport import events, identity
from chatsupport.cli.patience import patience
from chatsupport.contract.people import Person
from chatsupport.database.connection import measure_time
from chatsupport.documents import Agent
from chatsupport.errors import InvalidInputError
from chatsupport.events import TokenIssued

ANSWER_SECONDS = 3.0

tokens = AppGroup("tokens", help="Make tokens for callers.")


@tokens.command("make")
@click.argument("user_id")
@click.option("--type", "user_type", type=click.Choice(identity.CALLER_TYPES), default=identity.USER, show_default=True)
def make(user_id: str, user_type: str) -> None:
    """Print a token for a visitor's id, an agent's id or a system's name, and nothing else. It is valid for 30 days."""
    try:
        user_id = Person.parse({"userId": user_id}).user_id
    except InvalidInputError as error:
        raise click.BadParameter(error.message, param_hint="USER_ID") from None
    if user_type == identity.USER:
        _go_by_the_databases_time()
    else:
        with patience():
            if user_type == identity.AGENT and not _is_agent(user_id):
                raise click.ClickException(
                    f"There is no agent {user_id}. `flask --app wsgi agents list` lists the agents."
                )
            events.happened(TokenIssued(None, identity.Caller(user_id, user_type)))
    click.echo(identity.issue_token(user_id, user_type))


def _go_by_the_databases_time() -> None:
    """Measure the time, if the database answers: a token made by a clock that is ahead would be refused."""
    try:
        with pymongo.timeout(ANSWER_SECONDS):
            measure_time()
    except PyMongoError:
        click.echo("The database does not answer. The token uses this machine's clock.", err=True)


def _is_agent(agent_id: str) -> bool:
    return ObjectId.is_valid(agent_id) and Agent.objects(id=agent_id).count() == 1
