"""What a server does before and besides serving requests: indexes, default agents and timed work."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator

from pymongo.errors import PyMongoError
from redis import RedisError

from chatsupport import documents, migration, timed_work
from chatsupport.config import Config, ConfigError
from chatsupport.database import redis_server
from chatsupport.database.connection import (
    is_unavailable,
    measure_time,
    refusal,
    require_supported_version,
)
from chatsupport.errors import CannotServeError, DatabaseUnavailableError
from chatsupport.extensions import socketio
from chatsupport.realtime import server
from chatsupport.services.people import agents, denials
from chatsupport.services.server import event_loop, index_builds, processes

logger = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
APPLICATION_CANNOT_LOAD = 4
"""The exit status after which gunicorn does not start the worker again."""


class MigrationNeededError(CannotServeError):
    """The database holds data of the Node.js system, which a server must not use."""

    def __init__(self, database: str) -> None:
        super().__init__(
            f"The database {database} holds data of the Node.js system: run `flask --app wsgi migrate` first "
            "(with --dry-run to see what it would do)"
        )


def require_current(config: Config) -> None:
    """Raise `CannotServeError` if this release must not use the database as it is."""
    require_supported_version()
    if migration.is_needed():
        raise MigrationNeededError(config.mongodb_db)


def prepare_database(config: Config) -> int:
    """Make the indexes and the default agents. Safe to run at any time, also beside running servers.

    Returns how many agents are new. Raises `CannotServeError`.
    """
    measure_time()
    require_current(config)
    documents.ensure_indexes()
    return _fill(config)


def _fill(config: Config) -> int:
    denials.write_agents_in_small_letters()
    return agents.create_defaults(config.default_agents)


@contextlib.contextmanager
def refused(config: Config) -> Iterator[None]:
    """Turn errors that only another configuration can mend into a `ConfigError`. Other errors pass through."""
    try:
        yield
    except (DatabaseUnavailableError, PyMongoError) as error:
        reason = refusal(error, config.mongodb_db)
        if reason is None:
            raise
        raise ConfigError([reason]) from error


def begin(config: Config) -> None:
    """Begin a server's work now or, if the database does not answer, as soon as it does.

    Raises `CannotServeError`, or `ConfigError` if MongoDB or Redis refuses us.
    """
    if config.redis_url is not None:
        _check_redis(config.redis_url)
    if config.is_production and config.identity_secret is None:
        logger.warning("IDENTITY_SECRET is not set: anybody can claim any userId that does not begin with guest-")
    if config.timed_work:
        event_loop.watch.start()
        processes.here.begin()
        server.hear_others()
    _do_or_retry(_begin, config)


def _check_redis(url: str) -> None:
    # If Redis is only away, it will come back, and no promise depends on it.
    try:
        redis_server.check(url)
    except RedisError as error:
        logger.warning("The Redis of REDIS_URL does not answer yet", extra={"reason": str(error)[:300]})


def _begin(config: Config) -> None:
    """Begin a server's work. Work that runs every second does not wait for work that may take long."""
    measure_time()
    require_current(config)
    index_builds.look()
    if config.timed_work:
        processes.here.beat()
        timed_work.start()
    _do_or_retry(_prepare, config)


def _prepare(config: Config) -> None:
    index_builds.build_small()
    documents.drop_retired()
    _fill(config)
    index_builds.build_rest()


def _do_or_retry(work: Callable[[Config], None], config: Config) -> None:
    """Prepare the database now, or as soon as it answers."""
    try:
        with refused(config):
            work(config)
    except PyMongoError as error:
        if not is_unavailable(error):
            raise
        reason = {"reason": str(error)[:300]}
        logger.warning("The database of MONGODB_URI does not answer yet; preparing it once it does", extra=reason)
        socketio.start_background_task(_retry, work, config)


def _retry(work: Callable[[Config], None], config: Config) -> None:
    while True:
        socketio.sleep(RETRY_SECONDS)
        try:
            with refused(config):
                work(config)
        except (CannotServeError, ConfigError) as error:
            logger.critical("%s", error)
            os._exit(APPLICATION_CANNOT_LOAD)
        except PyMongoError as error:
            if not is_unavailable(error):
                logger.exception("The database cannot be prepared; trying again")
        else:
            logger.info("The database answers; everything is prepared")
            return
