"""A session as its people see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import ObjectId

from chatsupport import serializers
from chatsupport.database.clock import now
from chatsupport.documents import Agent, Session
from chatsupport.documents.session import OPEN
from chatsupport.errors import ForbiddenError, SessionNotFoundError
from chatsupport.identity import USER, Caller
from chatsupport.services.assignment import queue
from chatsupport.services.messages import sequences
from chatsupport.services.shared import access

Document = dict[str, Any]


def current(caller: Caller) -> dict[str, Any] | None:
    """Return the caller's open session, None where it has none. For users only."""
    if caller.type != USER:
        raise ForbiddenError(
            "Only users have a current session. Agents list their sessions with GET /api/chat/sessions."
        )
    session = find_open(caller.id, USER)
    return None if session is None else _describe(session)


def find_open(user_id: str, user_type: str) -> Document | None:
    """Return somebody's open session, None where there is none."""
    session: Document | None = Session._get_collection().find_one(
        {"userId": user_id, "userType": user_type, "status": {"$in": list(OPEN)}}
    )
    return session


def describe(caller: Caller, session_id: ObjectId) -> dict[str, Any]:
    """Return the session as its people see it."""
    session = access.find_session(caller, session_id)
    return _describe(session, for_staff=access.is_staff(caller, session))


def describe_stored(session_id: ObjectId) -> dict[str, Any]:
    """Return the session for a caller whose access was checked already."""
    session = Session._get_collection().find_one({"_id": session_id})
    if session is None:
        raise SessionNotFoundError
    return _describe(session)


def _describe(session: Document, *, for_staff: bool = False) -> dict[str, Any]:
    place, last_seq = queue.position(session), sequences.last_seq(session["_id"])
    return serializers.session(session, agent_of(session), place, last_seq, now(), for_staff=for_staff)


def agent_of(session: Mapping[str, Any]) -> Document | None:
    """Return the agent a session is or was with, None where there is none."""
    agent_id = session.get("agentId")
    if agent_id is None:
        return None
    agent: Document | None = Agent._get_collection().find_one(
        {"_id": agent_id}, {"name": 1, "isOnline": 1, "isAway": 1}
    )
    return agent
