"""Reads for hot paths. They send the command themselves, because the driver's cursor costs a fifth more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern

Document = dict[str, Any]


def first(collection: Collection[Document], pipeline: list[Any], read_concern: ReadConcern) -> Document | None:
    """Return the first document that an aggregation finds, or None. It should find one, or a few: one batch is read."""
    command = {
        "aggregate": collection.name,
        "pipeline": pipeline,
        "cursor": {},
        "readConcern": read_concern.document,
    }
    return _first_of(collection, command)


def first_in_order(
    collection: Collection[Document],
    query: Document,
    order: Sequence[tuple[str, int]],
    *,
    read_concern: ReadConcern | None = None,
    shown: Document | None = None,
    hint: str | None = None,
) -> Document | None:
    """Return the first document in this order that meets the condition, or None. `shown` names the fields to read."""
    command = {"find": collection.name, "filter": query, "sort": dict(order), "limit": 1, "singleBatch": True}
    if shown is not None:
        command["projection"] = shown
    if hint is not None:
        command["hint"] = hint
    if read_concern is not None:
        command["readConcern"] = read_concern.document
    return _first_of(collection, command)


def count(collection: Collection[Document], query: Document, hint: str | None, limit: int = 0) -> int:
    """Return the number of documents that meet the condition, by the index of the hint: `limit` if there are more."""
    by = {} if hint is None else {"hint": hint}
    command = {"count": collection.name, "query": query, "limit": limit, **by}
    return int(collection.database.command(command)["n"])


def _first_of(collection: Collection[Document], command: Document) -> Document | None:
    answer = collection.database.command(command, codec_options=collection.codec_options)
    return next(iter(answer["cursor"]["firstBatch"]), None)
