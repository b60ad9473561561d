"""Remember recent look-ups of denials, so that a caller's next call needs no look-up.

No denial is overlooked, whatever process stores it. This memory is trusted only until `TRUSTED_SECONDS` after the last
look for recent denials began, and each look forgets what has changed. If there are other processes, a call that denies
somebody returns when each of them has forgotten what it knew (`settling.py`), or `SETTLED_SECONDS` after the denial was
stored. By then each of them has looked, or no longer trusts its memory. A process that has just begun remembers
nothing, and looks the denial up. The clock that measures these times cannot be set, and goes on while the process or
its machine stands still.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from chatsupport.database.clock import elapsed
from chatsupport.services.server import processes

TRUSTED_SECONDS = 2.0
SETTLED_SECONDS = TRUSTED_SECONDS + 0.1
"""Longer, because the clocks of two machines do not run equally fast."""
KEPT_SECONDS = 30.0
"""Older findings are looked up again: nobody announces changes made by hand, or by a process that was killed."""
MOST = 50_000

Document = dict[str, Any]

AGENT_PREFIX = "agent:"
_LASTING = ("revoked:", "erased:", AGENT_PREFIX)
"""Denials that are remembered if found. Others can be lifted or deleted, so only their absence is remembered."""
SURVEYED = ("block:", "erased:", "revoked:")
"""Denials whose ids are read together, so that everybody else's absence is remembered."""
_UNKNOWN: tuple[float, None] = (-math.inf, None)


class DenialMemory:
    """Denials by their ids, also those that do not exist; and agents (`agent:<id>`), but only those that do.

    `is_announced` tells whether other processes know that there is this one, which they then wait for.
    """

    def __init__(self, is_announced: Callable[[], bool]) -> None:
        self._is_announced = is_announced
        self._mutex = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._known: OrderedDict[str, tuple[float, Document | None]] = OrderedDict()
        # The surveyed denials that exist, or may exist since.
        self._there: set[str] = set()
        self._surveyed_at = -math.inf
        self._forgot = 0
        self._trusted_until = -math.inf

    @property
    def state(self) -> int:
        """The state before a look-up, which `remember` needs: it changes whenever something is forgotten."""
        return self._forgot

    def is_trusted(self) -> bool:
        """Tell whether a denial stored by another process would be known here by now."""
        return elapsed() < self._trusted_until and self._is_announced()

    def recall(self, ids: Iterable[str]) -> list[Document] | None:
        """Return the documents with these ids, or None if one of them must be looked up."""
        if not self.is_trusted():
            return None
        oldest = elapsed() - KEPT_SECONDS
        found: list[Document] = []
        for key in ids:
            read_at, document = self._known.get(key, _UNKNOWN)
            if read_at < oldest and (self._surveyed_at < oldest or not self._is_missing(key)):
                return None
            if document is not None:
                found.append(document)
        return found

    def remember(self, ids: Iterable[str], found: Iterable[Document], state: int) -> None:
        """Remember the findings of a look-up, unless something was forgotten since it began."""
        documents = {document["_id"]: document for document in found}
        with self._mutex:
            if state != self._forgot or not self.is_trusted():
                return
            read_at = elapsed()
            for key in ids:
                document = documents.get(key)
                self._known.pop(key, None)
                if key.startswith(_LASTING) if document is not None else not key.startswith(AGENT_PREFIX):
                    self._known[key] = (read_at, document)
            while len(self._known) > MOST:
                self._known.popitem(last=False)

    def remember_all(self, ids: Iterable[str], state: int) -> None:
        """Remember that of the surveyed denials only these exist, unless something was forgotten since the look-up."""
        with self._mutex:
            if state == self._forgot and self.is_trusted():
                self._there, self._surveyed_at = set(ids), elapsed()

    def forget(self, ids: Iterable[str]) -> None:
        """Look these up again the next time."""
        with self._mutex:
            for key in ids:
                self._known.pop(key, None)
                self._there.add(key)
                self._forgot += 1

    def trust_from(self, moment: float) -> None:
        """Trust the memory again after a look at recent denials that began at that moment."""
        self._trusted_until = moment + TRUSTED_SECONDS

    def _is_missing(self, key: str) -> bool:
        return key.startswith(SURVEYED) and key not in self._there


memory = DenialMemory(processes.here.is_announced)
"""What this process remembers."""
