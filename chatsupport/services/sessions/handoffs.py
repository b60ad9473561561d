"""Hand a session over from its bot to people: the bot or the visitor asks for it, or the bot is silent."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo.errors import PyMongoError

from chatsupport.contract.chat import Handoff
from chatsupport.database.clock import now
from chatsupport.documents import Message, Session
from chatsupport.documents.session import ACTIVE, ENDED, WAITING, is_with_bot
from chatsupport.errors import (
    ChatSupportError,
    ConflictError,
    ForbiddenError,
    SessionEndedError,
    SessionNotFoundError,
    WithAPersonError,
)
from chatsupport.extensions import settings
from chatsupport.identity import AGENT, SYSTEM, USER, Caller
from chatsupport.services.assignment import agent_presence, closing_lines, transitions
from chatsupport.services.assignment.closing_lines import Handover
from chatsupport.services.messages import message_log, sequences
from chatsupport.services.messages.drafts import Draft
from chatsupport.services.people import departments
from chatsupport.services.sessions import reading
from chatsupport.services.shared import access, outbox, rate_limits

logger = logging.getLogger(__name__)

Document = dict[str, Any]

ATTEMPTS = 5
LOOK_SECONDS = 1.0
LOOK_IS_GOOD_FOR = timedelta(seconds=1)
"""How long after a look at the messages a session may be taken from its bot because of it."""
MOST_AT_ONCE = 500
MOST_UNANSWERED = 100
"""A bot that leaves so many messages unanswered counts from the first of the last hundred."""


def hand_off(caller: Caller, session_id: ObjectId, wanted: Handoff) -> Document:
    """Take a session from its bot: it waits for a person, at the place of its age. Returns the session.

    For the bot, the session's user, and operators. When this returns, the last message is stored, and the bot can send
    nothing more. A repeated call changes nothing. If the session waits for a person already, the message is stored.
    Raises `WithAPersonError`, `SessionEndedError` and `DepartmentNotFoundError`.
    """
    session = find(caller, session_id)
    is_user = caller.type != SYSTEM and not access.is_bot_of(caller, session)
    if is_user and (wanted.summary is not None or wanted.tags):
        raise ForbiddenError("Only the bot leaves a summary or tags. Leave them out.")
    rate_limits.check_caller(rate_limits.MESSAGES, caller)
    if wanted.department_id is not None:
        departments.require([wanted.department_id])
    department_id = transitions.KEEP if wanted.department_id is None else wanted.department_id
    said = Handover(by=caller, line=wanted.text, summary=wanted.summary, tags=tuple(wanted.tags or ()))
    for _ in range(ATTEMPTS):
        if session["status"] == ENDED:
            raise SessionEndedError
        if session["status"] == WAITING:
            closing_lines.complete(session)
            outbox.tell_untold(session)
            if not _is_repeat(caller, session):
                _send_while_waiting(caller, session, wanted)
            is_user = caller.type != SYSTEM  # A bot sees no more of it than its user does.
        elif not is_with_bot(session):
            raise WithAPersonError
        elif not transitions.requeue(session, transitions.HANDED_OVER, said=said, department_id=department_id):
            session = find(caller, session_id)
            continue
        views = reading.describe_stored(session_id)
        return views.for_user if is_user else views.for_staff
    raise ConflictError("The session keeps changing. Read it again before you retry.")


def _is_repeat(caller: Caller, session: Document) -> bool:
    """Tell whether a session waits because the caller, or another one of its type, has handed it over."""
    return bool(
        session.get("handedOverBy") == caller.type and session.get("unassignedReason") == transitions.HANDED_OVER
    )


def _send_while_waiting(caller: Caller, session: Document, wanted: Handoff) -> None:
    """Store the message of a caller who asks for a person when the session waits for one already, once.

    Raises `WithAPersonError` for a bot that is out, and for what only its hand-over can leave.
    """
    if access.is_bot_of(caller, session) or wanted.summary is not None or wanted.tags:
        raise WithAPersonError("This session waits for a person already. Nothing of this call was stored.")
    if wanted.text is not None:
        key = f"handoff-{session['_id']}"
        message_log.log.append(Draft(session["_id"], caller, caller.id, caller.type, wanted.text, key))


def find(caller: Caller, session_id: ObjectId) -> Document:
    """Return the session for its user, its bot, also a former one, and operators."""
    session = access.first_session({"_id": session_id})
    if session is None:
        raise SessionNotFoundError
    if not (access.may_always_access(caller, session) or access.is_bot_of(caller, session)):
        raise ForbiddenError("Only the session's bot, its user, systems and API keys can hand it over.")
    return session


def look() -> None:
    """Hand over the sessions whose bots do not answer, unless a standstill may be the reason."""
    time = now()
    if agent_presence.all_could_renew():
        sweep(time)


def sweep(time: datetime | None = None) -> int:
    """Hand over the sessions whose bot has left a message unanswered for BOT_REPLY_AFTER. Returns how many."""
    time = time or now()
    patience = timedelta(seconds=settings.config.bot_reply_after)
    due = Session.collection().find({"botDueAt": {"$lte": time}}, limit=MOST_AT_ONCE, sort=[("botDueAt", 1)])
    handed_over = 0
    for session in list(due):
        try:
            handed_over += _check(session, patience)
        except (PyMongoError, ChatSupportError) as error:
            about = {"session_id": str(session["_id"]), "reason": type(error).__name__}
            logger.warning("A session cannot be taken from its bot yet; trying again", extra=about)
    return handed_over


def _check(session: Document, patience: timedelta) -> bool:
    looked_at = now()
    asked_at = _unanswered_since(session)
    due = now() + patience if asked_at is None else asked_at + patience
    if due > now():
        unchanged = {"_id": session["_id"], "status": ACTIVE, "botDueAt": session["botDueAt"]}
        Session.collection().update_one(unchanged, {"$set": {"botDueAt": due}})
        return False
    return transitions.requeue(session, transitions.NO_REPLY, until=looked_at + LOOK_IS_GOOD_FOR)


def _unanswered_since(session: Mapping[str, Any]) -> datetime | None:
    """Return when the user wrote the first message that no agent has answered, or None. Systems answer nobody."""
    messages = Message.collection().find(
        {"sessionId": session["_id"], "fence": sequences.NO_FENCE},
        {"_id": 0, "senderType": 1, "timestamp": 1},
        sort=[("seq", -1)],
        limit=MOST_UNANSWERED,
    )
    since: datetime | None = None
    for message in messages:
        if message["senderType"] == AGENT:
            break
        if message["senderType"] == USER:
            since = message["timestamp"]
    return since
