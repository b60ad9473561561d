"""The MongoEngine documents: fields, indexes, and the invariants that the database itself enforces."""

from collections.abc import Iterable
from typing import Any

from chatsupport.documents.agent import Agent
from chatsupport.documents.counters import Counters
from chatsupport.documents.deletion import Deletion
from chatsupport.documents.denial import Denial
from chatsupport.documents.department import Department
from chatsupport.documents.indexes import Index, build, by_collection, declared, missing, retire
from chatsupport.documents.lease import Lease
from chatsupport.documents.message import Message
from chatsupport.documents.notice import Notice
from chatsupport.documents.process import Process
from chatsupport.documents.session import Session

CORE = (Agent, Session, Message, Department, Lease, Counters, Deletion, Denial, Notice, Process)

ALL: list[type[Any]] = [*CORE]
"""The documents of the core, and of the features that this application has."""

_indexes: list[Index] = []
"""What features need on documents of the core."""

__all__ = [
    "ALL",
    "CORE",
    "Agent",
    "Counters",
    "Deletion",
    "Denial",
    "Department",
    "Index",
    "Lease",
    "Message",
    "Notice",
    "Process",
    "Session",
    "bind",
    "drop_retired",
    "ensure_indexes",
    "missing_indexes",
]


def bind(of_features: Iterable[type[Any]], indexes: Iterable[Index] = ()) -> None:
    """Have the documents of an application's features in `ALL` too, and the indexes that these need on others."""
    ALL[:] = [*CORE, *of_features]
    _indexes[:] = indexes


def missing_indexes() -> list[Index]:
    """Return the missing indexes. Raises `IndexConflictError` if a different index has the name of one of them."""
    return missing([*declared(ALL), *_indexes])


def ensure_indexes() -> None:
    """Make the missing indexes, and wait for them. A server builds them while it serves."""
    for collection, indexes in by_collection(missing_indexes()).items():
        build(collection, indexes)
    drop_retired()


def drop_retired() -> None:
    """Drop the indexes of earlier releases that now do harm."""
    retire(ALL)
