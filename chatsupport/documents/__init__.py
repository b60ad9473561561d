"""The MongoEngine documents: fields, indexes, and the invariants that the database itself enforces."""

from collections.abc import Iterable
from typing import Any

from chatsupport.documents.agent import Agent
from chatsupport.documents.counters import Counters
from chatsupport.documents.denial import Denial
from chatsupport.documents.indexes import Index, declared, missing, retire
from chatsupport.documents.lease import Lease
from chatsupport.documents.message import Message
from chatsupport.documents.notice import Notice
from chatsupport.documents.process import Process
from chatsupport.documents.session import Session

CORE = (Agent, Session, Message, Lease, Counters, Denial, Notice, Process)

ALL: list[type[Any]] = [*CORE]
"""Those of the core, and those of the features that this application has."""

__all__ = [
    "ALL",
    "CORE",
    "Agent",
    "Counters",
    "Denial",
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


def bind(of_features: Iterable[type[Any]]) -> None:
    """Have the documents of an application's features in `ALL` too."""
    ALL[:] = [*CORE, *of_features]


def missing_indexes() -> list[Index]:
    """Return the indexes that are not there yet. Raises `IndexConflictError` where another one has the name of one."""
    return missing(declared(ALL))


def ensure_indexes() -> None:
    """Make the indexes that are missing, and wait for them. A server builds them while it serves."""
    for index in missing_indexes():
        index.build()
    drop_retired()


def drop_retired() -> None:
    """Drop the indexes that an earlier release needed and that do harm now."""
    retire(ALL)
