"""The data that a client gets when it joins a session."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from chatsupport import events, serializers
from chatsupport.events import HistoryRead
from chatsupport.identity import Caller
from chatsupport.observability import metrics
from chatsupport.services.assignment import queue
from chatsupport.services.messages import history, sequences
from chatsupport.services.sessions import reading, told_here
from chatsupport.services.shared import access


def joined(caller: Caller, session_id: ObjectId, after: int | None) -> dict[str, Any]:
    """Return what a client needs on joining a session: its state, and its last messages or those after `after`.

    `lastSeq` is that of the last message there is; what comes later comes as `new_message`. Access is checked once
    more: the session may have gone to another agent while the caller was let in.
    """
    session = access.find_session(caller, session_id, reading.WITH_AGENT)
    events.happened(HistoryRead(caller, session))
    told_here.saw_user(session_id, session["userId"])
    messages, has_more, last_seq = _messages(session_id, after)
    if after is not None:
        metrics.RESUMES.add("gap" if has_more else "replayed" if messages else "nothing_missed")
    return {
        "sessionId": str(session_id),
        **serializers.session_state(session, reading.agent_with(session), queue.position(session)),
        "lastSeq": last_seq,
        "readSeq": serializers.read_marks(session),
        "messages": messages,
        "hasMore": has_more,
    }


def _messages(session_id: ObjectId, after: int | None) -> tuple[list[dict[str, Any]], bool, int]:
    """Return the messages, whether there are more, and the session's last seq. Whatever is not among the messages,
    nor announced by `has_more`, is after that seq.
    """
    while True:
        messages, has_more = history.recent(session_id) if after is None else history.since(session_id, after)
        if messages and (after is None or not has_more):
            return messages, has_more, messages[-1]["seq"]
        last_seq = sequences.last_seq(session_id)
        if messages or last_seq <= (after or 0):
            return messages, has_more, last_seq
        # The first message came between the two look-ups: it must not be missing from the history it counts for.
