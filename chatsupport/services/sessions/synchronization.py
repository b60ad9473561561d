"""What every process tells its own sockets every so often, without the message queue, because a queue that lost events
is what this is for: the last seq of what is said where somebody is (`session_sync`), and what has become of sessions
where they have not heard it.
"""

from __future__ import annotations

import time

from bson import ObjectId

from chatsupport import broadcasts
from chatsupport.services.messages import sequences
from chatsupport.services.presence import membership
from chatsupport.services.sessions import told_here

INTERVAL_SECONDS = 15.0
ACTIVE_SECONDS = 60.0

_seen: dict[ObjectId, tuple[int, float]] = {}
"""Each joined session's last seq, and when it was first seen."""


def run() -> None:
    """Tell what is true now to the sockets of this process."""
    told_here.compare()
    _tell_last_seqs()


def _tell_last_seqs() -> None:
    """Tell the last seq to the rooms of this process that were active in the last minute."""
    joined = membership.joined_sessions()
    last_seqs = sequences.last_seqs(joined)
    time_now = time.monotonic()
    for gone in _seen.keys() - joined:
        del _seen[gone]
    for session_id, seq in last_seqs.items():
        known = _seen.get(session_id)
        if known is None or known[0] != seq:
            _seen[session_id] = known = (seq, time_now)
        if time_now - known[1] < ACTIVE_SECONDS:
            broadcasts.session_sync(session_id, seq)
