"""Serve the queue, first come, first served: give free slots to waiting sessions.

Every step is one conditional update of one document, so the rules hold in any number of processes. A slot is taken
only from an agent that is there and has room, in the same update that chooses the least loaded (`slots`). Then the
first session in the queue that may have that agent gets it, in the update that finds it (`transitions`): whoever it
was taken for, no session overtakes. Each side of a race writes first and looks after (a start: queue, then look for a
slot; an end: free the slot, then look at the queue), so nobody waits beside a free slot unless a process was killed in
between, which `reconciliation` repairs.
"""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from chatsupport.background import Coalesced
from chatsupport.documents import Session
from chatsupport.documents.session import WAITING
from chatsupport.events import SessionEnded, SessionStarted
from chatsupport.services.assignment import matching, transitions

Document = dict[str, Any]


def _drain() -> None:
    passed: list[ObjectId] = []
    while waiting_ones := matching.next_waiting(passed, 2):
        waiting = waiting_ones[0]
        slot = matching.claim_slot_for(waiting)
        if slot is not None:
            served = transitions.give(slot)
            if len(waiting_ones) == 1 and served is not None and served["_id"] == waiting["_id"]:
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
            transitions.give(slot)
        elif waiting.get("avoidStrictly") and waiting["avoidAgentId"] not in passed:
            passed.append(waiting["avoidAgentId"])
        else:
            full.add(waiting.get("reservedFor"))  # Another process was faster.


drain_queue = Coalesced(_drain)
"""Give waiting sessions to free agents until there are no more of either. Simultaneous calls share one round."""


def serve(newcomer: Document) -> tuple[Document, Document | None]:
    """Find an agent for a session that has just joined the queue; those before it go first.

    Returns the session as it is then, and its agent: None if it waits, or if another round has served it meanwhile.
    """
    others_were_served = False
    while (slot := matching.claim_slot_for(newcomer)) is not None:
        served = transitions.give(slot, newcomer["_id"])
        if served is not None and served["_id"] == newcomer["_id"]:
            return served, slot.agent
        others_were_served = True
        if served is None:
            drain_queue()  # The slot is free again, and another visitor may have come in the meantime.
            break
    if not others_were_served:
        return newcomer, None
    return Session.collection().find_one({"_id": newcomer["_id"]}) or newcomer, None


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
