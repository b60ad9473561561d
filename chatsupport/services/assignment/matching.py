"""The matching rules: which session is next, whose slot it gets, and which sessions a free agent may have.

`serving` applies them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bson import ObjectId

from chatsupport.documents import Session
from chatsupport.documents.session import QUEUE_ORDER, STICKY, WAITING
from chatsupport.services.assignment import queue, slots
from chatsupport.services.assignment.slots import Slot

Document = dict[str, Any]

_MATCHED = dict.fromkeys(
    ("userId", "queuePriority", "preferredAgentId", "avoidAgentId", "avoidStrictly", "reservedFor"), 1
)
"""What the rules go by."""


def next_waiting(
    passed: Sequence[ObjectId] = (), limit: int = 1, *, among: Collection[ObjectId | None] | None = None
) -> list[Document]:
    """Return the first sessions of the queue, except those that must not go to the agents in `passed`.

    `among` are departments: then only sessions that are kept for these.
    """
    query: Document = {"status": WAITING, **({} if among is None else {"reservedFor": {"$in": list(among)}})}
    if passed:
        query["$nor"] = [{"avoidStrictly": True, "avoidAgentId": {"$in": list(passed)}}]
    hint = None if among is None else queue.hint_by_department()
    found = Session.collection().find(query, _MATCHED, sort=QUEUE_ORDER, limit=limit, batch_size=limit + 1, hint=hint)
    return list(found)


def claim_slot_for(session: Mapping[str, Any]) -> Slot | None:
    """Take a slot for the session: of the agent it had last time, or else of the least loaded agent who may have it.

    An agent that gave the session away gets it back only if no other agent can take it, and one that left it without
    an answer only if no other agent is present at all.
    """
    session_id, user_id, department_id = session["_id"], session["userId"], session.get("reservedFor")
    preferred, avoided = session.get("preferredAgentId"), session.get("avoidAgentId")
    if preferred is not None:
        slot = slots.claim(session_id, user_id, only=preferred, department_id=department_id, reason=STICKY)
        if slot is not None:
            return slot
    if avoided is None:
        return slots.claim(session_id, user_id, department_id=department_id)
    slot = slots.claim(session_id, user_id, excluding=avoided, department_id=department_id)
    if slot is None and not (session.get("avoidStrictly") and others_are_there(avoided, department_id)):
        slot = slots.claim(session_id, user_id, only=avoided, department_id=department_id)
    return slot


def first_in_line(slot: Slot) -> Document:
    """Return the condition on the sessions that may get the slot: all waiting ones that may have its agent, and the
    session it was taken for.
    """
    may_have_it = {"avoidAgentId": {"$ne": slot.agent["_id"]}}
    return {"status": WAITING, "$or": [may_have_it, {"_id": slot.session_id}], **not_kept_from(slot.agent)}


def anybody_waits_for(slot: Slot) -> bool:
    """Tell whether any session waits that may get the slot."""
    found = Session.collection().find_one(first_in_line(slot), {"_id": 1}, hint=hint_for(slot.agent))
    return found is not None


def not_kept_from(agent: Mapping[str, Any]) -> Document:
    """Return the condition on the waiting sessions that the agent may have: kept for its departments or none."""
    departments = agent.get("departmentIds")
    return {} if departments is None else {"reservedFor": {"$in": [None, *departments]}}


def hint_for(agent: Mapping[str, Any]) -> str | None:
    """Return the index that MongoDB should use for the waiting sessions that the agent may have."""
    return None if agent.get("departmentIds") is None else queue.hint_by_department()


def departments_to_serve() -> list[ObjectId | None]:
    """Return the departments for which sessions wait and of which an agent has room, with None for sessions of all.

    One index tells for which departments sessions wait, and another one which of them have an agent with room: MongoDB
    looks at one key for each department, however many sessions and agents there are.
    """
    waiting = queue.departments_waiting()
    # Nearly always nobody has room, and one query is cheaper than one for each department.
    return slots.with_room(waiting) if slots.any_free_of(waiting) else []


def others_are_there(agent_id: ObjectId, department_id: ObjectId | None) -> bool:
    """Tell whether another agent accepts sessions of the department, now or when it has room."""
    return slots.any_there(department_id, except_for=agent_id)
