"""The presence of agents: each has a lease, renewed while any of its sockets is open in any process.

The agent or the operator sets `isOnline`; presence never changes it. An agent that has ever connected by
socket has `presentUntil`. When that passes, it is away: it gets no new sessions, and its open ones go back to the front
of the queue. An agent that never connected, because it works by REST alone, has no lease and goes by `isOnline`.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from chatsupport import events, orders
from chatsupport.database.clock import elapsed, now
from chatsupport.documents import Agent
from chatsupport.documents.agent import BOT, is_bot, role_of
from chatsupport.events import AgentsCameBack, AgentWentAway
from chatsupport.extensions import settings
from chatsupport.identity import AGENT
from chatsupport.orders import CloseSockets
from chatsupport.services.assignment import serving, transitions
from chatsupport.services.server import processes

logger = logging.getLogger(__name__)

RECOVERY_SECONDS = 10.0
"""The longest time after a break until every process beats again, because an operation in progress must fail first."""

_mutex = threading.Lock()
_connections: dict[ObjectId, set[str]] = {}
"""The connections of each agent in this process."""
_renewed_at = [0.0]


def heartbeat_seconds() -> float:
    """Return how often a process renews its agents' leases: four times before one expires."""
    return max(0.25, min(15.0, settings.config.agent_grace / 4))


def look_seconds() -> float:
    """Return how often to look for expired times: a quarter of the shortest time configured, 0.25 to 5 s."""
    config = settings.config
    times = [config.agent_grace, config.no_reply_after, config.idle_end_after]
    return max(0.25, min(5.0, *(seconds / 4 for seconds in times if seconds is not None)))


def connected(agent_id: ObjectId, connection_id: str) -> str | None:
    """Count a new connection, and return the agent's role, or BOT. An agent that was away gets sessions again."""
    with _mutex:
        _connections.setdefault(agent_id, set()).add(connection_id)
    time = now()
    lapsed = {"$and": [{"$gt": ["$presentUntil", None]}, {"$lte": ["$presentUntil", time]}]}
    is_away = {"$or": [{"$eq": ["$isAway", True]}, lapsed]}
    back = {name: {"$cond": [is_away, value, f"${name}"]} for name, value in _back(time).items()}
    # What `_renew` does, in one command, because each connection pays for it.
    before: dict[str, Any] | None = Agent.collection().find_one_and_update(
        {"_id": agent_id},
        [{"$set": {**back, "presentUntil": _of_people({"$max": ["$presentUntil", _lease_end(time)]})}}],
        projection={"isAway": 1, "presentUntil": 1, "role": 1, "kind": 1},
    )
    if before is None:
        return None
    until = before.get("presentUntil")
    if before.get("isAway") or (until is not None and until <= time):
        events.happened(AgentsCameBack([agent_id]))
    return BOT if is_bot(before) else role_of(before)


def disconnected(agent_id: ObjectId, connection_id: str) -> None:
    """Count a closed connection. The last one begins the grace period, unless another process renews the lease."""
    with _mutex:
        mine = _connections.get(agent_id, set())
        if connection_id not in mine:
            return
        mine.remove(connection_id)
        if mine:
            return
        del _connections[agent_id]
    # By the database's clock: a write that was delayed must not end the lease of an agent that has come back.
    grace = {"$add": ["$$NOW", round(_grace().total_seconds() * 1000)]}
    Agent.collection().update_one({"_id": agent_id}, [{"$set": {"presentUntil": _of_people(grace)}}])


def connected_here() -> list[ObjectId]:
    """Return the agents who have sockets in this process."""
    with _mutex:
        return list(_connections)


def beat() -> None:
    """Announce this process. After a break, renew its agents' leases first, because nobody could renew them."""
    if processes.here.beat():
        renew()


def renew() -> None:
    """Renew the leases of all agents with sockets here, and close the sockets of deleted agents."""
    mine = connected_here()
    if mine:
        _renew(mine)
        existing = {agent["_id"] for agent in Agent.collection().find({"_id": {"$in": mine}}, {"_id": 1})}
        for agent_id in set(mine) - existing:
            orders.give(CloseSockets(person_id=str(agent_id), person_type=AGENT))
    _renewed_at[0] = elapsed()


def look() -> None:
    """Take the sessions from agents that are gone, and serve the queue.

    A visitor may wait beside a free agent if a process never learned that the agent is free.
    """
    if elapsed() - _renewed_at[0] > heartbeat_seconds():
        renew()  # This process itself was late.
    time = now()
    if all_could_renew():
        sweep(time)
    serving.drain_queue()


def all_could_renew() -> bool:
    """Tell whether somebody who did nothing in time is really away: the processes and the database have not stood
    still, or since then there was time to renew every lease. The caller must have read the time before it asks.
    """
    recovery = min(RECOVERY_SECONDS, max(RECOVERY_SECONDS / 2, settings.config.agent_grace))
    return processes.here.steady_seconds() >= heartbeat_seconds() + recovery


def sweep(time: datetime | None = None) -> int:
    """Mark agents whose lease had run out by that time (default: now) as away, and requeue their sessions. Returns how
    many agents these are.

    Sessions of agents that are away already are requeued too: one may have been on its way when the agent left.
    """
    agents = Agent.collection()
    newly_away = 0
    expired = {"isAway": False, "presentUntil": {"$lte": time or now()}}
    for agent in list(agents.find(expired, {"presentUntil": 1, "name": 1})):
        unchanged = {"_id": agent["_id"], "isAway": False, "presentUntil": agent["presentUntil"]}
        if agents.update_one(unchanged, {"$set": {"isAway": True, "updatedAt": now()}}).modified_count:
            newly_away += 1
            logger.info("Agent is away", extra={"event": "agent_away", "agent_id": str(agent["_id"])})
            events.happened(AgentWentAway(agent["_id"]))
    for agent in list(agents.find({"isAway": True, "load": {"$gt": 0}}, {"_id": 1})):
        # The agent may have returned in the meantime; its sessions are then new ones.
        if agents.find_one({"_id": agent["_id"], "isAway": True}, {"_id": 1}) is not None:
            transitions.requeue_all_of(agent["_id"], transitions.AWAY)
    return newly_away


def _renew(agent_ids: list[ObjectId]) -> None:
    """Renew leases. They last for one heartbeat more than the grace period, in case this process is killed."""
    agents, time = Agent.collection(), now()
    # An expired lease makes an agent unavailable at once, whether or not `sweep` has seen it yet.
    mine = {"_id": {"$in": agent_ids}, "kind": {"$ne": BOT}}
    away = {**mine, "$or": [{"isAway": True}, {"presentUntil": {"$lte": time}}]}
    returned = agents.update_many(away, {"$set": {**_back(time), "presentUntil": _lease_end(time)}})
    agents.update_many(mine, {"$max": {"presentUntil": _lease_end(time)}})
    if returned.modified_count:
        events.happened(AgentsCameBack(agent_ids))


def _back(time: datetime) -> dict[str, Any]:
    return {"isAway": False, "idleSince": time, "updatedAt": time}


def _of_people(value: object) -> dict[str, Any]:
    """Return the expression for a value that bots do not have: they have no presence."""
    return {"$cond": [{"$eq": ["$kind", BOT]}, "$$REMOVE", value]}


def _lease_end(time: datetime) -> datetime:
    return time + _grace() + timedelta(seconds=heartbeat_seconds())


def _grace() -> timedelta:
    return timedelta(seconds=settings.config.agent_grace)
