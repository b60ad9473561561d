"""Send a message, over REST and sockets alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bson import ObjectId

from chatsupport import session_parts
from chatsupport.contract.base import refused
from chatsupport.contract.chat import NewMessage
from chatsupport.database.connection import answer_within
from chatsupport.errors import ForbiddenError
from chatsupport.identity import AGENT, USER, Caller, canonical_id
from chatsupport.services.messages import drafts, message_log
from chatsupport.services.shared import access, rate_limits


def send(caller: Caller, session_id: ObjectId, message: NewMessage) -> drafts.Draft:
    """Store a message and tell the session's room. Returns when the message is durable.

    The draft says what was stored, whether it is new (a repeated `clientMessageId` gives the first one), and the
    session's status. Raises `ForbiddenError`, `SessionNotFoundError`, `SessionEndedError`, `DatabaseUnavailableError`.
    """
    new = draft(caller, session_id, message)
    message_log.log.append(new)
    return new


def submit(
    caller: Caller, session_id: ObjectId, message: NewMessage, on_done: Callable[[drafts.Draft], object]
) -> None:
    """Begin to store a message and tell the session's room. `on_done` gets the draft when it is durable or has failed.

    Messages that a caller submits to a session are stored in that order. Raises at once what `send` raises before it
    writes.
    """
    new = draft(caller, session_id, message)
    new.on_done = on_done
    message_log.log.submit(new)


def draft(caller: Caller, session_id: ObjectId, message: NewMessage) -> drafts.Draft:
    """Return a message that is ready for the log. Raises what `send` raises before it writes."""
    access.act_as(caller, message.sender_id, message.sender_type)
    rate_limits.check_caller(rate_limits.MESSAGES, caller)
    sender_id, sender_type = caller.id, caller.type
    if caller.may_act_for_others:
        with answer_within(message_log.MAX_WAIT_SECONDS):
            sender_id, sender_type = _named_sender(caller, session_id, message)
    new = drafts.Draft(session_id, caller, sender_id, sender_type, message.text, message.client_message_id)
    new.also = _also(session_id, sender_type, message)
    return new


def _also(session_id: ObjectId, sender_type: str, message: NewMessage) -> dict[str, Any] | None:
    """Return what a message stores beside its text, or None. Raises `ForbiddenError` for content of a user."""
    also: dict[str, Any] = {}
    if message.reply_to is not None:
        also["replyTo"] = message.reply_to
    if message.content is not None:
        if sender_type == USER:
            raise ForbiddenError("Only agents and systems send content. Leave it out.")
        also["content"] = message.content.stored()
        if message.content.shows_picture:
            also["features"] = _kept_of_picture(session_id, ObjectId(message.content.file_id))
    return also or None


def _kept_of_picture(session_id: ObjectId, file_id: ObjectId) -> dict[str, Any]:
    with answer_within(message_log.MAX_WAIT_SECONDS):
        kept = session_parts.kept_of_picture(session_id, file_id)
    if kept is None:
        sentence = "content.fileId must be the id of a picture of this session that was checked."
        raise refused("content.fileId", "INVALID_CONTENT", sentence)
    return kept


def _named_sender(caller: Caller, session_id: ObjectId, message: NewMessage) -> tuple[str, str]:
    """Return the sender for whom a system speaks: the one it names, or itself.

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
