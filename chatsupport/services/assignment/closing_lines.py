"""The end of a bot's part in a session: one closing line, after which nothing of the bot is stored.

The session leaves the bot first. Then the line is stored, and it takes the next seq. A message of the bot that was
admitted before takes that seq too, and collides if it comes later; then the log reads the session again and refuses it
(`messages/message_log.py`). So the line is what fences the bot off, and every way in which a session leaves its bot
stores one, before it is answered.

The line is in the mark of the change (`services/shared/outbox.py`) and has an id of its own. So a process that is
killed in between loses nothing, and telling the change again stores nothing twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chatsupport import events
from chatsupport.documents.session import is_with_bot
from chatsupport.errors import DatabaseUnavailableError, SessionEndedError, SessionNotFoundError
from chatsupport.events import HandedOver
from chatsupport.identity import API_KEY_CALLER, USER, Caller
from chatsupport.services.messages import message_log
from chatsupport.services.messages.drafts import Draft

Document = dict[str, Any]

TO_QUEUE = "You will be connected to a person."
TO_PERSON = "You are now connected to {name}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What is said when a bot gives a session away. `by` says the line; without a line, the system says its own."""

    by: Caller = API_KEY_CALLER
    line: str | None = None
    summary: str | None = None
    tags: Sequence[str] = ()


def for_mark(session: Mapping[str, Any], said: Handover | None = None, to: str | None = None) -> Document:
    """Return what the mark of a change needs that takes the session from its bot: nothing if it has no bot.

    `to` is the name of the person who gets the session, or None if it waits.
    """
    if not is_with_bot(session):
        return {}
    said = said or Handover()
    by = API_KEY_CALLER if said.line is None else said.by
    line = said.line or (TO_QUEUE if to is None else TO_PERSON.format(name=to))
    handover: Document = {"botId": session["botId"], "senderId": by.id, "senderType": by.type, "line": line}
    if said.summary is not None:
        handover["summary"] = said.summary
    if said.tags:
        handover["tags"] = list(said.tags)
    return {"handover": handover}


def close(session: Document, mark: Mapping[str, Any]) -> None:
    """Store the closing line, and what the bot leaves to people, if the change was a hand-over. May be repeated.

    Raises `DatabaseUnavailableError` if that is not complete.
    """
    handover = mark.get("handover")
    if handover is None:
        return
    sender_id, sender_type = handover["senderId"], handover["senderType"]
    if sender_type == USER:
        sender_id = session["userId"]  # A guest may have become a user since.
    line = Draft(session["_id"], API_KEY_CALLER, sender_id, sender_type, handover["line"], f"handover-{mark['id']}")
    line.is_closing, line.also = True, {"_id": mark["id"]}
    # An ended session takes no messages, neither this one nor any of the bot.
    with contextlib.suppress(SessionEndedError, SessionNotFoundError):
        message_log.log.append(line)
    event = HandedOver(
        session=session,
        id=mark["id"],
        at=mark["at"],
        bot_id=handover["botId"],
        summary=handover.get("summary"),
        tags=handover.get("tags", ()),
    )
    if not events.happened(event):
        raise DatabaseUnavailableError


def complete(session: Document) -> None:
    """Store the closing line of a session that has just left its bot, if another call is still about to store it."""
    for mark in session.get("untold", ()):
        close(session, mark)
