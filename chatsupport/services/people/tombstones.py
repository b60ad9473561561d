"""Tombstones of erased people: the fact and the time of erasure, under a digest that identifies nobody.

It invalidates earlier tokens. A process that writes late, because it was stopped or the database was away, learns from
it that the person must be erased again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from chatsupport.documents import Denial
from chatsupport.identity import Caller

UNDER_WAY = timedelta(seconds=10)
"""How long after an erasure earlier work may still be stored. It is erased as well."""
LATE_SECONDS = 15.0
"""A value that waited longer than this may be written after the last search of an erasure."""


def id_of(person: Caller) -> str:
    """Return the id of a person's tombstone among the denials."""
    return f"erased:{hashlib.sha256(str(person).encode()).hexdigest()}"


def is_erased(person: Caller) -> bool:
    """Tell whether a person was erased. This stays true for a person who has come back since."""
    return bool(erased_among([person]))


def erased_among(people: Iterable[Caller]) -> dict[Caller, datetime]:
    """Return which of these people were erased, and up to which time their data is erased. One look-up."""
    by_id = {id_of(person): person for person in people}
    found = Denial.collection().find({"_id": {"$in": list(by_id)}}, {"updatedAt": 1})
    return {by_id[row["_id"]]: row["updatedAt"] + UNDER_WAY for row in found}


def is_erased_meanwhile(session: Mapping[str, Any], at: datetime) -> bool:
    """Tell whether a session's user was erased since the session was read, if something was stored about it at a time.

    Whoever erases may have looked before that was stored.
    """
    person = Caller(session["userId"], session.get("userType", "user"))
    until = erased_among([person]).get(person)
    return until is not None and at <= until
