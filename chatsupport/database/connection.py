"""The connection to MongoDB, and what its failures mean."""

from __future__ import annotations

import contextlib
import re
import threading
import time
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import timezone
from typing import Any

import mongoengine
import pymongo
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidOperation,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from chatsupport.config import ConfigError
from chatsupport.database import clock, monitoring
from chatsupport.errors import CannotServeError, DatabaseUnavailableError

OPERATION_TIMEOUT_MS = 8_000
"""Every operation ends within this, retries included."""

_connected: dict[str, tuple[str, str]] = {}
_deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))

OLDEST_VERSION = 6

DURABLE = WriteConcern(w="majority", j=True)
"""An acknowledged write is in the journals of a majority of the members."""

COMMITTED = ReadConcern("majority")
"""No failover loses what such a read returns. A standalone server has no majority: see `wait_until_durable`."""

_DUPLICATE_KEY = 11000
_NO_TIME = 1e-9

_BAD_VALUE = 2

_AWAY = (
    DatabaseUnavailableError,
    ConnectionFailure,
    WaitQueueTimeoutError,
    ExecutionTimeout,
    WTimeoutError,
    WriteConcernError,
    InvalidOperation,  # The client is closed: see `give_up_if_away`.
)

_NO_NAME_SERVER = re.compile("resolution lifetime expired|all nameservers failed|no nameservers", re.IGNORECASE)
"""The driver's messages if no name server answers for a mongodb+srv:// name; it raises a configuration error."""
_UNAUTHORIZED = 13
_NOT_SIGNED_IN = {18, 8000}
"""AuthenticationFailed, and the code that Atlas uses instead."""
_NO_CONNECTION_STRING = (
    "MONGODB_URI must be a connection string such as mongodb://user:password@host:27017/?authSource=admin; in the user "
    "name and the password, write : / ? # [ ] @ % as %3A %2F %3F %23 %5B %5D %40 %25"
)

UNAVAILABLE_CODES = {
    # A password or a right was changed while the server ran. At a server's start, `refusal` explains these.
    *_NOT_SIGNED_IN,
    _UNAUTHORIZED,
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
    """Register the connection for all documents. No network traffic yet: the first operation opens it.

    The driver reads `uri` itself, so its options for signing in hold whatever `database` is. Raises `ConfigError` if
    `uri` is not a connection string.
    """
    if (uri, database) == _connected.get("to"):
        return  # Background work may be using this connection.
    client = _client(uri)
    disconnect()
    mongoengine.connect(database, mongo_client_class=lambda **_: client, uuidRepresentation="standard")
    _connected["to"] = (uri, database)


def _client(uri: str) -> pymongo.MongoClient[dict[str, Any]]:
    options: dict[str, Any] = {
        "connect": False,
        "tz_aware": True,
        "tzinfo": timezone.utc,
        "uuidRepresentation": "standard",
        "maxPoolSize": 50,
        # The driver opens two at a time by default. When one fails, it pauses the pool for all that wait behind it, and
        # considers the server lost again although it is back: after an outage, this repeated itself for a minute.
        "maxConnecting": 50,
        # As long as a whole operation may take: when a thousand clients come back at once, they wait in line.
        "waitQueueTimeoutMS": OPERATION_TIMEOUT_MS,
        "serverSelectionTimeoutMS": 3_000,
        # The driver measures a server's speed by heartbeats. After the server hung, the old measurement would make
        # calls with a short deadline fail until the next heartbeat.
        "heartbeatFrequencyMS": 2_000,
        "connectTimeoutMS": 3_000,
        "timeoutMS": OPERATION_TIMEOUT_MS,
        "w": "majority",
        "journal": True,
        "readPreference": "primary",
        "appname": "chatsupport",
        "event_listeners": [*monitoring.LISTENERS, clock.MemberClocks()],
    }
    # The driver's own words are left out where they may contain a part of the password.
    try:
        with warnings.catch_warnings():
            # The driver only warns of a bad value such as `tls=maybe`, and ignores it.
            warnings.simplefilter("error")
            return pymongo.MongoClient(uri, **options)
    except (InvalidURI, ValueError, TypeError):
        raise ConfigError([_NO_CONNECTION_STRING]) from None
    except OSError as error:
        raise ConfigError([f"MONGODB_URI names a file that cannot be read: {error}"]) from None
    except (ConfigurationError, UserWarning) as error:
        raise ConfigError([f"MONGODB_URI must have only options that the driver knows: {error}"]) from None


def refusal(error: BaseException | None, database: str) -> str | None:
    """Return what to tell the operator if only another MONGODB_URI or another right in MongoDB helps, else None."""
    if isinstance(error, DatabaseUnavailableError):
        error = error.__cause__
    if isinstance(error, ConfigurationError) and not is_unavailable(error):
        return f"MONGODB_URI cannot be used: {error}"
    if not isinstance(error, OperationFailure):
        return None
    if error.code in _NOT_SIGNED_IN:
        return (
            "MONGODB_URI has a user name or a password that MongoDB does not accept, or the user is defined in another "
            "database (set authSource; the default is the database that MONGODB_URI names, or else admin)"
        )
    if error.code == _UNAUTHORIZED:
        return f"MONGODB_URI must name a user that may read and write the database {database} (the role readWrite)"
    return None


def disconnect() -> None:
    """Close the connection. Safe to call twice."""
    _connected.clear()
    mongoengine.disconnect()
    clock.forget()


def database() -> Any:
    """Return the PyMongo database behind the documents."""
    return mongoengine.get_db()


def ping(timeout_seconds: float = 1.5) -> None:
    """Ask the database for a sign of life. Raises `DatabaseUnavailableError` after `timeout_seconds`."""
    with translate_errors(), pymongo.timeout(timeout_seconds):
        database().command("ping")


def measure_time() -> float:
    """Measure the database's time. Returns the seconds by which it has jumped since the last measurement."""
    return clock.measure(database().client)


def give_up_if_away(patience_seconds: float) -> None:
    """If the database does not answer, make every operation fail at once, running ones too: the process is leaving."""
    client = database().client
    if client.topology_description.has_writable_server():
        with contextlib.suppress(DatabaseUnavailableError):
            ping(patience_seconds)
            return
    with pymongo.timeout(_NO_TIME):  # Closing tells MongoDB, if it answers.
        client.close()


class UnsupportedVersionError(CannotServeError):
    """The MongoDB server is too old for our indexes."""


def require_supported_version() -> None:
    """Raise `UnsupportedVersionError` for a MongoDB before 6.0, whose partial indexes do not support `$in`."""
    version = database().command("buildInfo")["version"]
    if int(version.split(".")[0]) < OLDEST_VERSION:
        raise UnsupportedVersionError(f"MongoDB {version} is too old: Chat Support needs {OLDEST_VERSION}.0 or later.")


def lacks_index(error: OperationFailure) -> bool:
    """Tell whether a query failed because the index that it names (`hint`) is not built yet."""
    return error.code == _BAD_VALUE


def is_unavailable(error: BaseException) -> bool:
    """Tell whether an error means that the database is away or overloaded, and not that our command is wrong."""
    if isinstance(error, _AWAY):
        return True
    if isinstance(error, PyMongoError) and error.timeout:
        return True
    if isinstance(error, ConfigurationError):
        return _NO_NAME_SERVER.search(str(error)) is not None
    return isinstance(error, OperationFailure) and error.code in UNAVAILABLE_CODES


class answer_within:  # noqa: N801 - It is used like a function; one with a generator costs twice as much.
    """Limit all operations of the block together to this many seconds, or to what an outer block has left."""

    __slots__ = ("_driver", "_outer", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        time_now = time.monotonic()
        deadline = min(_deadline.get(), time_now + self._seconds)
        self._outer = _deadline.set(deadline)
        self._driver = pymongo.timeout(max(deadline - time_now, 0.001))
        self._driver.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._driver.__exit__(*error)
        _deadline.reset(self._outer)


def seconds_left() -> float:
    """Return the seconds that `answer_within` has left, never less than 0."""
    return max(0.0, _deadline.get() - time.monotonic())


@contextlib.contextmanager
def one_at_a_time(lock: threading.Lock) -> Iterator[None]:
    """Run the block while no other holder of this lock works on the database.

    Raises `DatabaseUnavailableError` if the lock is not free in time.
    """
    if not lock.acquire(timeout=min(seconds_left(), OPERATION_TIMEOUT_MS / 1000)):
        raise DatabaseUnavailableError
    try:
        yield
    finally:
        lock.release()


def wait_until_durable() -> None:
    """Wait until what was just read is durable, if the read itself could not ask for that.

    A standalone server shows writes that are not in its journal yet, but even a write that changes nothing waits for
    the journal. A replica set, read with `COMMITTED`, shows only what a majority has.
    """
    servers = database().client.topology_description.server_descriptions().values()
    if any(server.server_type_name == "Standalone" for server in servers):
        nothing = {"_id": "nothing"}
        database().meta.with_options(write_concern=DURABLE).update_one(nothing, {"$unset": {"nothing": 1}})


def already_there(error: BulkWriteError) -> set[Any]:
    """Return the ids that an unordered insert of documents has found there. Re-raises other errors."""
    details = error.details or {}
    write_errors = details.get("writeErrors") or []
    if details.get("writeConcernErrors") or not all(one.get("code") == _DUPLICATE_KEY for one in write_errors):
        raise error
    return {one["op"]["_id"] for one in write_errors}


def inserted_before_collision(error: BulkWriteError) -> int:
    """Return how many documents of an ordered insert were stored durably before a collision. Re-raises other errors."""
    details = error.details or {}
    write_errors = details.get("writeErrors") or []
    code = write_errors[0].get("code") if write_errors else None
    if details.get("writeConcernErrors") or code in UNAVAILABLE_CODES:
        raise DatabaseUnavailableError from error
    if code != _DUPLICATE_KEY:
        raise error
    return int(write_errors[0]["index"])


def refused_writes(error: BulkWriteError) -> dict[int, OperationFailure]:
    """Return which writes of an unordered bulk were refused, by position, each with its error.

    Raises `DatabaseUnavailableError` if others may not be durable.
    """
    details = error.details or {}
    write_errors = details.get("writeErrors") or []
    if details.get("writeConcernErrors") or any(one.get("code") in UNAVAILABLE_CODES for one in write_errors):
        raise DatabaseUnavailableError from error
    return {
        one["index"]: (DuplicateKeyError if one.get("code") == _DUPLICATE_KEY else OperationFailure)(
            one.get("errmsg", ""), one.get("code"), one
        )
        for one in write_errors
    }


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Turn "the database is away" into `DatabaseUnavailableError`; let everything else through."""
    try:
        yield
    except PyMongoError as error:
        if is_unavailable(error):
            raise DatabaseUnavailableError from error
        raise
