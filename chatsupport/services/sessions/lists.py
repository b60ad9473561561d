"""Lists of sessions, newest first, page by page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bson import ObjectId

from chatsupport import serializers, session_parts
from chatsupport.contract.chat import SessionFilter
from chatsupport.database.clock import now
from chatsupport.documents import Agent, Session
from chatsupport.documents.session import ENDED
from chatsupport.errors import ForbiddenError
from chatsupport.identity import AGENT, SYSTEM, Caller
from chatsupport.services.assignment import places
from chatsupport.services.messages import read_marks, sequences
from chatsupport.services.sessions import reading
from chatsupport.services.shared import access, pages

Document = dict[str, Any]


def list_sessions(caller: Caller, wanted: SessionFilter) -> dict[str, Any]:
    """Return one page of sessions and the cursor of the next: an agent's own, or all for operators and supervisors."""
    sees_all = caller.type == SYSTEM or access.is_supervisor(caller)
    query = _query(caller, wanted, sees_all=sees_all)
    page, next_cursor = pages.read(Session.collection(), query, wanted.limit, wanted.cursor, time="createdAt")
    described = list(zip(page, serialize(page), strict=True))
    unread = read_marks.count_unread(
        (row, _reader(caller, row, sees_all), session["lastSeq"]) for row, session in described
    )
    sessions = [{**session, "unreadCount": unread.get(row["_id"], 0)} for row, session in described]
    return serializers.page("sessions", sessions, next_cursor)


def serialize(rows: list[Document]) -> list[Document]:
    """Return sessions as staff see them, with a few reads for all of them."""
    if not rows:
        return []
    agents = _agents_of(rows)
    waiting = places.positions(rows)
    last_seqs = sequences.last_seqs([row["_id"] for row in rows])
    time = now()
    return [
        serializers.session(
            row,
            agents.get(row["agentId"]) if row.get("agentId") else None,
            waiting.get(row["_id"]),
            last_seqs.get(row["_id"], 0),
            time,
            for_staff=True,
        )
        for row in rows
    ]


def _query(caller: Caller, wanted: SessionFilter, *, sees_all: bool = False) -> Document:
    agent_id = wanted.agent_id
    if sees_all or caller.type == SYSTEM:
        pass
    elif caller.type == AGENT:
        if agent_id is not None and str(agent_id) != caller.id:
            raise ForbiddenError("An agent can list only its own sessions.")
        agent_id = ObjectId(caller.id)
    else:
        raise ForbiddenError("Only agents, systems and API keys can do this.")
    query: Document = session_parts.condition(wanted)
    if wanted.status is not None:
        query["status"] = wanted.status
    if agent_id is not None:
        query["agentId"] = agent_id
    if wanted.user_id is not None:
        query["userId"] = wanted.user_id
    began: Document = {}
    if wanted.start is not None:
        began["$gte"] = wanted.start
    if wanted.end is not None:
        began["$lt"] = wanted.end
    if began:
        query["createdAt"] = began
    if wanted.reason is not None:
        internal = {"internalReason": wanted.reason}
        public = {"endReason": wanted.reason, "internalReason": None}
        query["$and"] = [{"status": ENDED}, {"$or": [internal, public]}]
    return query


def _reader(caller: Caller, session: Document, sees_all: bool) -> Caller:
    """Return whose unread messages a list counts: the calling agent's in its own list, else each session's agent's."""
    agent_id = session.get("agentId")
    return Caller(str(agent_id), AGENT) if sees_all and agent_id is not None else caller


def _agents_of(sessions: Iterable[Document]) -> dict[ObjectId, Document]:
    ids = list({session["agentId"] for session in sessions if session.get("agentId") is not None})
    if not ids:
        return {}
    agents = Agent.collection().find({"_id": {"$in": ids}}, reading.SEEN_OF_AGENT)
    return {agent["_id"]: agent for agent in agents}
