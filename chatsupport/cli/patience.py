"""How commands use the database: with patience, with everything written at the end, and with one line on failure."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import click
import pymongo
from pymongo.errors import PyMongoError

from chatsupport import background, startup
from chatsupport.config import ConfigError
from chatsupport.database import connection
from chatsupport.errors import CannotServeError, DatabaseUnavailableError
from chatsupport.extensions import settings

PATIENCE_SECONDS = 86_400.0
"""A command may take long: building an index on many documents takes time."""
ANSWER_SECONDS = 10.0
"""How long the database may take to answer at all."""


@contextlib.contextmanager
def patience(*, unmigrated: bool = False) -> Iterator[None]:
    """Give the database all the time it needs, and end with one line if the command cannot use it.

    The database may not answer, refuse the user, be too old, or have to be migrated (unless the command allows
    `unmigrated` ones). Everything that a server would write in the background is written before the command ends.
    """
    try:
        # Without this, a command would wait just as long for a database that does not answer, and so would a
        # deployment.
        with startup.refused(settings.config):
            connection.ping(ANSWER_SECONDS)
            connection.measure_time()
            with pymongo.timeout(PATIENCE_SECONDS):
                if not unmigrated:
                    startup.require_current(settings.config)
                try:
                    yield
                finally:
                    failures = background.flush_all()
                for failure in failures:
                    raise failure
    except (ConfigError, CannotServeError) as error:
        click.echo(error, err=True)
        sys.exit(1)
    except (DatabaseUnavailableError, PyMongoError) as error:
        if not connection.is_unavailable(error):
            raise
        click.echo("The database does not answer. Check MONGODB_URI, and check that MongoDB is running.", err=True)
        sys.exit(1)
