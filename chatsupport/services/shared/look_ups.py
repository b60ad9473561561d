"""Look-ups by id that share a query: those that begin during a query go together into the next one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from chatsupport.errors import DatabaseUnavailableError

Document = dict[str, Any]
Id = TypeVar("Id")


@dataclass(slots=True, eq=False)
class _Round(Generic[Id]):
    """The look-ups that share one query, and its result."""

    ids: set[Id] = field(default_factory=set)
    waiting: list[threading.Lock] = field(default_factory=list)
    found: dict[Id, Document] = field(default_factory=dict)
    error: Exception | None = None
    is_done: bool = False


class SharedLookUps(Generic[Id]):
    """A look-up of documents by id. A single one is a query at once; many at a time share few queries.

    A query begins after the calls of all that share it, so each sees everything written before its call.
    """

    def __init__(self, read: Callable[[list[Id]], Iterable[Document]]) -> None:
        self._read = read
        self._mutex = threading.Lock()
        self._gathering: _Round[Id] = _Round()
        self._is_reading = False

    def __call__(self, ids: Iterable[Id]) -> list[Document]:
        """Return the documents with these ids that exist. Raises the error of the query, whichever caller ran it."""
        wanted = list(ids)
        with self._mutex:
            mine = self._gathering
            mine.ids.update(wanted)
            turn: threading.Lock | None = None
            if self._is_reading:
                turn = threading.Lock()
                turn.acquire()
                mine.waiting.append(turn)
            else:
                self._begin()
        if turn is not None:
            turn.acquire()
        if not mine.is_done:
            self._run(mine)
        if mine.error is not None:
            raise mine.error
        return [mine.found[document_id] for document_id in wanted if document_id in mine.found]

    def _begin(self) -> None:
        """Close the round that is gathering. Later callers are in the next one."""
        self._is_reading = True
        self._gathering = _Round()

    def _run(self, mine: _Round[Id]) -> None:
        try:
            mine.found = {document["_id"]: document for document in self._read(list(mine.ids))}
        except Exception as error:
            mine.error = error  # `__call__` raises it, here and for all who share the round.
        except BaseException:
            mine.error = DatabaseUnavailableError()  # It ends this caller alone.
            raise
        finally:
            with self._mutex:
                mine.is_done = True
                self._is_reading = False
                following = self._gathering.waiting
                if following:
                    self._begin()  # The last of them runs it, who has most of its time left.
            for turn in [*mine.waiting, *following[-1:]]:
                turn.release()
