"""`flask --app wsgi init-db` and `migrate`: prepare the database."""

from __future__ import annotations

import sys

import click
from flask.cli import with_appcontext

from chatsupport import migration, startup
from chatsupport.cli.patience import patience
from chatsupport.database import connection
from chatsupport.documents import Agent
from chatsupport.extensions import settings
from chatsupport.services.assignment import serving


@click.command("init-db")
@with_appcontext
def init_db() -> None:
    """Make the indexes and the default agents. Run it once for each release."""
    with patience():
        made = startup.prepare_database(settings.config)
        if made:
            serving.drain_queue()  # Visitors may be waiting, if a server is running.
        count = Agent.objects.count()
    click.echo("The database is ready. All indexes exist.")
    if made:
        click.echo(f"Made the default agents: {', '.join(settings.config.default_agents)}.")
    elif not count:
        click.echo("There are no agents yet. Make the first one with `flask --app wsgi agents add NAME --email EMAIL`.")


@click.command("migrate")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@with_appcontext
def migrate(dry_run: bool) -> None:
    """Take over the data of the Node.js system, in place. Stop all servers first. If interrupted, run it again."""
    with patience(unmigrated=True):
        connection.require_supported_version()
        todo = [_run_step(step, dry_run=dry_run) for step in migration.STEPS]
        if dry_run and not any(todo):
            click.echo("There is nothing to do.")
        if not dry_run:
            migration.mark_current()
            serving.drain_queue()  # Waiting visitors get the slots that are free now.
            click.echo("The database is current. Servers may start.")


def _run_step(step: migration.Step, *, dry_run: bool) -> int:
    """Run a step, or only say how much it would change. Return that number."""
    database = connection.database()
    todo = step.count(database)
    if dry_run or not todo:
        click.echo(f"{step.title}: {todo} to do")
    elif sys.stdout.isatty():
        with click.progressbar(length=todo, label=step.title, show_pos=True) as bar:
            for done in step.run(database):
                bar.update(done)
    else:
        click.echo(f"{step.title}: {sum(step.run(database))} done")
    return todo
