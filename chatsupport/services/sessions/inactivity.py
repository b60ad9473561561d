"""Inactive chats: without an answer (NO_REPLY_AFTER), or without any message (IDLE_END_AFTER).

Sending a message does not cost more because of this. Each active session has the time of its next check. At the check,
its last message is read, and then the session is moved, warned or ended, or gets a new time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from chatsupport import events
from chatsupport.contract.chat import SessionEnd
from chatsupport.database.clock import now
from chatsupport.documents import Message, Session
from chatsupport.documents.session import ACTIVE, is_with_bot
from chatsupport.events import SessionIdle
from chatsupport.extensions import settings
from chatsupport.services.assignment import agent_presence, matching, transitions
from chatsupport.services.messages import sequences
from chatsupport.services.people import departments
from chatsupport.services.sessions import ending

logger = logging.getLogger(__name__)

IDLE_REASON = "idle"
MAX_IDLE_WARNING_SECONDS = 60.0

Document = dict[str, Any]


def idle_warning_seconds(idle_end_after: float) -> float:
    """Return the seconds between the warning of an idle session and its end: a minute, or IDLE_END_AFTER if shorter."""
    return min(MAX_IDLE_WARNING_SECONDS, idle_end_after)


def look() -> None:
    """Handle the sessions whose time has passed, unless a standstill may be the reason."""
    time = now()
    if agent_presence.all_could_renew():
        sweep(time)


def sweep(time: datetime | None = None) -> None:
    """Check every session that was due by that time (default: now)."""
    config, time = settings.config, time or now()
    if config.no_reply_after is not None:
        for session in _due("noReplyDueAt", time):
            _check_reply(session, timedelta(seconds=config.no_reply_after))
    if config.idle_end_after is not None:
        for session in _due("idleDueAt", time):
            _check_idle(session, config.idle_end_after)


def _due(field: str, time: datetime) -> Iterator[Document]:
    """Yield the active sessions that are due or have no time yet."""
    due = {"status": ACTIVE, field: {"$not": {"$gt": time}}}
    yield from Session.collection().find(due)


def _check_reply(session: Document, patience: timedelta) -> None:
    """Move a session whose user waits too long for an answer to another agent, if one is present."""
    last = _last_message(session)
    if last is None or is_with_bot(session) or not _is_the_visitors(last, session):
        _look_again(session, "noReplyDueAt", now() + patience)
        return
    due = max(last["timestamp"], session.get("assignedAt") or last["timestamp"]) + patience
    if due > now():
        _look_again(session, "noReplyDueAt", due)
    elif not (
        matching.others_are_there(session["agentId"], _kept_for(session))
        and transitions.requeue(session, transitions.NO_REPLY, avoid=True, strictly=True)
    ):
        _look_again(session, "noReplyDueAt", now() + min(patience, timedelta(seconds=5)))


def _kept_for(session: Document) -> ObjectId | None:
    """Return the department whose agents alone may ever have the session: None if it overflows to every agent."""
    department_id: ObjectId | None = session.get("departmentId")
    if department_id is None:
        return None
    overflows = departments.known().get(department_id, {}).get("overflowAfter") is not None
    return None if overflows else department_id


def _check_idle(session: Document, idle_end_after: float) -> None:
    """Warn an inactive session; end one that was warned and is still inactive."""
    last = _last_message(session)
    since = max(time for time in (session["createdAt"], session.get("assignedAt"), last and last["timestamp"]) if time)
    warn_at = since + timedelta(seconds=idle_end_after)
    warned_at = session.get("idleWarnedAt")
    if warn_at > now():
        _look_again(session, "idleDueAt", warn_at)
    elif warned_at is None or warned_at < since:
        # Counted from now and not from when it was due, so that the warned people have the announced time.
        time = now()
        end_at = time + timedelta(seconds=idle_warning_seconds(idle_end_after))
        if _look_again(session, "idleDueAt", end_at, idleWarnedAt=time):
            events.happened(SessionIdle(session["_id"], end_at))
    else:
        # Only if it was neither warned again nor taken over since it was read.
        unchanged = {"_id": session["_id"], "idleWarnedAt": warned_at, "agentId": session["agentId"]}
        ending.end_now(unchanged, SessionEnd(reason=IDLE_REASON), "system")


def _is_the_visitors(message: Document, session: Document) -> bool:
    """Tell whether a message waits for an answer. The visitor may be an agent who asks another one for help."""
    is_of_the_type = message["senderType"] == session.get("userType", "user")
    return bool(is_of_the_type and message["senderId"] != str(session["agentId"]))


def _last_message(session: Document) -> Document | None:
    message: Document | None = Message.collection().find_one(
        {"sessionId": session["_id"], "fence": sequences.NO_FENCE},
        {"senderId": 1, "senderType": 1, "timestamp": 1},
        sort=[("seq", -1)],
    )
    return message


def _look_again(session: Document, field: str, time: datetime, **values: object) -> bool:
    """Set when the session is due next. False if it changed hands or was checked by another process in the meantime."""
    unchanged = {"_id": session["_id"], "status": ACTIVE, "agentId": session["agentId"], field: session.get(field)}
    result = Session.collection().update_one(unchanged, {"$set": {field: time, **values}})
    return bool(result.modified_count)
