"""The people in each session. A person joins once, however many tabs are open."""

from __future__ import annotations

from bson import ObjectId

from chatsupport import events
from chatsupport.documents import Session
from chatsupport.events import PersonJoined, PersonLeft
from chatsupport.identity import AGENT, CALLER_TYPES, Caller
from chatsupport.observability import metrics
from chatsupport.services.shared import access

_connections: dict[tuple[ObjectId, Caller], set[str]] = {}
"""The connections of this process through which a person is in a session."""


def join(session_id: ObjectId, person: Caller, connection_id: str) -> None:
    """Count a new connection, and tell the others if it is the person's first."""
    connections = _connections.setdefault((session_id, person), set())
    if connection_id in connections:
        return
    connections.add(connection_id)
    if len(connections) == 1:
        events.happened(PersonJoined(session_id, person, connection_id))


def leave(session_id: ObjectId, person: Caller, connection_id: str, reason: str) -> None:
    """Count a closed connection, and tell the others, with the reason, if it was the person's last."""
    connections = _connections.get((session_id, person))
    if connections is None or connection_id not in connections:
        return
    connections.discard(connection_id)
    if not connections:
        del _connections[(session_id, person)]
        events.happened(PersonLeft(session_id, person, connection_id, reason))


def strangers_here() -> list[tuple[ObjectId, Caller]]:
    """Return the agents who are in sessions here that they no longer have, each with the session.

    Supervisors are none of them: they may stay. Agents are told so when a session moves, unless the process that moved
    it is killed just then or Redis is away.
    """
    return strangers([pair for pair in _connections if pair[1].type == AGENT])


def strangers(pairs: list[tuple[ObjectId, Caller]]) -> list[tuple[ObjectId, Caller]]:
    """Return the pairs of session and agent in which the agent may not be in the session."""
    if not pairs:
        return []
    ids = list({session_id for session_id, _ in pairs})
    members = {"agentId": 1, "userId": 1, "userType": 1}
    sessions = {row["_id"]: row for row in Session.collection().find({"_id": {"$in": ids}}, members)}
    found = [
        (session_id, person)
        for session_id, person in pairs
        if session_id not in sessions or not access.may_access(person, sessions[session_id])
    ]
    supervisors = access.supervisors_among({person.id for _, person in found}) if found else set()
    return [pair for pair in found if pair[0] not in sessions or pair[1].id not in supervisors]


def connections_of(session_id: ObjectId, person: Caller) -> list[str]:
    """Return the connections of this process through which the person is in the session."""
    return list(_connections.get((session_id, person), ()))


def connections_of_user(session_id: str, user_id: str) -> list[str]:
    """Return the connections of this process through which somebody with this id, of whatever type, is in a session."""
    people = (Caller(user_id, caller_type) for caller_type in CALLER_TYPES)
    return [sid for person in people for sid in connections_of(ObjectId(session_id), person)]


def is_there(session_id: ObjectId, person: Caller, connection_id: str) -> bool:
    """Tell whether the person is in the session through this connection."""
    return connection_id in _connections.get((session_id, person), ())


def joined_sessions() -> set[ObjectId]:
    """Return the sessions that somebody has joined in this process."""
    return {session_id for session_id, _ in _connections}


metrics.JOINED_SESSIONS.read_by(lambda: len(joined_sessions()))
