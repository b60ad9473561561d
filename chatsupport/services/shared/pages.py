"""Lists, newest first, that are paged by the time and id of the last row.

A page costs the same at any depth, and nothing is shown twice when new rows come.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from bson import ObjectId

from chatsupport import serializers

Document = dict[str, Any]
Cursor = tuple[datetime, ObjectId]

_EPOCH = datetime.fromtimestamp(0, timezone.utc)


def read(
    collection: Any, query: Document, limit: int, cursor: Cursor | None, *, time: str, key: str = "_id"
) -> tuple[list[Document], str | None]:
    """Return one page, newest first by the fields `time` and `key`, and the cursor of the next; None at the end."""
    query = after(query, cursor, time=time, key=key)
    rows = list(collection.find(query, sort=[(time, -1), (key, -1)], limit=limit + 1))
    page, more = rows[:limit], len(rows) > limit
    return page, cursor_of(page[-1][time], page[-1][key]) if more else None


def after(query: Document, cursor: Cursor | None, *, time: str, key: str = "_id") -> Document:
    """Return the condition on the rows that meet another one and come after the cursor, which may be None."""
    if cursor is None:
        return query
    until = {**query.get(time, {}), "$lte": cursor[0]}
    return {**query, time: until, "$or": [{time: {"$lt": cursor[0]}}, {key: {"$lt": cursor[1]}}]}


def cursor_of(time: datetime, key: ObjectId) -> str:
    """Return the cursor of what is behind a row with this time and id."""
    return f"{serializers.milliseconds_between(_EPOCH, time)}-{key}"
