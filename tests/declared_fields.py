"""Every stored field is declared in its document: a test that leaves another one in the database fails."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

FOREIGN = {"__v", "_cls"}
"""Fields that other programs store, and this one leaves alone."""


def undeclared(documents: Iterable[Any]) -> list[str]:
    """Return every stored field of these that its document does not declare, as `collection.field`."""
    return [
        f"{document._meta['collection']}.{name}"
        for document in documents
        for name in sorted(_stored(document) - set(document._db_field_map.values()) - FOREIGN - {"_id"})
    ]


def _stored(document: Any) -> set[str]:
    stages = [
        {"$project": {"field": {"$objectToArray": "$$ROOT"}}},
        {"$unwind": "$field"},
        {"$group": {"_id": "$field.k"}},
    ]
    return {row["_id"] for row in document.collection().aggregate(stages)}
