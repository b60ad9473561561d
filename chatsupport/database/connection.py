"""The one connection to MongoDB, and what its failures mean."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import mongoengine
import pymongo
from pymongo.errors import (
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WTimeoutError,
)
from pymongo.write_concern import WriteConcern

from chatsupport.errors import DatabaseUnavailableError

OPERATION_TIMEOUT_MS = 8_000
"""Every operation ends within this, retries included, so that a send never waits longer than 10 s."""

DURABLE = WriteConcern(w="majority", j=True)
"""What an acknowledged write has survived: a majority of the members, and their journals."""

UNAVAILABLE_CODES = {
    14031,  # OutOfDiskSpace
    13388,  # StaleConfig
    91,  # ShutdownInProgress
    189,  # PrimarySteppedDown
    10107,  # NotWritablePrimary
    11600,  # InterruptedAtShutdown
    11602,  # InterruptedDueToReplStateChange
    13435,  # NotPrimaryNoSecondaryOk
    13436,  # NotPrimaryOrSecondary
}


def connect(uri: str, database: str) -> None:
    """Register the connection for all documents. No network traffic yet: the first operation opens it."""
    mongoengine.disconnect()
    mongoengine.connect(
        db=database,
        host=uri,
        alias="default",
        connect=False,
        tz_aware=True,
        tzinfo=timezone.utc,
        uuidRepresentation="standard",
        maxPoolSize=50,
        waitQueueTimeoutMS=3_000,
        serverSelectionTimeoutMS=3_000,
        connectTimeoutMS=3_000,
        timeoutMS=OPERATION_TIMEOUT_MS,
        w="majority",
        journal=True,
        appname="chatsupport",
    )


def disconnect() -> None:
    """Close the connection. Safe to call twice."""
    mongoengine.disconnect()


def database() -> Any:
    """Return the PyMongo database behind the documents."""
    return mongoengine.get_db()


def ping(timeout_seconds: float = 1.5) -> None:
    """Ask the database for a sign of life. Raises `DatabaseUnavailableError` after `timeout_seconds`."""
    with translate_errors(), pymongo.timeout(timeout_seconds):
        database().command("ping")


def is_unavailable(error: PyMongoError) -> bool:
    """Tell whether this error says the database is away or overloaded, not that we asked it nonsense."""
    if isinstance(
        error, (ConnectionFailure, WaitQueueTimeoutError, ExecutionTimeout, WTimeoutError, WriteConcernError)
    ):
        return True
    if getattr(error, "timeout", False):
        return True
    return isinstance(error, OperationFailure) and error.code in UNAVAILABLE_CODES


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Turn "the database is away" into `DatabaseUnavailableError`; let everything else through."""
    try:
        yield
    except PyMongoError as error:
        if is_unavailable(error):
            raise DatabaseUnavailableError from error
        raise


def now() -> datetime:
    """Return the time in UTC, cut to the milliseconds that MongoDB keeps, so that what we send is what we stored."""
    time = datetime.now(timezone.utc)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
