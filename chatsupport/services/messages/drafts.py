"""A message on its way into the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId

from chatsupport.identity import Caller
from chatsupport.observability import metrics, tracing
from chatsupport.services.messages import sequences

logger = logging.getLogger(__name__)

RetryKey = tuple[ObjectId, str, str, str | None]


def _tell_nobody(_: Draft) -> None:
    """Do nothing: no sender waits for the draft."""


class Draft:
    """A message to be stored, and its outcome. `on_done` is called exactly once, when the outcome is known."""

    __slots__ = (
        "abandoned",
        "also",
        "caller",
        "client_message_id",
        "created",
        "deadline",
        "error",
        "is_closing",
        "message",
        "on_done",
        "operation",
        "sender_id",
        "sender_type",
        "session_id",
        "session_status",
        "tells_status",
        "text",
    )

    def __init__(
        self,
        session_id: ObjectId,
        caller: Caller,
        sender_id: str,
        sender_type: str,
        text: str,
        client_message_id: str | None,
    ) -> None:
        self.session_id = session_id
        self.caller = caller
        self.sender_id = sender_id
        self.sender_type = sender_type
        self.text = text
        self.client_message_id = client_message_id
        self.also: Mapping[str, Any] | None = None
        """Further stored fields: an `_id` that is known already, `content`, `replyTo`, and the data of `features`."""
        self.message: dict[str, Any] = {}
        self.session_status = ""
        """The session's status just before the message, if the sender must be told."""
        self.tells_status = False
        self.created = False
        self.error: Exception | None = None
        self.abandoned = False
        self.is_closing = False
        """Whether it is the last line of a bot that has given the session away."""
        self.deadline = float("inf")
        """When its sender gives up, by the monotonic clock."""
        self.on_done: Callable[[Draft], object] = _tell_nobody
        self.operation = tracing.current()
        """The request or event that sent it."""

    @property
    def retry_key(self) -> RetryKey:
        """The key by which two sendings are the same message, if the client gave an id."""
        return (self.session_id, self.sender_id, self.sender_type, self.client_message_id)

    @property
    def request_id(self) -> str | None:
        """The id of the request or event that sent it."""
        return None if self.operation is None else self.operation.request_id

    @property
    def is_done(self) -> bool:
        """Whether the outcome is known."""
        return bool(self.message) or self.error is not None

    def succeed(self, message: dict[str, Any], *, created: bool) -> None:
        """Tell the sender of the stored message."""
        self.message = message
        self.created = created
        if not created:
            metrics.RETRIES.add()
        if self.operation is not None:
            self.operation.announced, self.operation.seq = time.monotonic(), message["seq"]
        self._finish()

    def fail(self, error: Exception) -> None:
        """Tell the sender the error."""
        self.error = error
        self._finish()

    def _finish(self) -> None:
        try:
            self.on_done(self)
        except Exception:
            # The other drafts of the batch must not depend on this one's sender.
            logger.exception("A sender could not be answered", extra={"request_id": self.request_id})

    def document(self, seq: int, timestamp: datetime) -> dict[str, Any]:
        """Return the message as it is stored."""
        document = {
            "_id": ObjectId(),
            "sessionId": self.session_id,
            "seq": seq,
            "senderId": self.sender_id,
            "senderType": self.sender_type,
            "message": self.text,
            "timestamp": timestamp,
        }
        if self.client_message_id is not None:
            document["clientMessageId"] = self.client_message_id
        if self.also is not None:
            document.update(self.also)
        return document


def find_stored(draft: Draft) -> dict[str, Any] | None:
    """Return the message that an earlier attempt of this draft stored, None if this is the first."""
    if draft.client_message_id is None:
        return None
    which = {
        "sessionId": draft.session_id,
        "senderId": draft.sender_id,
        "senderType": draft.sender_type,
        "clientMessageId": draft.client_message_id,
    }
    if draft.is_closing and draft.also is not None:
        which = {"_id": draft.also["_id"]}  # Its sender may have got another id.
    stored: dict[str, Any] | None = sequences.committed().find_one(which)
    return stored
