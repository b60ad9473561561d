"""Admission of messages: is the session open, and does the sender belong to it?

A visitor and a system keep their right to a session while it is open. So if this process is the only one, it remembers
for a while what it has read, and forgets it before it ends the session. If there are other processes, it reads the
session with each batch. For agents it always does, because a transfer shuts them out at once.

A bot that has given a session away is shut out for good, even if a system speaks for it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from bson import ObjectId

from chatsupport.database.clock import elapsed
from chatsupport.database.connection import wait_until_durable
from chatsupport.documents import Session
from chatsupport.documents.session import ENDED
from chatsupport.errors import ChatSupportError, SessionEndedError, SessionNotFoundError
from chatsupport.identity import AGENT
from chatsupport.services.messages import drafts
from chatsupport.services.messages.drafts import Draft
from chatsupport.services.server import processes
from chatsupport.services.shared import access

Document = dict[str, Any]

KEPT_SECONDS = 10.0
"""How long a session that was read is remembered."""
FORGOTTEN_SECONDS = 600.0
"""How long a forgotten session is read each time: longer than an end may take, even if the database stood still.
"""
MAX_KEPT = 50_000

_MEMBERS = {"status": 1, "userId": 1, "userType": 1, "agentId": 1, "botId": 1}


class Admission:
    """Decides which drafts may enter the log of one process.

    If the session of a draft has ended, but an earlier attempt stored its message, `on_repeated` gets both.
    """

    def __init__(self, on_repeated: Callable[[Draft, Document], None]) -> None:
        self._on_repeated = on_repeated
        # When it was read, and the result; or None, and the time until which it is read each time.
        self._kept: OrderedDict[ObjectId, tuple[float, Document | None]] = OrderedDict()
        self._mutex = threading.Lock()

    def admit(self, batch: list[Draft]) -> list[Draft]:
        """Return the drafts that may be written, and answer the others. Reads all unknown sessions at once."""
        unknown = {draft.session_id for draft in batch if not self._knows(draft)}
        if unknown:
            self._look([draft for draft in batch if draft.session_id in unknown], list(unknown))
        return [draft for draft in batch if not draft.is_done]

    def forget(self, session_id: ObjectId) -> None:
        """Read the session each time from now on: it is about to end, or something unexpected happened there."""
        self._keep(session_id, elapsed() + FORGOTTEN_SECONDS, None)

    def _knows(self, draft: Draft) -> bool:
        looked_at, session = self._kept.get(draft.session_id, (0.0, None))
        return (
            session is not None
            and processes.here.was_alone_since(looked_at)
            and not draft.tells_status
            and elapsed() - looked_at < KEPT_SECONDS
            and access.may_always_access(draft.caller, session)
            and not (draft.sender_type == AGENT and session.get("botId") is not None)
        )

    def _look(self, batch: list[Draft], ids: list[ObjectId]) -> None:
        looked_at = elapsed()
        cursor = Session.collection().find({"_id": {"$in": ids}}, _MEMBERS, batch_size=len(ids) + 1)
        sessions = {session["_id"]: session for session in cursor}
        for session in sessions.values():
            self._keep(session["_id"], looked_at, session if session["status"] != ENDED else None)
        found = [(draft, sessions.get(draft.session_id)) for draft in batch]
        allowed = iter(access.allowed([(draft.caller, session) for draft, session in found if session is not None]))
        for draft, session in found:
            try:
                if session is None:
                    raise SessionNotFoundError
                if not next(allowed) or _is_of_former_bot(draft, session):
                    raise access.refusal()
                self._check_open(draft, session)
            except ChatSupportError as error:
                draft.fail(error)

    def _check_open(self, draft: Draft, session: Document) -> None:
        draft.session_status = session["status"]
        if session["status"] != ENDED:
            return
        stored = drafts.find_stored(draft)
        if stored is None:
            raise SessionEndedError
        wait_until_durable()  # Another process may have a write in progress.
        self._on_repeated(draft, stored)

    def _keep(self, session_id: ObjectId, looked_at: float, session: Document | None) -> None:
        with self._mutex:
            if self._kept.get(session_id, (0.0, None))[0] > looked_at:
                return
            self._kept[session_id] = (looked_at, session)
            self._kept.move_to_end(session_id)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)


def _is_of_former_bot(draft: Draft, session: Document) -> bool:
    """Tell whether a system speaks for the bot that has given the session away."""
    bot_id = session.get("botId")
    return (
        bot_id is not None
        and draft.sender_type == AGENT
        and draft.sender_id == str(bot_id) != str(session.get("agentId"))
        and not draft.is_closing
    )
