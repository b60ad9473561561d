"""Live updates for consoles: the queue, and for supervisors every session and agent as it changes.

A change names only its session or agent. Processes with consoles then read the current state, once for all of their
consoles and at a limited rate. No chat waits for that, and it costs nothing without consoles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pymongo
from bson import ObjectId

from chatsupport import orders, serializers
from chatsupport.background import Buffered, Throttled
from chatsupport.broadcasts import is_heard_here, person_room
from chatsupport.database.clock import now
from chatsupport.documents import Agent, Session
from chatsupport.documents.session import QUEUE_ORDER, WAITING
from chatsupport.features.consoles import broadcasts
from chatsupport.features.consoles.orders import TellConsoles
from chatsupport.identity import AGENT, SYSTEM, Caller
from chatsupport.services.assignment import queue, staffing
from chatsupport.services.sessions import lists
from chatsupport.services.shared import access

SESSION = "session"
Item = tuple[str, ObjectId]
"""The kind of the changed thing (SESSION or AGENT), and its id."""
Items = dict[Item, None]

CHANGES_SECONDS = 0.2
QUEUE_SECONDS = 1.0
LOOK_UP_SECONDS = 5.0
SHOWN = 50
"""How many waiting sessions are listed."""

_told_queue: dict[str, Any] = {}
"""The state of the queue that was sent last."""


def queue_overview(caller: Caller) -> dict[str, Any]:
    """Return how many sessions wait, for how many seconds, and the first of them.

    For agents, supervisors and operators. Only callers who may enter every session get the sessions' ids.
    """
    access.require_agent(caller)
    access.refuse_bots(caller)
    sees_all = caller.type == SYSTEM or access.is_supervisor(caller)
    total, since = queue.waiting()
    return {
        "total": total,
        "longestWait": 0 if since is None else serializers.milliseconds_between(since, now()) // 1000,
        "departments": _departments() if total else [],
        "sessions": _first_in_queue(with_ids=sees_all),
    }


def changed(session_id: ObjectId | None = None, *agent_ids: ObjectId | None) -> None:
    """Announce a session and agents to the consoles, soon and together with other changes."""
    _add(_changed, [session_id], agent_ids)


def obey(order: TellConsoles) -> None:
    """Do this process's part of `changed`."""
    tell_here(order.session_ids, order.agent_ids)


def tell_here(session_ids: Sequence[str] = (), agent_ids: Sequence[str] = ()) -> None:
    """Send the consoles of this process the state of these sessions and agents, and of the queue."""
    if not is_heard_here(broadcasts.AGENTS_ROOM):
        return
    _tell_queue()
    if not is_heard_here(broadcasts.SUPERVISORS_ROOM):
        # An agent also gets its own changes, so that its other browsers show them.
        session_ids, agent_ids = (), [one for one in agent_ids if is_heard_here(person_room(one, AGENT))]
    if session_ids or agent_ids:
        _add(_to_tell, map(ObjectId, session_ids), map(ObjectId, agent_ids))


def forget_queue() -> None:
    """Forget which state of the queue was sent last, because a new console has not got it."""
    _told_queue.clear()
    _tell_queue()


def _pass_on(changed: Items) -> None:
    """Tell all processes in one order what has changed."""
    session_ids, agent_ids = _ids_of(SESSION, changed), _ids_of(AGENT, changed)
    orders.give(TellConsoles(session_ids=[str(one) for one in session_ids], agent_ids=[str(one) for one in agent_ids]))


def _tell(changed: Items) -> None:
    session_ids, agent_ids = _ids_of(SESSION, changed), _ids_of(AGENT, changed)
    with pymongo.timeout(LOOK_UP_SECONDS):
        sessions = list(Session.collection().find({"_id": {"$in": session_ids}})) if session_ids else []
        serialized = lists.serialize(sessions)
        agents = list(Agent.collection().find({"_id": {"$in": agent_ids}})) if agent_ids else []
    for session in serialized:
        broadcasts.session_changed(session)
    for agent in agents:
        broadcasts.agent_changed({**serializers.agent(agent), "load": agent.get("load", 0)})
    for gone in set(agent_ids) - {agent["_id"] for agent in agents}:
        broadcasts.agent_deleted(gone)


def _tell_queue_now() -> None:
    with pymongo.timeout(LOOK_UP_SECONDS):
        total, since = queue.waiting()
        first, departments = (_first_in_queue(with_ids=True), _departments()) if total else ([], [])
    since_when = serializers.iso(since)
    state = {"waiting": total, "longestWaitingSince": since_when, "departments": departments, "sessions": first}
    if state != _told_queue:
        _told_queue.update(state)
        broadcasts.queue_changed(state)


_changed: Buffered[Item, None] = Buffered(_pass_on, CHANGES_SECONDS, at_once=True)
"""Sessions and agents that this process has changed."""
_to_tell: Buffered[Item, None] = Buffered(_tell, CHANGES_SECONDS, at_once=True, on_leaving=False)
"""Sessions to send to the supervisors here, and agents to send to them or to the agents themselves."""
_tell_queue = Throttled(_tell_queue_now, QUEUE_SECONDS)


def _departments() -> list[dict[str, Any]]:
    """Return the departments whose sessions wait for their agents."""
    fields = ("id", "name", "waiting", "isStarving")
    return [{field: one[field] for field in fields} for one in staffing.waiting_departments()]


def _first_in_queue(*, with_ids: bool) -> list[dict[str, Any]]:
    """Return the first `SHOWN` waiting sessions, with their ids if the caller may enter every session."""
    fields = {"userId": 1, "queuedAt": 1, "departmentId": 1}
    rows = list(Session.collection().find({"status": WAITING}, fields, sort=QUEUE_ORDER, limit=SHOWN))
    return [
        {
            **({"sessionId": str(row["_id"])} if with_ids else {}),
            "userId": row["userId"],
            "departmentId": serializers.id_or_none(row.get("departmentId")),
            "position": place,
            "waitingSince": serializers.iso(row.get("queuedAt")),
        }
        for row, (_, place) in zip(rows, queue.numbered(rows), strict=True)
    ]


def _add(
    to: Buffered[Item, None], session_ids: Iterable[ObjectId | None], agent_ids: Iterable[ObjectId | None]
) -> None:
    for kind, ids in ((SESSION, session_ids), (AGENT, agent_ids)):
        for one in ids:
            if one is not None:
                to.add((kind, one), None)


def _ids_of(kind: str, items: Items) -> list[ObjectId]:
    return [one for item_kind, one in items if item_kind == kind]
