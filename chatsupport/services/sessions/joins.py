"""The data that a client gets when it joins a session."""

from __future__ import annotations

from typing import Any, NamedTuple

from bson import ObjectId

from chatsupport import events, serializers
from chatsupport.events import HistoryRead
from chatsupport.identity import Caller
from chatsupport.observability import metrics
from chatsupport.services.assignment import places
from chatsupport.services.messages import history
from chatsupport.services.sessions import reading
from chatsupport.services.shared import access


class Joined(NamedTuple):
    """What a client gets that joins a session."""

    state: dict[str, Any]
    """The session's state, and its messages."""
    user_id: str
    """The session's user."""
    is_staff: bool
    """Whether the caller joins as staff, who hear of notes. A bot does not."""


def joined(caller: Caller, session_id: ObjectId, after: int | None) -> Joined:
    """Return what a client needs on joining a session: its state, and its last messages or those after `after`.

    `lastSeq` is the seq of the last stored message; later messages come as `new_message`. This sends one command, and
    one more for the place of a waiting session. Raises `SessionNotFoundError`, `ForbiddenError`.
    """
    session = access.find_session(caller, session_id, reading.WITH_AGENT, *history.joined(after))
    events.happened(HistoryRead(caller, session))
    messages, has_more, last_seq = history.of_joined(session, after)
    if after is not None:
        metrics.RESUMES.add("gap" if has_more else "replayed" if messages else "nothing_missed")
    place = places.position(session)
    state = {
        "sessionId": str(session_id),
        **serializers.session_state(session, reading.agent_with(session), place),
        "lastSeq": last_seq,
        "readSeq": serializers.read_marks(session),
        "messages": messages,
        "hasMore": has_more,
    }
    is_staff = access.is_staff(caller, session) and not access.is_bot_of(caller, session)
    return Joined(state, session["userId"], is_staff)
