"""Alerts for agents whose console is closed: a new chat, a message in a chat, or waiting visitors.

Events are noted in memory and handled a moment later, so that no chat waits for a push, and an agent who reloads the
console gets none. Notes of a killed process are lost, and so is a push that fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from chatsupport.background import Buffered
from chatsupport.database.clock import now
from chatsupport.documents import Agent, Session
from chatsupport.documents.session import ACTIVE
from chatsupport.events import AgentWentAway, MessageStored, SessionAssigned, SessionRequeued, SessionStarted
from chatsupport.extensions import settings
from chatsupport.features.push import sending, subscriptions
from chatsupport.identity import USER
from chatsupport.services.assignment import agent_presence, queue, slots

Document = dict[str, Any]

ASSIGNED, MESSAGE, WAITING = "assigned", "message", "waiting"
SOON_SECONDS, WAITING_SECONDS = 2.0, 15.0
MARGIN = timedelta(seconds=1)
MOST_SUBSCRIPTIONS = 1000


def assigned(event: SessionAssigned) -> None:
    """Note that an agent has a new chat."""
    if subscriptions.any_known():
        _of_agents.add((ASSIGNED, event.session["_id"]), None)


def message_stored(event: MessageStored) -> None:
    """Note that a visitor has written."""
    if subscriptions.any_known() and event.message["senderType"] == USER:
        _of_agents.add((MESSAGE, event.message["sessionId"]), None)


def waits(event: SessionStarted | SessionRequeued) -> None:
    """Note that a visitor waits."""
    if subscriptions.any_known() and event.session.get("agentId") is None:
        _waiting.add(None, None)


def went_away(event: AgentWentAway) -> None:
    """Note that no agent may be present for the waiting visitors."""
    if subscriptions.any_known():
        _waiting.add(None, None)


def _tell_agents(noted: dict[tuple[str, ObjectId], None]) -> None:
    """Push to the agents of these sessions that have no console open."""
    ids = list({session_id for _, session_id in noted})
    open_ones = {"_id": {"$in": ids}, "status": ACTIVE}
    agent_of = {row["_id"]: row["agentId"] for row in Session.collection().find(open_ones, {"agentId": 1})}
    by_agent = _grouped(subscriptions.of(set(agent_of.values())))
    for gone in by_agent.keys() - _without_console(by_agent):
        del by_agent[gone]
    for kind, session_id in noted:
        for subscription in by_agent.get(agent_of.get(session_id), ()):
            sending.push(subscription, {"type": kind, "sessionId": str(session_id)}, topic=str(session_id))


def _tell_of_waiting(_: object) -> None:
    """Push to the agents who may have a session that waits, if no such agent is present."""
    unattended = [one for one in queue.departments_waiting() if not slots.any_there(one)]
    if not unattended:
        return
    waiting = queue.count_waiting()
    by_agent = _grouped(subscriptions.of_all(MOST_SUBSCRIPTIONS))
    which: Document = {"isOnline": True}
    if None not in unattended:
        which["departmentIds"] = {"$in": [None, *unattended]}
    for agent_id in _without_console(by_agent, which):
        for subscription in by_agent[agent_id]:
            sending.push(subscription, {"type": WAITING, "waiting": waiting}, topic=WAITING)


_of_agents: Buffered[tuple[str, ObjectId], None] = Buffered(_tell_agents, SOON_SECONDS, on_leaving=False, most=10_000)
_waiting: Buffered[None, None] = Buffered(_tell_of_waiting, WAITING_SECONDS, at_once=True, on_leaving=False)


def _grouped(found: Iterable[Document]) -> dict[ObjectId | None, list[Document]]:
    by_agent: dict[ObjectId | None, list[Document]] = {}
    for subscription in found:
        by_agent.setdefault(subscription["agentId"], []).append(subscription)
    return by_agent


def _without_console(agent_ids: Iterable[ObjectId | None], which: Document | None = None) -> set[ObjectId]:
    """Return the agents among these that have no socket in any process, and for which `which` is true."""
    here, time = set(agent_presence.connected_here()), now()
    found = Agent.collection().find({**(which or {}), "_id": {"$in": list(agent_ids)}}, {"presentUntil": 1})
    return {agent["_id"] for agent in found if agent["_id"] not in here and not _is_connected(agent, time)}


def _is_connected(agent: Mapping[str, Any], time: datetime) -> bool:
    """Tell whether an agent has a socket. While it has one, its lease lasts for longer than the grace period."""
    until = agent.get("presentUntil")
    grace = timedelta(seconds=settings.config.agent_grace)
    return until is not None and bool(until > time + grace - MARGIN)
