"""The MongoEngine documents: fields, indexes, and the invariants that the database itself enforces."""

from chatsupport.documents.agent import Agent
from chatsupport.documents.counters import Counters
from chatsupport.documents.denial import Denial
from chatsupport.documents.indexes import Index, declared, drop_retired, missing
from chatsupport.documents.lease import Lease
from chatsupport.documents.message import Message
from chatsupport.documents.process import Process
from chatsupport.documents.session import Session
from chatsupport.features.audit.documents import AuditEntry
from chatsupport.features.reports.documents import Rollup

ALL = (Agent, Session, Message, Lease, Counters, Denial, AuditEntry, Rollup, Process)

__all__ = [
    "ALL",
    "Agent",
    "AuditEntry",
    "Counters",
    "Denial",
    "Lease",
    "Message",
    "Process",
    "Rollup",
    "Session",
    "drop_retired",
    "ensure_indexes",
    "missing_indexes",
]


def missing_indexes() -> list[Index]:
    """Return the indexes that are not there yet. Raises `IndexConflictError` where another one has the name of one."""
    return missing(declared(ALL))


def ensure_indexes() -> None:
    """Make the indexes that are missing, and wait for them. A server builds them while it serves."""
    for index in missing_indexes():
        index.build()
    drop_retired()
