"""Starts and ends that share commands: those that come during a write go together into the next one.

A single start or end is one `findAndModify`, at once. There is no such command for many documents, so several are one
command that writes, and one that reads what was written. A burst of hundreds needs a few commands, and waits for the
disk a few times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, OperationFailure

from chatsupport.database.connection import refused_writes
from chatsupport.documents import Session
from chatsupport.errors import DatabaseUnavailableError
from chatsupport.services.shared.shared_commands import SharedCommands

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    """A write to one session, whose `_id` is in the condition. The update of a stored session adds a mark to it."""

    which: Mapping[str, Any]
    update: Document | list[Document]
    mark_id: ObjectId | None = None

    @property
    def is_new(self) -> bool:
        return self.mark_id is None


def insert(session_id: ObjectId, values: Document) -> Document:
    """Store a new session with the values of an expression, and return it as it is then.

    Raises `DuplicateKeyError` if its user has an open one.
    """
    stored = _apply(_Write({"_id": session_id}, [{"$replaceWith": values}]))
    if stored is None:
        raise DatabaseUnavailableError  # Somebody has deleted it already.
    return stored


def update(which: Mapping[str, Any], changes: Document, mark_id: ObjectId) -> Document | None:
    """Change the session that meets the condition, and return it as it is then. None if there is none.

    The changes add the mark. If a sweep has told and removed it before it is seen here, the result is None as well.
    """
    return _apply(_Write(which, changes, mark_id))


def _apply(write: _Write) -> Document | None:
    (result,) = _together([write])
    if (error := result.get("error")) is not None:
        raise error
    stored: Document | None = result["session"]
    return stored


def _write_all(writes: Sequence[_Write]) -> Iterator[Document]:
    """Yield for each write its session as it is then, or None, or the error."""
    sessions = Session.collection()
    if len(writes) == 1:
        (one,) = writes
        after = ReturnDocument.AFTER
        stored = sessions.find_one_and_update(one.which, one.update, upsert=one.is_new, return_document=after)
        yield {"_id": one, "session": stored}
        return
    refused: Mapping[int, OperationFailure] = {}
    try:
        sessions.bulk_write([UpdateOne(one.which, one.update, upsert=one.is_new) for one in writes], ordered=False)
    except BulkWriteError as error:
        refused = refused_writes(error)
    found = {row["_id"]: row for row in sessions.find({"_id": {"$in": [one.which["_id"] for one in writes]}})}
    for position, one in enumerate(writes):
        session = found.get(one.which["_id"])
        if position in refused:
            yield {"_id": one, "error": refused[position]}
        else:
            yield {"_id": one, "session": session if session is not None and _is_by(one, session) else None}


def _is_by(write: _Write, session: Document) -> bool:
    """Tell whether a session that was read after the write was changed by it."""
    return write.is_new or any(mark["id"] == write.mark_id for mark in session.get("untold", ()))


_together: SharedCommands[_Write] = SharedCommands(_write_all)
