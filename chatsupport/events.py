"""The events, and how they reach the reactions.

A service writes to the database and then announces what happened: `happened(SessionEnded(...))`. One table, bound by
the application factory, says what follows: first the core's reactions (`reactions.py`), then those of the features. A
reaction gets the event and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from bson import ObjectId
from pymongo.errors import PyMongoError

from chatsupport.database.connection import is_unavailable
from chatsupport.errors import DatabaseUnavailableError
from chatsupport.identity import Caller
from chatsupport.observability.tracing import Operation

logger = logging.getLogger(__name__)

Document = Mapping[str, Any]
Reaction = Callable[[Any], object]
Table = Mapping[type, Sequence[Reaction]]


_bound: dict[type, Sequence[Reaction]] = {}


def bind(table: Table) -> None:
    """Use this table of reactions from now on."""
    _bound.clear()
    _bound.update(table)


def bound() -> Table:
    """Return the current table of reactions."""
    return dict(_bound)


def merge(tables: Iterable[Table]) -> Table:
    """Join several tables: for each event, the reactions of the first table come first, then those of the next."""
    merged: dict[type, list[Reaction]] = {}
    for table in tables:
        for event, reactions in table.items():
            merged.setdefault(event, []).extend(reactions)
    return merged


def happened(event: object) -> bool:
    """Call the reactions to an event, in order. False if one failed because of the database, so it can be repeated.

    A failure of a reaction is logged. It does not undo what happened, and the next reaction is still called.
    """
    is_complete = True
    for react in _bound.get(type(event), ()):
        try:
            react(event)
        except Exception as error:
            about = {"event": "reaction_failed", "to": type(event).__name__, "reaction": name_of(react)}
            if (request_id := getattr(event, "request_id", None)) is not None:
                about["request_id"] = request_id
            if isinstance(error, (PyMongoError, DatabaseUnavailableError)):
                is_complete = False
            if is_unavailable(error):
                logger.warning("A reaction failed: the database is unavailable", extra={**about, "reason": repr(error)})
            else:
                logger.exception("A reaction failed", extra=about)
    return is_complete


def name_of(react: Reaction) -> str:
    """Return the path of a reaction, such as `assignment.slots.free_ended`."""
    module = react.__module__.removeprefix("chatsupport.").removeprefix("services.")
    return f"{module}.{getattr(react, '__qualname__', type(react).__name__)}"


# Sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChange:
    """A change of a session's state, which was stored with a mark (`services/shared/outbox.py`).

    `session` is the session after the change. `id` and `at` are those of the mark, and stay the same however often the
    change is announced. `caller` asked for it, or is None if the server acted by itself.

    If the process that made the change was killed or could not announce it, a repeated call or the sweep announces it
    later. Some reactions may then run twice, so they must be repeatable.
    """

    session: Document
    id: ObjectId
    at: datetime
    caller: Caller | None = None
    is_late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted(SessionChange):
    """A new session was stored. It waits, or has an agent already."""


class CameFrom(Enum):
    """The state of a session before it was assigned."""

    START = "start"
    QUEUE = "queue"
    AGENT = "agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAssigned(SessionChange):
    """A session has got an agent: a new session that was not announced yet, or one from the queue or another agent."""

    agent: Document
    came_from: CameFrom = CameFrom.QUEUE


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLeft(SessionChange):
    """A session has left an agent, whose slot is not free yet. `reason` says why."""

    agent_id: ObjectId | None
    slot_id: ObjectId | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRequeued(SessionLeft):
    """A session has left its agent and waits again, at the front of the queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMoved(SessionLeft):
    """A session has left its agent for another one. The `SessionAssigned` for that one follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """A session is leaving its bot, and people need to know what the bot knows. It may be announced twice.

    `id` and `at` stay the same then. The bot's last message is stored, and nothing of the bot comes after it.
    """

    session: Document
    id: ObjectId
    at: datetime
    bot_id: ObjectId
    summary: str | None = None
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(SessionChange):
    """A session has ended. Its last message and its figures are known."""

    slot_is_free: bool = False
    """Whether its slot is certainly free."""
    nobody_waits: bool = False
    """Whether a look at the queue has found nobody after the slot was free."""


@dataclass(frozen=True, slots=True)
class SlotFreed:
    """A slot was taken for no session, and is free again."""


@dataclass(frozen=True, slots=True)
class SessionTransferred:
    """Somebody has transferred a session to `agent_id`, or to the queue if that is None. It follows the changes.

    `department` is the id of its new department, "none" without one, or None if it has kept its department.
    """

    caller: Caller
    session_id: ObjectId
    agent_id: ObjectId | None
    from_agent_id: ObjectId | None
    department: str | None = None


@dataclass(frozen=True, slots=True)
class SessionUpdated:
    """A visible detail of a session has changed, but not its state. `caller` changed the fields in `changed`."""

    session: Document
    caller: Caller | None = None
    changed: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SessionRated:
    """A session's user has rated it, or has changed the rating."""

    session: Document


@dataclass(frozen=True, slots=True)
class SessionIdle:
    """A session is idle and will end at `ends_at` unless somebody writes."""

    session_id: ObjectId
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class HistoryRead:
    """Somebody got a session's messages, by joining it or as a page of its history."""

    caller: Caller
    session: Document


# Messages


@dataclass(frozen=True, slots=True)
class MessageStored:
    """A message is durable. This is the hot path: every message pays for each reaction.

    `operation` is the request or event that sent it.
    """

    message: Document
    operation: Operation | None = None

    @property
    def request_id(self) -> str | None:
        """The id of the request or event that sent it. It is made when it is first read."""
        return None if self.operation is None else self.operation.request_id


@dataclass(frozen=True, slots=True)
class MessagesRead:
    """Somebody has read a session's messages up to `seq`. `connections` are the person's own sockets there."""

    session_id: ObjectId
    person: Caller
    seq: int
    connections: Sequence[str]


@dataclass(frozen=True, slots=True)
class NoteAdded:
    """Staff have written down something about a session, for staff only."""

    session: Document
    note: Document


# Who is there


@dataclass(frozen=True, slots=True)
class PersonJoined:
    """Somebody's first socket has joined a session in this process."""

    session_id: ObjectId
    person: Caller
    connection: str


@dataclass(frozen=True, slots=True)
class PersonLeft:
    """Somebody's last socket has left a session in this process."""

    session_id: ObjectId
    person: Caller
    connection: str
    reason: str


@dataclass(frozen=True, slots=True)
class TypingChanged:
    """Somebody began or stopped typing. `connections` are the person's own sockets there."""

    session_id: ObjectId
    person: Caller
    is_typing: bool
    connections: Sequence[str]


# Agents


@dataclass(frozen=True, slots=True)
class AgentCreated:
    """There is a new agent."""

    caller: Caller
    agent: Document


@dataclass(frozen=True, slots=True)
class AgentChanged:
    """An agent was changed. `changes` holds the new values under the names that clients use, without a password."""

    caller: Caller
    before: Document
    agent: Document
    changes: Document
    new_credentials: bool = False


@dataclass(frozen=True, slots=True)
class AgentDeleted:
    """An agent was deleted. `agent` is its last state, or None if an earlier call deleted it and then failed."""

    caller: Caller
    agent_id: ObjectId
    agent: Document | None


@dataclass(frozen=True, slots=True)
class AgentWentAway:
    """An agent's presence ran out: it gets no sessions until it is back."""

    agent_id: ObjectId


@dataclass(frozen=True, slots=True)
class AgentsCameBack:
    """At least one of these agents had been away and accepts sessions again."""

    agent_ids: Sequence[ObjectId]


@dataclass(frozen=True, slots=True)
class AgentConnected:
    """An agent's socket was accepted. It is already in the agent's own room; the answer to its connect follows."""

    agent: Caller
    connection: str
    role: str | None = None
    """The agent's role when the socket was accepted, BOT for a bot, or None if the database was away."""


# People and their access


@dataclass(frozen=True, slots=True)
class TokenIssued:
    """A token was made for an agent or a system, not for a user. `caller` is None if there was no API key."""

    caller: Caller | None
    person: Caller


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An agent signed in with its password."""

    person: Caller
    address: str


@dataclass(frozen=True, slots=True)
class SignInFailed:
    """A sign-in failed: as this agent, or with an unknown email. `cause` is `blocked` or None."""

    agent_id: ObjectId | None
    address: str
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class AccessDenied:
    """A person or an address is kept out from now on. `denial` is the stored document."""

    caller: Caller
    denial: Document


@dataclass(frozen=True, slots=True)
class TokensRevoked(AccessDenied):
    """All tokens made for a person so far are invalid."""

    person: Caller


@dataclass(frozen=True, slots=True)
class SignedOut(AccessDenied):
    """Somebody has signed out: the token of the request is invalid."""


@dataclass(frozen=True, slots=True)
class GuestIdentified(AccessDenied):
    """A guest has become a user, the caller. The guest's tokens are refused from now on."""

    guest: Caller


@dataclass(frozen=True, slots=True)
class Blocked(AccessDenied):
    """A person or an address was blocked, for some seconds or for good."""

    expires_in_seconds: int | None


@dataclass(frozen=True, slots=True)
class Unblocked:
    """A block was lifted. `denial` is the deleted document."""

    caller: Caller
    denial: Document


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """The settings were replaced by those of this version; `changed` names the sections that differ."""

    caller: Caller
    version: int
    changed: Sequence[str]


@dataclass(frozen=True, slots=True)
class PersonErased:
    """A person was erased from all stored data. `pseudonym` stands in the person's place."""

    caller: Caller
    pseudonym: str
    person_type: str
    sessions: int
    messages: int


@dataclass(frozen=True, slots=True)
class PersonExported:
    """Somebody got the data stored about a person. `person_id` is None if there was none, after an erasure."""

    caller: Caller
    person_id: str | None
    person_type: str


@dataclass(frozen=True, slots=True)
class Administered:
    """Somebody has changed what a feature keeps for all agents, such as a canned reply, or has passed a chat on.

    `action` is what the audit log calls it; `details` say to what it was done.
    """

    caller: Caller
    action: str
    details: Document


@dataclass(frozen=True, slots=True)
class OldSessionsDeleted:
    """Sessions that ended before a time were deleted, because RETENTION_DAYS says so."""

    sessions: int
    ended_before: datetime
