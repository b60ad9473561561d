"""The rules that hold in the database whenever nothing is in progress."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pymongo.database


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
        if agent["load"] != len(agent["activeSessions"])
        or agent["hasRoom"] != (len(agent["activeSessions"]) < agent["maxUsers"])
    ]


def _waiting_beside_a_free_slot(agents: list[dict[str, Any]], waiting: list[dict[str, Any]]) -> list[str]:
    free = [agent for agent in agents if agent["isOnline"] and not agent["isAway"] and agent["hasRoom"]]
    return [
        f"{session['userId']} waits beside a free slot of {agent['name']}"
        for session in waiting
        for agent in free
        if not (session.get("avoidStrictly") and session.get("avoidAgentId") == agent["_id"])
    ]
