"""`flask --app wsgi agents …`: make, list and remove agents, and set their passwords."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from bson import ObjectId
from flask.cli import with_appcontext

from chatsupport import documents, serializers
from chatsupport.cli import tables
from chatsupport.cli.patience import patience
from chatsupport.contract.people import AgentChanges, AgentEmail, AgentFields
from chatsupport.documents import Agent
from chatsupport.documents.agent import DEFAULT_MAX_USERS, HUMAN, KINDS, MEMBER, ROLES
from chatsupport.errors import ChatSupportError, InvalidInputError, NotFoundError
from chatsupport.identity import API_KEY_CALLER
from chatsupport.services.people import agents as service
from chatsupport.services.people import departments

MAX_LINE = 4096


@click.group("agents")
def agents() -> None:
    """Make, list and remove agents, and set their passwords."""


@contextmanager
def _work() -> Iterator[None]:
    """Give the database time, and end with one line if something cannot be done."""
    try:
        with patience():
            documents.ensure_indexes()  # No server may have run yet; an index keeps emails unique.
            yield
    except ChatSupportError as error:
        click.echo(error.message, err=True)
        sys.exit(1)


def _password(from_stdin: bool) -> str:
    """Return a password: the first line of the input, or else the text that is typed twice and not shown."""
    if from_stdin:
        try:
            return sys.stdin.readline(MAX_LINE).rstrip("\r\n")
        except UnicodeDecodeError:
            raise InvalidInputError("INVALID_PASSWORD", "The password is not text in UTF-8.") from None
    typed: str = click.prompt("Password (10 to 128 characters)", hide_input=True, confirmation_prompt="Once more")
    return typed


def _find(id_or_email: str) -> dict[str, Any]:
    """Return the agent with this id or email. Raises `NotFoundError`."""
    if ObjectId.is_valid(id_or_email):
        agent = Agent.objects(id=ObjectId(id_or_email)).as_pymongo().first()
    elif "@" in id_or_email:
        agent = Agent.objects(email=AgentEmail.parse({"email": id_or_email}).email).as_pymongo().first()
    else:
        agent = None  # Names are not unique.
    if agent is None:
        raise NotFoundError(f"There is no such agent: {_printable(id_or_email)}. `agents list` shows all agents.")
    return dict(agent)


def _find_department(id_or_name: str) -> str:
    """Return the id of the department with this id or name. Raises `NotFoundError`."""
    known = departments.read()
    key = id_or_name.strip().casefold()
    found = next((one for one in known.values() if key in (one["key"], str(one["_id"]))), None)
    if found is None:
        names = ", ".join(sorted(_printable(one["name"]) for one in known.values())) or "none"
        raise NotFoundError(f"There is no such department: {_printable(id_or_name)}. The departments: {names}.")
    return str(found["_id"])


@agents.command("add")
@click.argument("name")
@click.option("--email", help="The email for signing in; the command then asks for a password.")
@click.option("--role", type=click.Choice(ROLES), default=MEMBER, show_default=True)
@click.option("--kind", type=click.Choice(KINDS), default=HUMAN, show_default=True)
@click.option("--max-users", type=int, default=DEFAULT_MAX_USERS, show_default=True, help="How many visitors at once.")
@click.option("--department", "wanted", multiple=True, help="A department (name or id). May be repeated. Default: all.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of the input.")
@with_appcontext
def add(
    name: str, email: str | None, role: str, kind: str, max_users: int, wanted: tuple[str, ...], password_stdin: bool
) -> None:
    """Make an agent, and print its id."""
    with _work():
        data: dict[str, Any] = {"name": name, "role": role, "kind": kind, "maxUsers": max_users, "email": email}
        if wanted:
            data["departmentIds"] = [_find_department(one) for one in wanted]
        AgentFields.parse(data)  # Refused here, before the command asks for a password.
        if email is not None or password_stdin:
            data["password"] = _password(password_stdin)
        agent = service.create(API_KEY_CALLER, AgentFields.parse(data))
        click.echo(str(agent["_id"]))


@agents.command("list")
@with_appcontext
def list_agents() -> None:
    """Show the agents as a table."""
    with _work():
        found = service.list_all(API_KEY_CALLER)
        names = {str(one["_id"]): _printable(one["name"]) for one in departments.read().values()}
    rows = []
    for document in found:
        agent = serializers.agent(document)
        state = "offline" if not agent["isOnline"] else "away" if agent["isAway"] else "online"
        load = f"{len(document.get('activeSessions', ()))}/{agent['maxUsers']}"
        password = "set" if document.get("passwordHash") else "-"
        own = _department_names(agent["departmentIds"], names)
        shown = [agent["id"], _printable(agent["name"]), agent["email"], agent["role"], load, state, password]
        rows.append([*shown, own] if names else shown)
    columns = ["ID", "NAME", "EMAIL", "ROLE", "LOAD", "STATE", "PASSWORD", "DEPARTMENTS"]
    tables.show(columns if names else columns[:-1], rows)


def _department_names(department_ids: list[str] | None, names: dict[str, str]) -> str:
    if department_ids is None:
        return "all"
    return ", ".join(names.get(one, one) for one in department_ids) or "none"


@agents.command("set-password")
@click.argument("id_or_email")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of the input.")
@with_appcontext
def set_password(id_or_email: str, password_stdin: bool) -> None:
    """Give an agent another password. Whoever is signed in as this agent is signed out."""
    with _work():
        agent = _find(id_or_email)
        changes = AgentChanges.parse({"password": _password(password_stdin)})
        service.update(API_KEY_CALLER, agent["_id"], changes)
        click.echo(f"{_printable(agent['name'])} has a new password and must sign in again.")


@agents.command("remove")
@click.argument("id_or_email")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_appcontext
def remove(id_or_email: str, yes: bool) -> None:
    """Delete an agent. Its sessions go to the front of the queue."""
    with _work():
        agent = _find(id_or_email)
        name, sessions = _printable(agent["name"]), len(agent.get("activeSessions", ()))
        if not yes:
            click.confirm(f"Delete {name}, who has {sessions} open sessions?", abort=True)
        service.delete(API_KEY_CALLER, agent["_id"])
        click.echo(f"{name} is deleted; {sessions} sessions went back to the queue.")


def _printable(text: str) -> str:
    """Return a text for a terminal, with control characters escaped."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
