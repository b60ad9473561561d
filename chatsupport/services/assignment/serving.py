"""Serve the queue, first come, first served: give free slots to waiting sessions.

Every step is one conditional update of one document, so the rules hold in any number of processes. A slot is taken
only from an agent that is there and has room, in the same update that chooses the least loaded (`slots`). Then the
first session in the queue that may have that agent gets it, in the update that finds it (`transitions`): whoever it
was taken for, no session overtakes. Each side of a race writes first and looks after (a start: queue, then look for a
slot; an end: free the slot, then look at the queue), so nobody waits beside a free slot unless a process was killed in
between, which `reconciliation` repairs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from bson import ObjectId

from chatsupport.background import Coalesced, Throttled
from chatsupport.documents import Session
from chatsupport.documents.session import BACK, WAITING
from chatsupport.events import SessionEnded, SessionStarted
from chatsupport.services.assignment import matching, transitions
from chatsupport.services.assignment.slots import Slot

Document = dict[str, Any]
Served = tuple[Document, Document]
"""A session as it is after it was served, and its agent."""

SWAP_SECONDS = 1.0
"""How long a start whose slot went to another start of this process waits for the slot of that one."""
SOON_SECONDS = 0.1


class _Newcomer:
    """A session that is starting in this process, and looks for a slot itself."""

    def __init__(self) -> None:
        self.is_looking = True
        self.must_look_again = False
        """Whether a slot may have become free since it looked last."""
        self.served: Served | None = None
        """What it got from somebody else in this process."""
        self.is_done = threading.Event()

    def stop_looking(self) -> bool:
        """Stop, unless it must look again."""
        with _mutex:
            self.is_looking = self.must_look_again
        return not self.is_looking


_mutex = threading.Lock()
_newcomers: dict[ObjectId, _Newcomer] = {}


@contextmanager
def arriving(session_id: ObjectId) -> Iterator[None]:
    """Let the block store a session and serve it (`serve`). Meanwhile, others in this process leave that to it.

    What they do for it they do at the cost of some commands: they take a slot, and then it has one too many.
    """
    newcomer = _newcomers[session_id] = _Newcomer()
    try:
        yield
    finally:
        del _newcomers[session_id]
        newcomer.is_done.set()
        if newcomer.is_looking and newcomer.must_look_again:
            _drain_soon()  # The block has failed, and others rely on it.


def _serve_themselves(waiting: list[Document]) -> bool:
    """Tell whether all of these sessions are just starting here, and have them look again for slots that are free now.

    One that has had an agent is at the front of the queue, and looks no more.
    """
    with _mutex:
        newcomers = [_newcomers.get(session["_id"]) for session in waiting if session["queuePriority"] == BACK]
        looking = [newcomer for newcomer in newcomers if newcomer is not None and newcomer.is_looking]
        if len(looking) < len(waiting):
            return False
        for newcomer in looking:
            newcomer.must_look_again = True
    return True


def _give(slot: Slot, newcomer_id: ObjectId | None = None) -> Document | None:
    """Give the slot to the first session in the queue, and tell the start of that session, if it is in progress."""
    served = transitions.give(slot, newcomer_id)
    if served is not None and (newcomer := _newcomers.get(served["_id"])) is not None:
        newcomer.served = served, slot.agent
    return served


def _drain(*, but_newcomers: bool = False) -> None:
    passed: list[ObjectId] = []
    while True:
        limit = 2 + (len(_newcomers) if but_newcomers else 0)
        waiting_ones = matching.next_waiting(passed, limit)
        if not waiting_ones or (but_newcomers and len(waiting_ones) < limit and _serve_themselves(waiting_ones)):
            break
        waiting = waiting_ones[0]
        slot = matching.claim_slot_for(waiting)
        if slot is not None:
            served = _give(slot)
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
            _give(slot)
        elif waiting.get("avoidStrictly") and waiting["avoidAgentId"] not in passed:
            passed.append(waiting["avoidAgentId"])
        else:
            full.add(waiting.get("reservedFor"))  # Another process was faster.


drain_queue = Coalesced(_drain)
"""Give waiting sessions to free agents until there are no more of either. Simultaneous calls share one round."""
_drain_soon = Throttled(drain_queue, SOON_SECONDS)
drain_but_newcomers = Coalesced(partial(_drain, but_newcomers=True))
"""Do the same, but leave it to sessions that are just starting here to look again, if no others wait."""


def serve(session: Document) -> tuple[Document, Document | None]:
    """Find an agent for a session that has just joined the queue (`arriving`); those before it go first.

    Returns the session as it is then, and its agent: None if it waits, or if another process has served it meanwhile.
    """
    session_id = session["_id"]
    newcomer, others_were_served = _newcomers[session_id], False
    while newcomer.served is None:
        newcomer.must_look_again = False
        slot = matching.claim_slot_for(session)
        if slot is None:
            if newcomer.stop_looking():
                break
            continue
        served = _give(slot, session_id)
        others_were_served = True
        if served is None:
            newcomer.is_looking = False
            drain_but_newcomers()  # The slot is free again, and another visitor may have come in the meantime.
            break
        other = _newcomers.get(served["_id"])
        if newcomer.served is None and other is not None:
            other.is_done.wait(SWAP_SECONDS)  # Its own slot goes to the next in the queue, nearly always to this one.
    newcomer.is_looking = False
    if newcomer.served is not None:
        return newcomer.served
    if not others_were_served:
        return session, None
    return Session.collection().find_one({"_id": session_id}) or session, None


def serve_queue(event: object) -> None:
    """Serve the queue, because a slot was freed or a session has joined the queue."""
    drain_queue()


def serve_after_end(event: SessionEnded) -> None:
    """Give the slot of an ended session to the next one. A session that ended while it was waiting had none."""
    if event.session.get("agentId") is not None and not event.nobody_waits:
        drain_but_newcomers()


def serve_late(event: SessionStarted) -> None:
    """Serve the queue for a session whose start was interrupted: it may be waiting although an agent is free."""
    if event.is_late and event.session["status"] == WAITING:
        drain_queue()
