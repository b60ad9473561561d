"""The matching rules: which session is next, whose slot it gets, and which sessions a free agent may have.

`serving` applies them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bson import ObjectId

from chatsupport.documents import Agent, Session
from chatsupport.documents.session import QUEUE_ORDER, WAITING
from chatsupport.services.assignment import slots
from chatsupport.services.assignment.slots import Slot

Document = dict[str, Any]


def next_waiting(passed: Sequence[ObjectId] = (), limit: int = 1) -> list[Document]:
    """Return the first sessions of the queue, except those that must not go to the agents in `passed`."""
    query: Document = {"status": WAITING}
    if passed:
        query["$nor"] = [{"avoidStrictly": True, "avoidAgentId": {"$in": list(passed)}}]
    return list(Session.collection().find(query, sort=QUEUE_ORDER, limit=limit, batch_size=limit + 1))


def claim_slot_for(session: Mapping[str, Any]) -> Slot | None:
    """Take a slot for the session: of the agent it had last time, or else of the least loaded agent.

    An agent that gave the session away gets it back only if no other agent can take it, and one that left it without
    an answer only if no other agent is present at all.
    """
    session_id, user_id = session["_id"], session["userId"]
    preferred, avoided = session.get("preferredAgentId"), session.get("avoidAgentId")
    if preferred is not None and (slot := slots.claim(session_id, user_id, only=preferred)) is not None:
        return slot
    if avoided is None:
        return slots.claim(session_id, user_id)
    slot = slots.claim(session_id, user_id, excluding=avoided)
    if slot is None and not (session.get("avoidStrictly") and others_are_there(avoided)):
        slot = slots.claim(session_id, user_id, only=avoided)
    return slot


def first_in_line(slot: Slot) -> Document:
    """Return the condition on the sessions that may get the slot: all waiting ones that may have its agent, and the
    session it was taken for.
    """
    may_have_it = {"avoidAgentId": {"$ne": slot.agent["_id"]}}
    return {"status": WAITING, "$or": [may_have_it, {"_id": slot.session_id}]}


def others_are_there(agent_id: ObjectId) -> bool:
    """Tell whether another agent accepts sessions, now or when it has room."""
    condition = slots.can_take()
    del condition["hasRoom"]
    return Agent.collection().find_one({**condition, "_id": {"$ne": agent_id}}, {"_id": 1}) is not None
