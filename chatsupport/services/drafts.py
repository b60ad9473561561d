"""A message on its way into the log."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any

from bson import ObjectId

from chatsupport.identity import Caller
from chatsupport.services import sequences

RetryKey = tuple[ObjectId, str, str, str | None]


class Draft:
    """What somebody wants to say, and what became of it."""

    __slots__ = (
        "_done",
        "abandoned",
        "caller",
        "client_message_id",
        "created",
        "error",
        "message",
        "sender_id",
        "sender_type",
        "session_id",
        "session_status",
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
        self.message: dict[str, Any] = {}
        self.session_status = ""
        self.created = False
        self.error: Exception | None = None
        self.abandoned = False
        # A plain lock is the cheapest thing a greenlet or a thread can wait on with a time-out.
        self._done = threading.Lock()
        self._done.acquire()

    @property
    def retry_key(self) -> RetryKey:
        """What makes two sendings the same message, where the client gave an id."""
        return (self.session_id, self.sender_id, self.sender_type, self.client_message_id)

    def succeed(self, message: dict[str, Any], *, created: bool) -> None:
        """Wake the sender with the stored message."""
        self.message = message
        self.created = created
        self._done.release()

    def fail(self, error: Exception) -> None:
        """Wake the sender with an error."""
        self.error = error
        self._done.release()

    def wait(self, seconds: float) -> bool:
        """Wait until the draft succeeded or failed; False when that took too long."""
        return self._done.acquire(timeout=seconds)

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
        return document


def find_stored(draft: Draft) -> dict[str, Any] | None:
    """Return the message that an earlier sending of this draft stored, None where this is the first."""
    if draft.client_message_id is None:
        return None
    stored: dict[str, Any] | None = sequences.committed().find_one(
        {
            "sessionId": draft.session_id,
            "senderId": draft.sender_id,
            "senderType": draft.sender_type,
            "clientMessageId": draft.client_message_id,
        }
    )
    return stored
