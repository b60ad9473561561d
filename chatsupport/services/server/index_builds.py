"""Missing indexes are built while the server serves, and the log names them.

Indexes of an empty collection are built at once. On a large collection a build takes time, and longer if members of the
replica set are down. Until then, queries are slow, but everything works. Only if an index is missing that holds a
promise, the server changes nothing. That happens if somebody dropped it or restored a backup without it: every release
has it.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import pymongo
from pymongo.errors import PyMongoError

from chatsupport import documents
from chatsupport.database.connection import is_unavailable
from chatsupport.documents.indexes import Index, are_made_at_once, build, by_collection
from chatsupport.extensions import socketio

logger = logging.getLogger(__name__)

BUILD_SECONDS = 86_400.0
RETRY_SECONDS = 10.0
PROMISES = ("sessions.one_open_session_per_user", "messages.seq", "messages.retries")
"""Promises 1 to 3 need these."""

BEING_BUILT, AWAY, REFUSED = "being built", "the database does not answer", "MongoDB refuses it; the log says why"

_missing: dict[str, Index] = {}
_reasons: dict[str, str] = {}


def look() -> None:
    """Note which indexes are missing. Raises `IndexConflictError`."""
    global _missing, _reasons
    _missing, _reasons = {str(index): index for index in documents.missing_indexes()}, {}


def build_small() -> None:
    """Build the indexes of empty collections. Raises `PyMongoError`."""
    for collection, indexes in by_collection(_missing.values()).items():
        if are_made_at_once(collection):
            try:
                build(collection, indexes)
            except PyMongoError as error:
                if is_unavailable(error):
                    raise
                continue  # `build_rest` says why.
            for index in indexes:
                del _missing[str(index)]


def build_rest() -> None:
    """Build missing indexes in the background, first those that hold a promise."""
    if _missing:
        socketio.start_background_task(_build_until_done, _missing)


def is_missing(name: str) -> bool:
    """Tell whether this index, `collection.name`, is not there yet."""
    return name in _missing


def hint(name: str) -> str | None:
    """Return the hint for a query that should use this index. A hint to a missing index would make the query fail."""
    return None if name in _missing else name.partition(".")[2]


def holds_back() -> str | None:
    """Return a missing index without which nothing may be changed, or None."""
    return next((name for name in PROMISES if name in _missing), None) if _missing else None


def state() -> dict[str, Any]:
    """Return the missing indexes with their errors."""
    missing = [{"name": name, "reason": _reasons.get(name)} for name in sorted(_missing)]
    return {"status": "building" if missing else "ready", "missing": missing}


def _build_until_done(missing: dict[str, Index]) -> None:
    while missing and missing is _missing:
        for index in sorted(missing.values(), key=lambda index: str(index) not in PROMISES):
            if _build(index):
                del missing[str(index)]
        if missing:
            socketio.sleep(RETRY_SECONDS)


def _build(index: Index) -> bool:
    name, started = str(index), time.monotonic()
    if name not in _reasons:
        logger.info("The index %s is missing and is being built", name, extra={"event": "index_build"})
    before = _reasons.get(name)
    if before != REFUSED:
        _reasons[name] = BEING_BUILT
    try:
        with pymongo.timeout(BUILD_SECONDS):
            build(index.collection, [index])
    except PyMongoError as error:
        if is_unavailable(error):
            _reasons[name] = AWAY
        else:
            # For example two documents that violate a unique index: the operator must resolve this.
            if before != REFUSED:
                logger.exception("The index %s cannot be built; trying again", name)
            _reasons[name] = REFUSED
        return False
    seconds = round(time.monotonic() - started, 1)
    logger.info("The index %s has been built", name, extra={"event": "index_built", "seconds": seconds})
    return True
