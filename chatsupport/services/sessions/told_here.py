"""What the sockets of this process were told of sessions, and telling them what they have missed (`catch_up`).

While Redis is away, or if there is none, the events of other processes are lost. So each process remembers what its
sockets heard last, compares it with the database every so often, and tells its own sockets, without Redis, what is true
now. If they have heard everything, it only tells them the last seqs of the sessions in which somebody writes.

This makes up for events that were told and got lost. `services/shared/outbox.py` tells those that were never told,
because a process was killed.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from chatsupport import broadcasts
from chatsupport.background import Throttled
from chatsupport.database.clock import now
from chatsupport.documents import Session
from chatsupport.documents.session import ACTIVE, ENDED, WAITING
from chatsupport.services.assignment import agent_presence, queue, transitions
from chatsupport.services.messages import sequences
from chatsupport.services.presence import membership
from chatsupport.services.sessions import lists, reading

Document = dict[str, Any]
State = tuple[str, str | None]
"""A session's status, and the agent who has it."""

EVENTS = frozenset({"agent_assigned", "session_assigned", "session_unassigned", "session_ended", "session_updated"})

INTERVAL_SECONDS = 15.0
ACTIVE_SECONDS = 60.0
SLACK = timedelta(seconds=1)
_WHAT_ROOMS_ARE_TOLD = dict.fromkeys(
    ("status", "userId", "agentId", "unassignedReason", "endReason", "endedAt", "endedBy"), 1
)

CONNECTED_SECONDS = 0.1

_mutex = threading.Lock()
_rooms: dict[str, State] = {}
"""The last state of a session that the sockets joined here were told."""
_users: dict[str, str] = {}
"""The user of each session, as the sockets joined here know it: another process may identify a guest."""
_assigned: set[tuple[str, str]] = set()
"""The agents, with the sessions that their sockets were told they have."""
_doubtful: set[tuple[str, str]] = set()
"""Those of them that came about while the agent connected: its list may be older, and the event got lost."""
_heard: set[str] = set()
"""The sessions that something was announced of since they were last checked."""
_agents: set[str] = set()
"""The agents with sockets here whose last announcements are known."""
_connected_at: dict[str, datetime] = {}
"""When the agents connected whose sessions are not looked up yet."""
_looked_at: datetime | None = None
_seqs: dict[ObjectId, tuple[int, float]] = {}
"""Each joined session's last seq, and when it was first seen."""


def joined(session_id: ObjectId, joined_state: Document) -> None:
    """Note the state that a joining socket was told, unless other sockets here may have missed that state."""
    if str(session_id) not in _rooms or not broadcasts.is_heard_here(broadcasts.session_room(session_id)):
        _rooms[str(session_id)] = _state(joined_state["status"], joined_state["agentId"])


def saw_user(session_id: ObjectId, user_id: str) -> None:
    """Note the user of a session that is about to be joined, unless other sockets here may know another user."""
    _users.setdefault(str(session_id), user_id)


def knows_of(agent_id: str, session_id: ObjectId) -> None:
    """Note that an agent has joined its own session: it knows of it, and must be told if it loses it."""
    _is_told(agent_id, str(session_id))


def refused(agent_id: str, session_id: ObjectId) -> None:
    """Note that an agent was refused a session: it believes that it does not have it, and must be told if it does."""
    _assigned.discard((agent_id, str(session_id)))


def heard(event: str, data: Document) -> None:
    """Note that an event, one of `EVENTS`, is on its way to the sockets of this process."""
    session_id: str = data["id"] if "id" in data else data["sessionId"]
    if event == "session_updated":
        _users[session_id] = data["userId"]
        return
    _heard.add(session_id)
    if event == "session_assigned":
        _is_told(data["agentId"], session_id)
        return
    if event == "session_unassigned":
        _assigned.discard((data["agentId"], session_id))
    if session_id in _rooms:
        status = {"agent_assigned": ACTIVE, "session_ended": ENDED}.get(event, WAITING)
        _rooms[session_id] = _state(status, data.get("agentId"))


def catch_up() -> None:
    """Tell the sockets of this process what they have missed, and the last seqs of their sessions."""
    with _mutex:
        _compare_rooms()
        _compare_agents()
    _tell_last_seqs()


def agent_connected(agent_id: str) -> None:
    """Look soon which sessions an agent has that is being let in: it reads that itself, and must hear what changes.

    It may read them before this process does.
    """
    _connected_at.setdefault(agent_id, now())
    look_at_newcomers()


def _look_at_newcomers() -> None:
    with _mutex:
        here = {str(agent_id) for agent_id in agent_presence.connected_here()}
        for gone in _connected_at.keys() - here:
            del _connected_at[gone]
        newcomers = _connected_at.keys() - _agents
        found = _assigned_to(newcomers)
        _assigned.update(found)
        _doubtful.update(pair for pair, session in found.items() if _is_since(session, _connected_at[pair[0]]))
        _agents.update(newcomers)
        for looked_at in _connected_at.keys() & _agents:
            del _connected_at[looked_at]


look_at_newcomers = Throttled(_look_at_newcomers, CONNECTED_SECONDS)


def _is_told(agent_id: str, session_id: str) -> None:
    _assigned.add((agent_id, session_id))
    _doubtful.discard((agent_id, session_id))


def _compare_rooms() -> None:
    joined_here = {str(session_id): session_id for session_id in membership.joined_sessions()}
    for known in (_rooms, _users):
        for gone in known.keys() - joined_here.keys():
            del known[gone]
    if not joined_here:
        return
    _heard.clear()
    waits = False
    rows = Session.collection().find({"_id": {"$in": list(joined_here.values())}}, _WHAT_ROOMS_ARE_TOLD)
    for session in rows:
        session_id, state = str(session["_id"]), _state_of(session)
        waits = waits or state[0] == WAITING
        told = _rooms.setdefault(session_id, state)
        if told != state and session_id not in _heard:
            _tell_room(session, told)
            _rooms[session_id] = state
        if _users.setdefault(session_id, session["userId"]) != session["userId"]:
            broadcasts.session_updated(*reading.describe_stored(session["_id"]), here=True)
    if waits:
        queue.announce_here()


def _tell_room(session: Document, told: State) -> None:
    if session["status"] == ENDED:
        broadcasts.session_ended(session, here=True)
    elif session["status"] == WAITING:
        if told[1] is not None:
            broadcasts.session_unassigned(session["_id"], ObjectId(told[1]), _why_unassigned(session), here=True)
    elif (agent := reading.agent_of(session)) is not None:
        broadcasts.agent_assigned(session, agent, here=True)


def _compare_agents() -> None:
    global _agents, _looked_at
    looked_at, agents = now(), {str(agent_id) for agent_id in agent_presence.connected_here()}
    before = _looked_at or looked_at
    _heard.clear()
    present = _assigned_to(agents)
    # For an agent that has connected since the last round, the changes in the meantime.
    missed = [
        session
        for pair, session in present.items()
        if pair[1] not in _heard
        and (pair in _doubtful or (pair not in _assigned and (pair[0] in _agents or _is_since(session, before))))
    ]
    lost = {
        (agent_id, session_id)
        for agent_id, session_id in _assigned - present.keys()
        if agent_id in agents and session_id not in _heard
    }
    _assigned.intersection_update([pair for pair in _assigned - lost if pair[0] in agents])
    # What was heard in the meantime is compared in the next round.
    _assigned.update(pair for pair in present if pair[1] not in _heard)
    _doubtful.intersection_update([pair for pair in _assigned if pair[1] in _heard])
    _agents, _looked_at = agents, looked_at
    for session, serialized in zip(missed, lists.serialize(missed), strict=True):
        broadcasts.session_assigned(session["agentId"], serialized, here=True)
    ids = [ObjectId(session_id) for _, session_id in lost]
    rows = {str(row["_id"]): row for row in (Session.collection().find({"_id": {"$in": ids}}) if ids else ())}
    for agent_id, session_id in lost:
        row = rows.get(session_id)
        # An agent is told the end of its own session in the session's room.
        if row is not None and (row["status"] != ENDED or str(row.get("agentId")) != agent_id):
            broadcasts.session_unassigned(row["_id"], ObjectId(agent_id), _why_unassigned(row), here=True)


def _tell_last_seqs() -> None:
    """Tell the last seq to the rooms of this process that were active in the last minute."""
    joined_here = membership.joined_sessions()
    last_seqs = sequences.last_seqs(joined_here)
    time_now = time.monotonic()
    for gone in _seqs.keys() - joined_here:
        del _seqs[gone]
    for session_id, seq in last_seqs.items():
        known = _seqs.get(session_id)
        if known is None or known[0] != seq:
            _seqs[session_id] = known = (seq, time_now)
        if time_now - known[1] < ACTIVE_SECONDS:
            broadcasts.session_sync(session_id, seq)


def _is_since(session: Document, time: datetime) -> bool:
    assigned_at: datetime = session.get("assignedAt", time)
    return assigned_at > time - SLACK


def _assigned_to(agents: set[str]) -> dict[tuple[str, str], Document]:
    """Return the sessions that these agents have."""
    theirs = {"agentId": {"$in": [ObjectId(agent_id) for agent_id in agents]}, "status": ACTIVE}
    sessions_of = Session.collection().find(theirs) if agents else ()
    return {(str(session["agentId"]), str(session["_id"])): session for session in sessions_of}


def _why_unassigned(session: Document) -> str:
    reason: str = session.get("unassignedReason", transitions.TRANSFERRED)
    return reason


def _state_of(session: Document) -> State:
    return _state(session["status"], session.get("agentId"))


def _state(status: str, agent_id: object) -> State:
    return status, str(agent_id) if status == ACTIVE else None
