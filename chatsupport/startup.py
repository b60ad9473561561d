"""What a server does before and beside serving: indexes, default agents, timed work."""

from __future__ import annotations

import logging
import os

from pymongo.errors import PyMongoError

from chatsupport import documents, migration
from chatsupport.config import Config
from chatsupport.database.connection import (
    UnsupportedVersionError,
    is_unavailable,
    measure_time,
    require_supported_version,
)
from chatsupport.extensions import socketio
from chatsupport.services import agents, denials, event_loop, housekeeping

logger = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
APPLICATION_CANNOT_LOAD = 4
"""The exit status after which gunicorn does not start the worker again."""


class MigrationNeededError(Exception):
    """The database holds data of the Node.js system; a server must not work on it."""

    def __init__(self, database: str) -> None:
        super().__init__(
            f"The database {database} holds data of the Node.js system: run `flask --app wsgi migrate` first "
            "(with --dry-run to see what it would do)"
        )


def prepare_database(config: Config) -> None:
    """Make the indexes and the default agents. Safe to run at any time, also beside running servers.

    Raises `MigrationNeededError` where the data has to be taken over first, and `UnsupportedVersionError`.
    """
    measure_time()
    require_supported_version()
    if migration.is_needed():
        raise MigrationNeededError(config.mongodb_db)
    documents.ensure_indexes()
    denials.write_agents_in_small_letters()
    agents.create_defaults(config.default_agents)


def begin(config: Config) -> None:
    """Take up a server's work now; when the database does not answer, as soon as it does.

    Raises `MigrationNeededError`.
    """
    if config.timed_work:
        event_loop.watch()
    try:
        _begin(config)
    except PyMongoError as error:
        if not is_unavailable(error):
            raise
        logger.warning("The database does not answer yet; preparing it when it does")
        socketio.start_background_task(_begin_later, config)


def _begin(config: Config) -> None:
    prepare_database(config)
    if config.timed_work:
        housekeeping.start()


def _begin_later(config: Config) -> None:
    while True:
        socketio.sleep(RETRY_SECONDS)
        try:
            _begin(config)
        except (MigrationNeededError, UnsupportedVersionError) as error:
            logger.critical("%s", error)
            os._exit(APPLICATION_CANNOT_LOAD)
        except PyMongoError as error:
            if not is_unavailable(error):
                logger.exception("The database cannot be prepared")
                return
        else:
            logger.info("The database answers; everything is prepared")
            return
