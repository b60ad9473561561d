"""`session_sync`: telling clients the last seq there is, so that one that missed a message finds out.

Every process tells its own sockets, without the message queue, because a queue that lost events is what this is for.
With one process the message log knows what was active; with several, the database is asked about the sessions that
somebody here has joined.
"""

from __future__ import annotations

import time

from bson import ObjectId

from chatsupport import broadcasts
from chatsupport.extensions import settings
from chatsupport.services import message_log, presence, sequences

INTERVAL_SECONDS = 15.0
ACTIVE_SECONDS = 60.0

_seen: dict[ObjectId, tuple[int, float]] = {}
"""Each joined session's last seq, and when it was first seen."""


def run() -> None:
    """Tell the last seq to the rooms of this process that were active in the last minute."""
    joined = presence.joined_sessions()
    last_seqs = sequences.last_seqs(joined) if settings.config.redis_url else message_log.log.known_last_seqs(joined)
    time_now = time.monotonic()
    for gone in _seen.keys() - joined:
        del _seen[gone]
    for session_id, seq in last_seqs.items():
        known = _seen.get(session_id)
        if known is None or known[0] != seq:
            _seen[session_id] = known = (seq, time_now)
        if time_now - known[1] < ACTIVE_SECONDS:
            broadcasts.session_sync(session_id, seq)
