"""What a server does before and beside serving: indexes, default agents, timed work."""

from __future__ import annotations

import logging

from pymongo.errors import PyMongoError

from chatsupport import documents
from chatsupport.config import Config
from chatsupport.database.connection import is_unavailable
from chatsupport.extensions import socketio
from chatsupport.services import agents, housekeeping

logger = logging.getLogger(__name__)

RETRY_SECONDS = 2.0


def prepare_database(config: Config) -> None:
    """Make the indexes and the default agents. Safe to run at any time, also beside running servers."""
    documents.ensure_indexes()
    agents.create_defaults(config.default_agents)


def begin(config: Config) -> None:
    """Take up a server's work now; when the database does not answer, as soon as it does."""
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
        except PyMongoError as error:
            if not is_unavailable(error):
                logger.exception("The database cannot be prepared")
                return
        else:
            logger.info("The database answers; everything is prepared")
            return
