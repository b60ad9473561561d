"""Tombstones of erased people: the fact and the time of erasure, under a digest that identifies nobody.

It refuses tokens from before, and by it whoever writes something late, because a process was stopped for long or the
database was away, finds out that it has to be taken out again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from chatsupport.documents import Denial
from chatsupport.identity import Caller

UNDER_WAY = timedelta(seconds=10)
"""For how long after an erasure something may be stored that was begun before; it is erased as well."""
LATE_SECONDS = 15.0
"""What waited to be written for longer than this may come behind the last look of an erasure."""


def id_of(person: Caller) -> str:
    """Return the id of a person's tombstone among the denials."""
    return f"erased:{hashlib.sha256(str(person).encode()).hexdigest()}"


def is_erased(person: Caller) -> bool:
    """Tell whether a person was erased. This stays true for a person who has come back since."""
    return bool(erased_among([person]))


def erased_among(people: Iterable[Caller]) -> dict[Caller, datetime]:
    """Return who of these was erased, and up to when what they did is erased. One look-up."""
    by_id = {id_of(person): person for person in people}
    found = Denial.collection().find({"_id": {"$in": list(by_id)}}, {"updatedAt": 1})
    return {by_id[row["_id"]]: row["updatedAt"] + UNDER_WAY for row in found}
