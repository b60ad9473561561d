"""Read a session as its participants see it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bson import ObjectId

from chatsupport import serializers
from chatsupport.database.clock import now
from chatsupport.database.commands import first_in_order
from chatsupport.database.connection import COMMITTED
from chatsupport.documents import Agent, Session
from chatsupport.documents.session import NEWEST_FIRST, OPEN
from chatsupport.errors import ForbiddenError, SessionNotFoundError
from chatsupport.identity import USER, Caller
from chatsupport.services.assignment import places
from chatsupport.services.messages import sequences
from chatsupport.services.shared import access
from chatsupport.services.shared.shared_commands import SharedCommands

Document = dict[str, Any]


class Views(NamedTuple):
    """A session, serialized for its user and for staff."""

    for_user: Document
    for_staff: Document


SEEN_OF_AGENT = {"name": 1, "isOnline": 1, "isAway": 1, "kind": 1}
"""What a session shows of its agent comes from these fields."""

WITH_AGENT: Document = {
    "$lookup": {
        "from": Agent._meta["collection"],
        "localField": "agentId",
        "foreignField": "_id",
        "pipeline": [{"$project": SEEN_OF_AGENT}],
        "as": "agents",
    }
}
"""Reads a session and its agent in one command. `agent_with` returns the agent."""

_WHOLE = (WITH_AGENT, sequences.WITH_LAST_SEQ)


def current(caller: Caller) -> dict[str, Any] | None:
    """Return the caller's open session, or None: with a token for one session, that one. For users only."""
    if caller.type != USER:
        raise ForbiddenError(
            "Only users have a current session. Agents list their sessions with GET /api/chat/sessions."
        )
    only = {} if caller.session_id is None else {"_id": ObjectId(caller.session_id)}
    session = access.first_session({**_open_of(caller.id, USER), **only}, *_WHOLE)
    return None if session is None else _describe(session)


def find_open(user_id: str, user_type: str) -> Document | None:
    """Return a person's open session, or None."""
    return access.first_session(_open_of(user_id, user_type))


def find_newest(user_id: str, user_type: str) -> Document | None:
    """Return a person's newest session, or None.

    If the person has an open session, it is nearly always this one. But a guest may have brought along an open session
    that is older than one that has ended.
    """
    (found,) = _newest_together([(user_id, user_type)])
    newest: Document | None = found["session"]
    return newest


def _newest_of(people: Sequence[tuple[str, str]]) -> Iterator[Document]:
    """Yield the newest session of each of these people."""
    sessions = Session.collection()
    if len(people) == 1:
        ((user_id, user_type),) = people
        theirs = {"userId": user_id, "userType": user_type}
        yield {"_id": people[0], "session": first_in_order(sessions, theirs, NEWEST_FIRST, read_concern=COMMITTED)}
        return
    asked = [{"userId": user_id, "userType": user_type} for user_id, user_type in people]
    is_of_type = {"$match": {"$expr": {"$eq": ["$userType", "$$userType"]}}}
    newest = {
        "from": sessions.name,
        "localField": "userId",
        "foreignField": "userId",
        "let": {"userType": "$userType"},
        "pipeline": [is_of_type, {"$sort": dict(NEWEST_FIRST)}, {"$limit": 1}],
        "as": "newest",
    }
    stages: list[Document] = [{"$documents": {"$literal": asked}}, {"$lookup": newest}]
    for row in sessions.database.with_options(read_concern=COMMITTED).aggregate(stages):
        yield {"_id": (row["userId"], row["userType"]), "session": next(iter(row["newest"]), None)}


_newest_together: SharedCommands[tuple[str, str]] = SharedCommands(_newest_of)


def _open_of(user_id: str, user_type: str) -> Document:
    return {"userId": user_id, "userType": user_type, "status": {"$in": list(OPEN)}}


def describe(caller: Caller, session_id: ObjectId) -> dict[str, Any]:
    """Return the session as the caller may see it."""
    session = access.find_session(caller, session_id, *_WHOLE)
    return _describe(session, for_staff=access.is_staff(caller, session))


def describe_stored(session_id: ObjectId) -> Views:
    """Return the session as its user and as staff see it, with one read. No access is checked."""
    session = access.first_session({"_id": session_id}, *_WHOLE)
    if session is None:
        raise SessionNotFoundError
    return Views(_describe(session), _describe(session, for_staff=True))


def _describe(session: Document, *, for_staff: bool = False) -> Document:
    place, last_seq = places.position(session), sequences.last_seq_of(session)
    return serializers.session(session, agent_with(session), place, last_seq, now(), for_staff=for_staff)


def agent_with(session: Mapping[str, Any]) -> Document | None:
    """Return the agent of a session that was read `WITH_AGENT`, or None."""
    return next(iter(session["agents"]), None)


def agent_of(session: Mapping[str, Any]) -> Document | None:
    """Return the current or last agent of a session, or None."""
    agent_id = session.get("agentId")
    if agent_id is None:
        return None
    agent: Document | None = Agent.collection().find_one({"_id": agent_id}, SEEN_OF_AGENT)
    return agent


def describe_many(session_ids: Iterable[ObjectId]) -> dict[ObjectId, Document]:
    """Return these sessions as staff see them, without those that do not exist or whose user was erased.

    No access is checked.
    """
    sessions = Session.collection().with_options(read_concern=COMMITTED)
    these = {"_id": {"$in": list(session_ids)}, "erased": {"$ne": True}}
    return {row["_id"]: _describe(row, for_staff=True) for row in sessions.aggregate([{"$match": these}, *_WHOLE])}
