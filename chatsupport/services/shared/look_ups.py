"""Look-ups by id that share a query: those that come while one is under way go together in the next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from chatsupport.errors import DatabaseUnavailableError

Document = dict[str, Any]


@dataclass(slots=True, eq=False)
class _Round:
    """Who asks in one query, and what it found."""

    ids: set[str] = field(default_factory=set)
    waiting: list[threading.Lock] = field(default_factory=list)
    found: dict[str, Document] = field(default_factory=dict)
    error: Exception | None = None
    is_done: bool = False


class SharedLookUps:
    """A look-up of documents by id. Alone, one is a query of its own, at once; of many at a time, few are.

    A query begins after the call of everybody who shares it, so that each sees what was written before.
    """

    def __init__(self, read: Callable[[list[str]], Iterable[Document]]) -> None:
        self._read = read
        self._mutex = threading.Lock()
        self._gathering = _Round()
        self._is_reading = False

    def __call__(self, ids: Iterable[str]) -> list[Document]:
        """Return the documents that there are of these. Raises what the query raised, whoever ran it."""
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
        """Close the round that gathers; who comes from now on is in the next."""
        self._is_reading = True
        self._gathering = _Round()

    def _run(self, mine: _Round) -> None:
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
