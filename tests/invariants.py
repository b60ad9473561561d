"""The rules that hold in the database whenever nothing is in progress."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any

import pymongo.database

from chatsupport.documents.agent import NO_DEPARTMENT

LONG_AGO = datetime(2000, 1, 1, tzinfo=timezone.utc)


def violations(database: pymongo.database.Database[dict[str, Any]]) -> list[str]:
    """Return every broken rule of assignment, in words. The list should be empty."""
    agents = list(database.agents.find())
    open_sessions = list(database.sessions.find({"status": {"$in": ["waiting", "active"]}}))
    active = [session for session in open_sessions if session["status"] == "active"]
    waiting = [session for session in open_sessions if session["status"] == "waiting"]
    return [
        *_agents_over_capacity(agents),
        *_users_with_two_sessions(open_sessions),
        *_slots_and_sessions_that_differ(agents, active),
        *_agents_whose_fields_differ(agents),
        *_waiting_beside_a_free_slot(agents, waiting),
        *_at_agents_who_may_not_have_them(agents, active),
        *_departments_that_differ(database, open_sessions, agents),
    ]


def _agents_over_capacity(agents: list[dict[str, Any]]) -> list[str]:
    return [
        f"agent {agent['name']} holds {len(agent['activeUsers'])} of {agent['maxUsers']}"
        for agent in agents
        if len(agent["activeUsers"]) > agent["maxUsers"]
    ]


def _users_with_two_sessions(open_sessions: list[dict[str, Any]]) -> list[str]:
    counts = Counter((session["userId"], session["userType"]) for session in open_sessions)
    return [f"user {user} has {count} open sessions" for user, count in counts.items() if count > 1]


def _slots_and_sessions_that_differ(agents: list[dict[str, Any]], active: list[dict[str, Any]]) -> list[str]:
    slots = Counter(slot for agent in agents for slot in _slots_of(agent))
    sessions = Counter(
        (session["agentId"], session["_id"], session["userId"], session.get("slotId")) for session in active
    )
    return [
        *(f"a slot without its session: {slot}" for slot in (slots - sessions)),
        *(f"a session without its slot: {session}" for session in (sessions - slots)),
    ]


def _slots_of(agent: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the agent, session, user and id of each slot. Slots of earlier releases have no id."""
    ids = {slot["sessionId"]: slot["id"] for slot in agent.get("slots", ())}
    held = zip(agent["activeSessions"], agent["activeUsers"], strict=True)
    slots = [(agent["_id"], session_id, user_id, ids.pop(session_id, None)) for session_id, user_id in held]
    return slots + [(agent["_id"], session_id, None, slot_id) for session_id, slot_id in ids.items()]


def _agents_whose_fields_differ(agents: list[dict[str, Any]]) -> list[str]:
    return [
        f"agent {agent['name']}: load {agent['load']}, hasRoom {agent['hasRoom']}, but {agent['activeSessions']}"
        for agent in agents
        if agent["load"] != len(agent["activeSessions"]) or agent["hasRoom"] != _has_room(agent)
    ]


def _has_room(agent: dict[str, Any]) -> bool | None:
    return None if agent.get("kind") == "bot" else len(agent["activeSessions"]) < agent["maxUsers"]


def _waiting_beside_a_free_slot(agents: list[dict[str, Any]], waiting: list[dict[str, Any]]) -> list[str]:
    free = [agent for agent in agents if agent["isOnline"] and not agent["isAway"] and agent["hasRoom"]]
    return [
        f"{session['userId']} waits beside a free slot of {agent['name']}"
        for session in waiting
        for agent in free
        if not (session.get("avoidStrictly") and session.get("avoidAgentId") == agent["_id"])
        and _may_have(agent, session.get("reservedFor"))
    ]


def _may_have(agent: dict[str, Any], department_id: Any) -> bool:
    listed = agent.get("departmentIds")
    return department_id is None or listed is None or department_id in listed


def _at_agents_who_may_not_have_them(agents: list[dict[str, Any]], active: list[dict[str, Any]]) -> list[str]:
    """Find sessions whose agents may not have them, except those that were assigned before the agents changed.

    A slot that was taken before the change may be given to its session a moment later.
    """
    by_id = {agent["_id"]: agent for agent in agents}
    return [
        f"{session['userId']} is with {agent['name']}, who may not have sessions of its department"
        for session in active
        if (agent := by_id.get(session["agentId"])) is not None
        and not _may_have(agent, session.get("departmentId"))
        and session.get("assignment", {}).get("reason") != "overflow"
        and session["assignedAt"] > agent.get("departmentsSince", LONG_AGO) + timedelta(seconds=1)
    ]


def _departments_that_differ(
    database: pymongo.database.Database[dict[str, Any]],
    open_sessions: list[dict[str, Any]],
    agents: list[dict[str, Any]],
) -> list[str]:
    known = {department["_id"] for department in database.departments.find({}, {"_id": 1})}
    return [
        *(
            f"{session['userId']} is of a department that is gone"
            for session in open_sessions
            if session.get("departmentId") is not None and session["departmentId"] not in known
        ),
        *(
            f"{session['userId']} is {session['status']} and kept for another department than its own"
            for session in open_sessions
            if (kept := session.get("reservedFor")) is not None
            and (kept != session.get("departmentId") or session["status"] != "waiting")
        ),
        *(
            f"agent {agent['name']} has a department that is gone"
            for agent in agents
            if not known >= set((agent.get("departmentIds") or [NO_DEPARTMENT])[1:])
        ),
    ]
