"""Serve the queue, first come, first served: give free slots to waiting sessions.

Every step is one conditional update of one document, so the rules hold in any number of processes. A slot is taken
only from an agent that is there and has room, by the update that chooses the least loaded (`slots`). Then the first
session in the queue that may have that agent gets it, by the update that finds it (`transitions`), even if the slot was
taken for another session. So no session overtakes another.

Each side of a race writes first and looks afterwards, so nobody waits beside a free slot. A start takes a slot and then
looks at the queue, or joins the queue and then looks for a slot. An end frees the slot and then looks at the queue.
`reconciliation` repairs what is left if a process is killed in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bson import ObjectId
from pymongo.errors import PyMongoError

from chatsupport.background import Coalesced, Remembered
from chatsupport.documents import Session
from chatsupport.documents.session import WAITING
from chatsupport.events import SessionEnded, SessionStarted
from chatsupport.services.assignment import matching, slots, transitions
from chatsupport.services.assignment.slots import Slot

Document = dict[str, Any]
Served = tuple[Document, Document]
"""A session as it is after it was served, and its agent."""

BUSY_SECONDS = 1.0
"""For this long after a start has found no free agent, other starts join the queue first and look from there."""

_all_are_busy: Remembered[bool] = Remembered()
_arriving: dict[ObjectId, Served | None] = {}
"""The sessions that are joining the queue in this process, each with the result if another call has served it."""


@contextmanager
def arriving(session_id: ObjectId) -> Iterator[None]:
    """Let the block store a session that must join the queue, and serve it (`serve_newcomer`)."""
    _arriving[session_id] = None
    try:
        yield
    finally:
        del _arriving[session_id]


def _give(slot: Slot, newcomer_id: ObjectId | None = None) -> Document | None:
    """Give the slot to the first session in the queue, and tell the start of that session, if it is in progress."""
    served = transitions.give(slot, newcomer_id)
    if served is not None and served["_id"] in _arriving:
        _arriving[served["_id"]] = served, slot.agent
    return served


def _drain() -> None:
    passed: list[ObjectId] = []
    while waiting_ones := matching.next_waiting(passed, limit=2):
        waiting = waiting_ones[0]
        slot = matching.claim_slot_for(waiting)
        if slot is not None:
            served = _give(slot)
            if len(waiting_ones) == 1 and served is not None and served["_id"] == waiting["_id"]:
                _all_are_busy.forget()
                break  # It was the last one. Sessions that have come since looked for a slot after this one was taken.
        elif waiting.get("avoidStrictly"):
            # It waits for other agents. Sessions behind it may have this one, unless they wait for others too.
            passed.append(waiting["avoidAgentId"])
        elif waiting.get("reservedFor") is not None:
            _serve_others(passed)
            break
        else:
            break  # No agent has room. Any slot that is freed from now on serves the queue again.


def _serve_others(passed: list[ObjectId]) -> None:
    """Serve the sessions behind one that waits for the agents of its department, who have no room."""
    full: set[ObjectId | None] = set()
    while departments := set(matching.departments_to_serve()) - full:
        waiting = next(iter(matching.next_waiting(passed, among=departments)), None)
        if waiting is None:
            break
        slot = matching.claim_slot_for(waiting)
        if slot is not None:
            _give(slot)
        elif waiting.get("avoidStrictly") and waiting["avoidAgentId"] not in passed:
            passed.append(waiting["avoidAgentId"])
        else:
            full.add(waiting.get("reservedFor"))  # Another process was faster.


drain_queue = Coalesced(_drain)
"""Give waiting sessions to free agents until there are no more of either. Simultaneous calls share one round."""


def slot_for_newcomer(session: Document) -> Slot | None:
    """Take a slot for a session that is not stored yet. Returns None if it must join the queue.

    It must join if no agent is free, or if a waiting session may have the slot, which then goes to the first in line. A
    session that gets an agent at once is stored with it, and never joins the queue: that saves a write.
    """
    if _all_are_busy.get():
        return None
    slot = matching.claim_slot_for(session)
    if slot is None:
        _all_are_busy.keep(True, BUSY_SECONDS)
        return None
    try:
        if not matching.anybody_waits_for(slot):
            return slot
    except PyMongoError:
        slots.free_unused_later(slot.id, slot.session_id)
        raise
    if _give(slot) is None:
        drain_queue()  # The slot is free again, and another visitor may have come in the meantime.
    return None


def serve_newcomer(session: Document) -> tuple[Document, Document | None, bool]:
    """Look for an agent for a session that has just joined the queue (`arriving`); those before it go first.

    Returns the session as it is then; its agent, or None if it waits or another process has served it; and whether any
    agent who may have it is present.
    """
    session_id = session["_id"]
    has_room = slots.any_has_room(session.get("reservedFor"))
    slot = matching.claim_slot_for(session) if has_room else None
    if slot is None:
        return *(_arriving[session_id] or (session, None)), has_room is not None
    _all_are_busy.forget()
    served = _give(slot, session_id)
    if served is None or served["_id"] != session_id:
        drain_queue()  # The slot is free again or another session's. Another visitor may have come in the meantime.
    return *(_arriving[session_id] or (Session.collection().find_one({"_id": session_id}) or session, None)), True


def serve_queue(event: object) -> None:
    """Serve the queue, because a slot was freed or a session has joined the queue."""
    drain_queue()


def serve_after_end(event: SessionEnded) -> None:
    """Give the slot of an ended session to the next one. A session that ended while it was waiting had none."""
    if event.session.get("agentId") is not None and not event.nobody_waits:
        drain_queue()


def serve_late(event: SessionStarted) -> None:
    """Serve the queue for a session whose start was interrupted: it may be waiting although an agent is free."""
    if event.is_late and event.session["status"] == WAITING:
        drain_queue()
