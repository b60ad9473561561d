"""What the sockets of this process were told of sessions, and telling them what they have missed (`catch_up`).

While Redis is away, or if there is none, the events of other processes are lost. So each process remembers what its
sockets heard last, compares it with the database every so often, and tells its own sockets, without Redis, what is true
now. If they have heard everything, it only tells them the last seqs of the sessions in which somebody writes.

This makes up for events that were told and got lost. `services/shared/outbox.py` tells those that were never told,
because a process was killed.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from bson import ObjectId

from chatsupport import broadcasts, orders
from chatsupport.background import Throttled
from chatsupport.documents import Agent, Session
from chatsupport.documents.session import ACTIVE, ENDED, WAITING
from chatsupport.errors import SessionNotFoundError
from chatsupport.orders import LeaveSession
from chatsupport.services.assignment import agent_presence, queue, transitions
from chatsupport.services.messages import sequences
from chatsupport.services.presence import membership
from chatsupport.services.server import processes
from chatsupport.services.sessions import lists, reading
from chatsupport.services.shared.shared_commands import SharedCommands

Document = dict[str, Any]
State = tuple[str, str | None]
"""A session's status, and the agent who has it."""
Assignment = tuple[str, str]
"""An agent and a session."""

EVENTS = frozenset({"agent_assigned", "session_assigned", "session_unassigned", "session_ended", "session_updated"})

INTERVAL_SECONDS, LOOK_SECONDS = 15.0, 0.1
ACTIVE_SECONDS = 60.0
_WHAT_ROOMS_ARE_TOLD = dict.fromkeys(
    ("status", "userId", "agentId", "unassignedReason", "endReason", "endedAt", "endedBy"), 1
)

_mutex = threading.Lock()
_rooms: dict[str, set[State]] = {}
"""The states of a session that its sockets here were told last. Sockets that joined at different times may know
different ones.
"""
_users: dict[str, set[str]] = {}
"""The users of a session that its sockets here know: another process may identify a guest."""
_lists: dict[str, set[str]] = {}
"""The sessions of each agent with sockets here, as far as any of these sockets knows."""
_doubtful: set[Assignment] = set()
"""Those of them that some of the agent's sockets may not know of, or no longer."""
_newcomers: set[str] = set()
"""The agents whose sessions are not looked up yet."""
_heard: set[str] = set()
"""The sessions that something was announced of, or that a socket has joined, since a round began."""
_seqs: dict[ObjectId, tuple[int, float]] = {}
"""Each joined session's last seq, and when it was first seen."""


def joined(session_id: ObjectId, joined_state: Mapping[str, Any], user_id: str) -> None:
    """Note the state and the user of a session that a joining socket was told."""
    others_are_here = broadcasts.is_heard_here(broadcasts.session_room(session_id))
    state = _state(joined_state["status"], joined_state["agentId"])
    _add(_rooms, str(session_id), state, others_are_here)
    _add(_users, str(session_id), user_id, others_are_here)
    _heard.add(str(session_id))
    queue.told(session_id, joined_state["queuePosition"])


def agent_arrives(agent_id: str) -> None:
    """Forget which sessions an agent has whose first socket here is about to be let in."""
    _lists.pop(agent_id, None)


def agent_connected(agent_id: str) -> None:
    """Note which sessions an agent has, one of whose sockets is being let in.

    The socket reads them itself later, and must hear what changes from now on. A process that is alone hears every
    change, so it looks them up soon. Others do so at once.
    """
    if not processes.here.is_alone():
        _note_list(agent_id)
    elif agent_id not in _lists:
        _lists[agent_id] = set()
        _newcomers.add(agent_id)
        look_at_newcomers()


def _note_list(agent_id: str) -> None:
    try:
        has = {session_id for found in _assigned_together([agent_id]) for session_id in found["sessions"]}
    except Exception:
        _lists.setdefault(agent_id, set())
        raise
    known = _lists.setdefault(agent_id, has)
    # The other sockets were not told of some of these, and this one will not find some of those that they know.
    _doubtful.update((agent_id, session_id) for session_id in has ^ known)
    known.update(has)


def _look_at_newcomers() -> None:
    with _mutex:
        _note_newcomers()


def _note_newcomers() -> None:
    while _newcomers:
        looked_at = list(_newcomers)
        for found in _assigned_to(looked_at):
            _lists.setdefault(found["_id"], set()).update(found["sessions"])
        _newcomers.difference_update(looked_at)


look_at_newcomers = Throttled(_look_at_newcomers, LOOK_SECONDS)


def knows_of(agent_id: str, session_id: ObjectId) -> None:
    """Note that a socket of an agent has joined the agent's own session: it must be told if it loses the session."""
    known = _lists.setdefault(agent_id, set())
    if str(session_id) not in known:
        known.add(str(session_id))
        if agent_id not in _newcomers:
            _doubtful.add((agent_id, str(session_id)))


def refused(agent_id: str, session_id: ObjectId) -> None:
    """Note that a socket of an agent was refused a session: it believes that it does not have it, and must be told if
    it does.
    """
    if str(session_id) in _lists.get(agent_id, ()):
        _doubtful.add((agent_id, str(session_id)))


def heard(event: str, data: Mapping[str, Any], rooms: Collection[str]) -> None:
    """Note that an event, one of `EVENTS`, is on its way to the sockets of this process in these rooms."""
    session_id: str = data["id"] if "id" in data else data["sessionId"]
    if event == "session_updated":
        if session_id in _users:
            _users[session_id] = {data["userId"]}
        return
    _heard.add(session_id)
    if event == "session_assigned":
        if data["agentId"] in _lists:
            _lists[data["agentId"]].add(session_id)
            _doubtful.discard((data["agentId"], session_id))
        return
    if event == "session_unassigned":
        _forget(data["agentId"], session_id)
    else:
        queue.forget_place(ObjectId(session_id))
    if session_id in _rooms and broadcasts.session_room(session_id) in rooms:
        status = {"agent_assigned": ACTIVE, "session_ended": ENDED}.get(event, WAITING)
        _rooms[session_id] = {_state(status, data.get("agentId"))}


def catch_up() -> None:
    """Tell the sockets of this process what they have missed, and the last seqs of their sessions."""
    with _mutex:
        _compare_rooms()
        _compare_lists()
    _tell_last_seqs()


def evict_strangers() -> None:
    """Take agents out of sessions here that they no longer have. An agent who has not heard of the loss is told.

    Otherwise it would not know that it is outside, if it has the session again when all are compared.
    """
    with _mutex:
        _heard.clear()
        strangers = membership.strangers_here()
        ids = list({session_id for session_id, _ in strangers})
        rows = Session.collection().find({"_id": {"$in": ids}}, {"unassignedReason": 1}) if ids else ()
        why = {session["_id"]: _why_unassigned(session) for session in rows}
        for session_id, person in strangers:
            knows = str(session_id) in _lists.get(person.id, ()) and str(session_id) not in _heard
            if knows and session_id in why:
                broadcasts.session_lost(session_id, ObjectId(person.id), why[session_id])
            else:
                # Whoever obeys this looks again whether the agent has the session.
                leave = LeaveSession(session_id=str(session_id), person_id=person.id, person_type=person.type)
                orders.give(leave, here=True)


def _compare_rooms() -> None:
    joined_here = {str(session_id): session_id for session_id in membership.joined_sessions()}
    known: dict[str, set[Any]]
    for known in (_rooms, _users):
        for gone in known.keys() - joined_here.keys():
            del known[gone]
    if not joined_here:
        return
    _heard.clear()
    rows = list(Session.collection().find({"_id": {"$in": list(joined_here.values())}}, _WHAT_ROOMS_ARE_TOLD))
    changed = [row for row in rows if _rooms.get(str(row["_id"])) != {_state_of(row)}]
    agents = _agents_of(changed)
    # A session that was heard of or joined meanwhile is compared in the next round.
    for session in changed:
        session_id = str(session["_id"])
        if session_id in _rooms and session_id not in _heard:
            _tell_room(session, _rooms[session_id], agents)
    for session in rows:
        if _users.get(str(session["_id"]), {session["userId"]}) != {session["userId"]}:
            with contextlib.suppress(SessionNotFoundError):
                broadcasts.session_updated(*reading.describe_stored(session["_id"]), here=True)
    if any(session["status"] == WAITING for session in rows):
        queue.announce_here()


def _tell_room(session: Document, known: Iterable[State], agents: Mapping[ObjectId, Document]) -> None:
    """Tell a room the state of its session. Its sockets know these states; `heard` notes what they are told."""
    session_id, now = session["_id"], _state_of(session)
    if now[0] == ENDED:
        broadcasts.session_ended(session, here=True)
        return
    for _, agent_id in set(known) - {now}:
        if agent_id is not None and agent_id != now[1]:
            broadcasts.session_unassigned(session_id, ObjectId(agent_id), _why_unassigned(session), here=True)
    if now[0] == ACTIVE and session["agentId"] in agents:
        broadcasts.agent_assigned(session, agents[session["agentId"]], here=True)


def _compare_lists() -> None:
    here = {str(agent_id) for agent_id in agent_presence.connected_here()}
    for gone in _lists.keys() - here:
        del _lists[gone]
    _note_newcomers()
    _heard.clear()
    known = {(agent_id, session_id) for agent_id, theirs in list(_lists.items()) for session_id in tuple(theirs)}
    _doubtful.intersection_update(known)
    present = {(row["_id"], session_id) for row in _assigned_to(list(_lists)) for session_id in row["sessions"]}
    differing = (present ^ known) | _doubtful
    if not differing:
        return
    ids = [ObjectId(session_id) for _, session_id in differing]
    # Read again, because what an agent has heard, joined or read in the meantime is newer than the first read.
    rows = {str(row["_id"]): row for row in Session.collection().find({"_id": {"$in": ids}})}
    has = [pair for pair in differing if _state_in(rows, pair[1]) == (ACTIVE, pair[0])]
    serialized = lists.serialize([rows[session_id] for _, session_id in has])
    # Nothing yields from here on until a loss is told. A session that was heard of or joined meanwhile waits for the
    # next round.
    looked_up = _lists.keys() - _newcomers
    compared = {pair for pair in differing if pair[0] in looked_up and pair[1] not in _heard}
    for pair, session in zip(has, serialized, strict=True):
        if pair in compared and (pair in _doubtful or pair[1] not in _lists[pair[0]]):
            broadcasts.session_assigned(ObjectId(pair[0]), session, here=True)
    for agent_id, session_id in compared.difference(has):
        # To tell a loss takes the agent out of the session, which yields.
        if session_id in _lists.get(agent_id, ()) and session_id not in _heard:
            _tell_of_loss(agent_id, session_id, rows.get(session_id))


def _tell_of_loss(agent_id: str, session_id: str, session: Document | None) -> None:
    # An agent is told the end of its own session in the session's room.
    if session is None or (session["status"] == ENDED and str(session.get("agentId")) == agent_id):
        _forget(agent_id, session_id)
    else:
        broadcasts.session_lost(session["_id"], ObjectId(agent_id), _why_unassigned(session))


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


def _assigned_to(agent_ids: Collection[str]) -> list[Document]:
    """Return these agents, each with the ids of its sessions. The index alone answers this."""
    theirs = {"agentId": {"$in": [ObjectId(agent_id) for agent_id in agent_ids]}, "status": ACTIVE}
    found: dict[str, set[str]] = {}
    for row in Session.collection().find(theirs, {"agentId": 1}) if agent_ids else ():
        found.setdefault(str(row["agentId"]), set()).add(str(row["_id"]))
    return [{"_id": agent_id, "sessions": sessions} for agent_id, sessions in found.items()]


_assigned_together: SharedCommands[str] = SharedCommands(_assigned_to)


def _agents_of(sessions: Iterable[Document]) -> dict[ObjectId, Document]:
    ids = list({session["agentId"] for session in sessions if session["status"] == ACTIVE})
    agents = Agent.collection().find({"_id": {"$in": ids}}, reading.SEEN_OF_AGENT) if ids else ()
    return {agent["_id"]: agent for agent in agents}


def _add(known: dict[str, set[Any]], session_id: str, value: Any, others_are_here: bool) -> None:
    if others_are_here:
        known.setdefault(session_id, set()).add(value)
    else:
        known[session_id] = {value}


def _forget(agent_id: str, session_id: str) -> None:
    _lists.get(agent_id, set()).discard(session_id)
    _doubtful.discard((agent_id, session_id))


def _why_unassigned(session: Document) -> str:
    reason: str = session.get("unassignedReason", transitions.TRANSFERRED)
    return reason


def _state_in(rows: Mapping[str, Document], session_id: str) -> State | None:
    return _state_of(rows[session_id]) if session_id in rows else None


def _state_of(session: Document) -> State:
    return _state(session["status"], session.get("agentId"))


def _state(status: str, agent_id: object) -> State:
    return status, str(agent_id) if status == ACTIVE else None
