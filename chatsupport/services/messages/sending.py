"""Sending a message and reading a history, over REST and sockets alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from bson import ObjectId

from chatsupport import events, serializers
from chatsupport.contract.chat import NewMessage, Page
from chatsupport.database.clock import now
from chatsupport.database.connection import answer_within, wait_until_durable
from chatsupport.events import SessionRead
from chatsupport.identity import AGENT, Caller, canonical_id
from chatsupport.services.messages import drafts, message_log, sequences
from chatsupport.services.shared import access, rate_limits

JOIN_HISTORY = 50
"""The number of messages that a newcomer gets on joining."""
RESUME_HISTORY = 200
"""The most messages that a returning client gets at once."""
DURABLE_AFTER = timedelta(seconds=30)
"""After this, what was written is durable: longer than any write may take, with some room for clocks that differ."""


def send(caller: Caller, session_id: ObjectId, message: NewMessage) -> drafts.Draft:
    """Store a message and tell the session's room; returns when it is durable.

    The draft says what was stored, whether it is new (a repeated `clientMessageId` gives the first one), and the
    session's status. Raises `ForbiddenError`, `SessionNotFoundError`, `SessionEndedError`, `DatabaseUnavailableError`.
    """
    draft = _draft(caller, session_id, message)
    message_log.log.append(draft)
    return draft


def submit(
    caller: Caller, session_id: ObjectId, message: NewMessage, on_done: Callable[[drafts.Draft], object]
) -> None:
    """Have a message stored, and the session's room told; `on_done` gets the draft when it is durable, or has failed.

    Messages that a caller submits to a session are stored in that order. Raises at once what `send` raises before it
    writes.
    """
    draft = _draft(caller, session_id, message)
    draft.on_done = on_done
    message_log.log.submit(draft)


def _draft(caller: Caller, session_id: ObjectId, message: NewMessage) -> drafts.Draft:
    access.act_as(caller, message.sender_id, message.sender_type)
    rate_limits.check_caller(rate_limits.MESSAGES, caller)
    sender_id, sender_type = caller.id, caller.type
    if caller.may_act_for_others:
        with answer_within(message_log.MAX_WAIT_SECONDS):
            sender_id, sender_type = _named_sender(caller, session_id, message)
    return drafts.Draft(session_id, caller, sender_id, sender_type, message.text, message.client_message_id)


def _named_sender(caller: Caller, session_id: ObjectId, message: NewMessage) -> tuple[str, str]:
    """Return on whose behalf a system speaks: the sender it names, or itself.

    A type left out is that of the named person in the session; a name left out with a type given is the session's
    user or agent.
    """
    if message.sender_id is None and message.sender_type in (None, caller.type):
        return caller.id, caller.type
    if message.sender_id is not None and message.sender_type is not None:
        return canonical_id(message.sender_id, message.sender_type), message.sender_type
    session = access.find_session(caller, session_id)
    user_id, user_type = session["userId"], session.get("userType", "user")
    agent_id = str(session["agentId"]) if session.get("agentId") else None
    if message.sender_id is not None:
        if message.sender_id == user_id:
            return user_id, user_type
        if canonical_id(message.sender_id, AGENT) == agent_id:
            return agent_id, AGENT
        return message.sender_id, caller.type
    if message.sender_type == AGENT:
        return agent_id or caller.id, AGENT
    return user_id, "user"


def history(caller: Caller, session_id: ObjectId, page: Page) -> dict[str, Any]:
    """Return one page of a session's messages, oldest first.

    Because `seq` counts without a gap, an offset is a seq: page one thousand costs what page one does.
    """
    session = access.find_session(caller, session_id, sequences.WITH_LAST_SEQ)
    events.happened(SessionRead(caller, session))
    total = sequences.last_seq_of(session)
    if page.before is not None:
        rows = _read(session_id, {"$lt": page.before}, page.limit, newest=True)
        offset = rows[0]["seq"] - 1 if rows else 0
        has_more = offset > 0
    else:
        offset = page.offset if page.after is None else page.after
        rows = _read(session_id, {"$gt": offset}, page.limit)
        has_more = bool(rows) and rows[-1]["seq"] < total
    return {
        "sessionId": str(session_id),
        "messages": [serializers.message(row) for row in rows],
        "pagination": {"total": total, "limit": page.limit, "offset": offset, "hasMore": has_more},
    }


def recent(session_id: ObjectId) -> tuple[list[dict[str, Any]], bool]:
    """Return the last messages, and whether there are earlier ones."""
    rows = _read(session_id, None, JOIN_HISTORY, newest=True)
    return [serializers.message(row) for row in rows], bool(rows) and rows[0]["seq"] > 1


def since(session_id: ObjectId, seq: int) -> tuple[list[dict[str, Any]], bool]:
    """Return the messages after `seq`, and whether there are still more of them."""
    rows = _read(session_id, {"$gt": seq}, RESUME_HISTORY + 1)
    return [serializers.message(row) for row in rows[:RESUME_HISTORY]], len(rows) > RESUME_HISTORY


def _read(
    session_id: ObjectId, seq: dict[str, int] | None, limit: int, *, newest: bool = False
) -> list[dict[str, Any]]:
    query: dict[str, Any] = {"sessionId": session_id, "fence": sequences.NO_FENCE}
    if seq is not None:
        query["seq"] = seq
    order = [("seq", -1 if newest else 1)]
    rows = list(sequences.committed().find(query, sort=order, limit=limit, batch_size=limit + 1))
    if newest:
        rows.reverse()
    if rows and _may_be_lost(session_id, rows[-1]):
        wait_until_durable()
    return rows


def _may_be_lost(session_id: ObjectId, message: dict[str, Any]) -> bool:
    """Tell whether a message may not be on disk yet: a message that was read must not vanish."""
    return not (
        message["seq"] <= message_log.log.known_last_seqs([session_id]).get(session_id, 0)
        or message["timestamp"] < now() - DURABLE_AFTER
    )
