"""Which bot a new session goes to first, and how the session begins with it.

A bot is an agent that is never chosen by its load: only a claim that names it gets a slot of it. So a session comes to
a bot at its start and never later.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from typing import Any

from bson import ObjectId

from chatsupport.database.clock import elapsed
from chatsupport.extensions import settings
from chatsupport.identity import USER
from chatsupport.services.assignment import slots
from chatsupport.services.assignment.slots import Slot
from chatsupport.services.people import departments

Document = dict[str, Any]
Source = Callable[[], ObjectId | None]

logger = logging.getLogger(__name__)

_sources: list[Source] = []
_warned_at: dict[ObjectId, float] = {}
"""When this process last logged that people get the sessions of a bot."""

WARN_SECONDS = 3600.0


def bind(sources: Iterable[Source]) -> None:
    """Use the bot that the first of these names, if the session's department names none."""
    _sources[:] = sources


def claim_for(session: Document) -> Slot | None:
    """Take a slot of the bot that a new session goes to first. Returns None if there is no bot, or if it has no room.

    Only sessions of users go to bots. Without a bot this sends no command.
    """
    if session["userType"] != USER:
        return None
    department_id = session.get("departmentId")
    bot_id = None if department_id is None else departments.known().get(department_id, {}).get("botId")
    bot_id = bot_id or next((found for source in _sources if (found := source()) is not None), None)
    if bot_id is None:
        return None
    slot = slots.claim_of_bot(bot_id, session["_id"], session["userId"])
    if slot is None and elapsed() - _warned_at.get(bot_id, -math.inf) > WARN_SECONDS:
        _warned_at[bot_id] = elapsed()
        logger.warning("A bot gets no new sessions: it is full, offline or deleted", extra={"agent_id": str(bot_id)})
    return slot


def begun(slot: Slot) -> Document:
    """Return the expressions for the values that a new session has because it begins with the bot of this slot."""
    due_in_ms = round(settings.config.bot_reply_after * 1000)
    return {"botId": slot.agent["_id"], "botDueAt": {"$add": ["$$NOW", due_in_ms]}}
