"""End a session. This is the only place where a session ends."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from bson import ObjectId

from chatsupport import serializers
from chatsupport.contract.chat import SessionEnd
from chatsupport.database.clock import now
from chatsupport.documents.session import ENDED, OPEN
from chatsupport.errors import ForbiddenError
from chatsupport.events import SessionEnded
from chatsupport.identity import Caller
from chatsupport.services.assignment import slots
from chatsupport.services.messages import message_log
from chatsupport.services.sessions import end_statistics, writes
from chatsupport.services.shared import access, outbox

logger = logging.getLogger(__name__)

Document = dict[str, Any]


def end(caller: Caller, session_id: ObjectId, why: SessionEnd) -> dict[str, Any]:
    """End a session. If it has already ended, return the first end unchanged.

    Raises `ForbiddenError` if the session's user gives a reason that only staff see.
    """
    if why.internal_reason is None:
        ended = end_now({"_id": session_id, **access.condition(caller)}, why, caller.id, caller)
        if ended is not None:
            return serializers.session_end(ended)
    session = access.find_session(caller, session_id)
    if why.internal_reason is not None and not access.is_staff(caller, session):
        raise ForbiddenError("Only staff can give an internalReason. Leave it out.")
    if session["status"] != ENDED:
        ended = end_now({"_id": session_id, **access.still_of_bot(caller, session)}, why, caller.id, caller)
        if ended is not None:
            return serializers.session_end(ended)
        session = access.find_session(caller, session_id)
    outbox.tell_untold(session)
    return serializers.session_end(end_statistics.added_to(session))


def end_now(which: Mapping[str, Any], why: SessionEnd, ended_by: str, caller: Caller | None = None) -> Document | None:
    """End the open session that meets the condition, which names its `_id`, and announce it. None if there is none.

    `caller` is None if the server ends the session by itself.
    """
    message_log.log.expect_end(which["_id"])
    time = now()
    values = {
        "status": ENDED,
        "endedAt": time,
        "endReason": why.reason,
        "endedBy": ended_by,
        "updatedAt": time,
        **({} if why.internal_reason is None else {"internalReason": why.internal_reason}),
    }
    with outbox.change(outbox.ENDED, caller) as mark:
        no_longer = {"reservedFor": "", "reservedAt": "", "botDueAt": ""}
        session = writes.update(
            {"status": {"$in": list(OPEN)}, **which},
            {"$set": values, "$unset": no_longer, **outbox.pushed(mark)},
            mark["id"],
        )
        if session is None:
            return None
        logger.info("Session ended", extra={"event": "session_ended", "session_id": str(session["_id"])})
        # Before the figures, because the same read looks whether the slot is wanted.
        is_free = slots.try_to_free(session)
        figures, nobody_waits = end_statistics.of_ending(session)
        session = {**session, **figures}
        about = {"slot_is_free": is_free, "nobody_waits": is_free and nobody_waits, **outbox.origin(mark)}
        outbox.tell(SessionEnded(session=session, **about), stored_with_it=figures)
    return session


@outbox.retells(outbox.ENDED)
def _ended(session: Document, mark: Document) -> SessionEnded:
    return SessionEnded(session=end_statistics.added_to(session), **outbox.origin(mark))
