"""The indexes that the documents declare: find the missing ones, and make them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pymongo import IndexModel
from pymongo.errors import OperationFailure

from chatsupport.database.connection import database
from chatsupport.errors import CannotServeError

Keys = tuple[tuple[str, int], ...]


class IndexConflictError(CannotServeError):
    """An index has the name of one that this release needs, but is different."""

    def __init__(self, index: Index, found: Mapping[str, Any]) -> None:
        there = "unique " if found.get("unique") else ""
        wanted = "unique " if index.options.get("unique") else ""
        super().__init__(
            f"The index {index} is {there}on {_shown(found['key'])}, and this release needs it {wanted}on "
            f"{_shown(index.keys)}. Drop it in mongosh (`db.{index.collection}.dropIndex({index.name!r})`) and start "
            "again: the server makes the one it needs."
        )


_UNAUTHORIZED = 13


@dataclass(frozen=True)
class Index:
    """One index, as a document declares it."""

    collection: str
    name: str
    keys: Keys
    options: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.collection}.{self.name}"


def build(collection: str, indexes: Iterable[Index]) -> None:
    """Make indexes of one collection while others work. Returns when they are complete, which may take long.

    On a replica set, a majority of the members must have them. Waiting for all could take for ever if one is down.
    """
    models = [IndexModel(index.keys, name=index.name, **index.options) for index in indexes]
    quorum = {"commitQuorum": "majority"} if "setName" in database().command("hello") else {}
    database()[collection].create_indexes(models, **quorum)


def are_made_at_once(collection: str) -> bool:
    """Tell whether the collection has no documents, so that indexes are made at once."""
    return database()[collection].find_one({}, {"_id": 1}) is None


def by_collection(indexes: Iterable[Index]) -> dict[str, list[Index]]:
    """Return the indexes of each collection."""
    found: dict[str, list[Index]] = {}
    for index in indexes:
        found.setdefault(index.collection, []).append(index)
    return found


def declared(documents: Iterable[Any]) -> list[Index]:
    """Return the indexes of these documents."""
    found = []
    for document in documents:
        for spec in document._meta.get("index_specs", []):
            options = {name: value for name, value in spec.items() if name not in ("name", "fields")}
            found.append(Index(document._meta["collection"], spec["name"], tuple(spec["fields"]), options))
    return found


def missing(indexes: list[Index]) -> list[Index]:
    """Return the indexes that are missing or incomplete. Raises `IndexConflictError` if a name is taken."""
    collections = {index.collection for index in indexes}
    there = {name: database()[name].index_information() for name in collections}
    # MongoDB also lists an index that is still being built.
    unfinished = {name: _unfinished(name) for name in collections if there[name]}
    absent = []
    for index in indexes:
        found = there[index.collection].get(index.name)
        if found is None:
            absent.append(index)
            continue
        if index.name in unfinished[index.collection]:
            absent.append(index)
        if tuple(found["key"]) != index.keys or bool(found.get("unique")) != bool(index.options.get("unique")):
            raise IndexConflictError(index, found)
    return absent


def retire(documents: Iterable[Any]) -> None:
    """Drop the indexes of earlier releases that now do harm: those that `meta` calls retired."""
    for document in documents:
        if retired := document._meta.get("retired_indexes"):
            collection = database()[document._meta["collection"]]
            for name in set(retired) & set(collection.index_information()):
                collection.drop_index(name)


def _unfinished(collection: str) -> list[str]:
    try:
        (statistics,) = database()[collection].aggregate([{"$collStats": {"storageStats": {}}}])
    except OperationFailure as error:
        if error.code != _UNAUTHORIZED:
            raise
        return []  # Then indexes that are being built count as complete.
    names: list[str] = statistics["storageStats"].get("indexBuilds", [])
    return names


def builds_under_way() -> dict[str, str]:
    """Return the names of the indexes that MongoDB is building, with their progress, such as "43 %"."""
    # MongoDB shows the operations of others only to a user who may see them.
    stages = [{"$currentOp": {"idleConnections": False}}, {"$match": {"command.createIndexes": {"$exists": True}}}]
    found: dict[str, str] = {}
    for operation in database().client.admin.aggregate(stages):
        progress = operation.get("progress") or {}
        share = f"{100 * progress['done'] // max(1, progress['total'])} %" if progress else "waiting"
        for spec in operation["command"].get("indexes", []):
            # One build has several operations: the one that works, and those that wait for it.
            if progress or spec["name"] not in found:
                found[spec["name"]] = share
    return found


def _shown(keys: Any) -> str:
    return "{" + ", ".join(f"{name}: {order}" for name, order in keys) + "}"
