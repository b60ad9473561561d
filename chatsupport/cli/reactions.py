"""`flask --app wsgi reactions`."""

from __future__ import annotations

import click

from chatsupport import events
from chatsupport.cli import tables


@click.command("reactions")
def reactions() -> None:
    """Show what follows from each event, in order: first the reactions of the core, then those of the features."""
    bound = events.bound()
    tables.show(
        ["EVENT", "REACTIONS"],
        ([event.__name__, ", ".join(map(events.name_of, bound[event]))] for event in bound),
    )
