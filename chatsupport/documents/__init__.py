"""The MongoEngine documents: fields, indexes, and the invariants that the database itself enforces."""

from chatsupport.documents.agent import Agent
from chatsupport.documents.audit_entry import AuditEntry
from chatsupport.documents.counters import Counters
from chatsupport.documents.denial import Denial
from chatsupport.documents.lease import Lease
from chatsupport.documents.message import Message
from chatsupport.documents.rollup import Rollup
from chatsupport.documents.session import Session

ALL = (Agent, Session, Message, Lease, Counters, Denial, AuditEntry, Rollup)

__all__ = [
    "ALL",
    "Agent",
    "AuditEntry",
    "Counters",
    "Denial",
    "Lease",
    "Message",
    "Rollup",
    "Session",
    "ensure_indexes",
    "missing_indexes",
]


def missing_indexes() -> list[str]:
    """Return the indexes that are not there, as `collection.name`."""
    missing = []
    for document in ALL:
        there = document._get_collection().index_information()
        specs = document._meta.get("index_specs", [])
        missing += [f"{document._get_collection_name()}.{spec['name']}" for spec in specs if spec["name"] not in there]
    return missing


def ensure_indexes() -> None:
    """Create what indexes are missing. Done once at start-up or release, never on first use."""
    for document in ALL:
        document.ensure_indexes()
