"""The data that a client gets when it joins a session."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from chatsupport import events, serializers
from chatsupport.events import HistoryRead
from chatsupport.identity import Caller
from chatsupport.observability import metrics
from chatsupport.services.assignment import places, queue
from chatsupport.services.messages import history
from chatsupport.services.sessions import reading, told_here
from chatsupport.services.shared import access


def joined(caller: Caller, session_id: ObjectId, after: int | None) -> tuple[dict[str, Any], bool]:
    """Return what a client needs on joining a session: its state, and its last messages or those after `after`. The
    second value says whether the caller joins as staff, who hear of notes. A bot does not.

    `lastSeq` is the seq of the last stored message; later messages come as `new_message`. This sends one command, and
    one more for the place of a waiting session. Raises `SessionNotFoundError`, `ForbiddenError`.
    """
    session = access.find_session(caller, session_id, reading.WITH_AGENT, *history.joined(after))
    events.happened(HistoryRead(caller, session))
    told_here.saw_user(session_id, session["userId"])
    messages, has_more, last_seq = history.of_joined(session, after)
    if after is not None:
        metrics.RESUMES.add("gap" if has_more else "replayed" if messages else "nothing_missed")
    place = places.position(session)
    queue.told(session_id, place)
    joined = {
        "sessionId": str(session_id),
        **serializers.session_state(session, reading.agent_with(session), place),
        "lastSeq": last_seq,
        "readSeq": serializers.read_marks(session),
        "messages": messages,
        "hasMore": has_more,
    }
    return joined, access.is_staff(caller, session) and not access.is_bot_of(caller, session)
