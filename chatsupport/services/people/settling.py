"""Waiting until a denial holds in every process: until each other one has said that it forgot, or trusts nothing more.

With a Redis the answers come within milliseconds. A process that does not answer, because it stands still or has no
Redis, is waited for as long as it may trust its memory (`denial_memory.py`).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from chatsupport import orders
from chatsupport.database.clock import elapsed
from chatsupport.extensions import settings, socketio
from chatsupport.orders import DenialsForgotten, ForgetDenials
from chatsupport.services.people.denial_memory import SETTLED_SECONDS, memory
from chatsupport.services.server import processes

LOOK_SECONDS = 0.01

_unanswered: dict[str, set[str]] = {}
"""For each order that waits for answers, the processes that have not answered."""


def settle(ids: Sequence[str]) -> None:
    """Return when no other process trusts what it knew of these denials before this call: at once if there is none.

    They are stored, and this process has forgotten what it knew.
    """
    began = elapsed()
    others = processes.here.others()
    if not others:
        return
    order_id = uuid.uuid4().hex
    _unanswered[order_id] = others
    try:
        if settings.config.redis_url is not None and processes.here.is_announced():
            orders.give(ForgetDenials(ids=list(ids), order_id=order_id))
        while others and elapsed() < began + SETTLED_SECONDS:
            socketio.sleep(LOOK_SECONDS)
    finally:
        del _unanswered[order_id]


def forget(order: ForgetDenials) -> None:
    """Forget what this process knew of these denials, and say so."""
    memory.forget(order.ids)
    if processes.here.id is not None:
        orders.give(DenialsForgotten(order_id=order.order_id, process_id=processes.here.id))


def take_answer(order: DenialsForgotten) -> None:
    """Note that another process has forgotten."""
    if order.order_id in _unanswered:
        _unanswered[order.order_id].discard(order.process_id)
