"""The last seq of a session, and the fence behind it.

Another process may have read that a session is open just before it ended. A fence takes the next seq, so that such a
write collides, reads again, and finds the session ended. MongoDB removes the fence when no write can be under way any
more; no history shows it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from chatsupport.database.clock import elapsed, now
from chatsupport.database.connection import COMMITTED
from chatsupport.documents import Message
from chatsupport.services.server import processes

NO_FENCE = None
"""The condition on `fence` of everything that is a message: that it has none."""

MAX_HINTS = 50_000

FENCE_SECONDS = processes.GONE_SECONDS
"""The shortest life of a fence: as long as any process may have a write in progress."""


def committed() -> Any:
    """Return the messages that no failover can lose. A seq counted from a lost one would leave a gap."""
    return Message.collection().with_options(read_concern=COMMITTED)


def last_seq(session_id: ObjectId) -> int:
    """Return the seq of the session's last message, or 0 if there is none. One index look-up."""
    messages = {"sessionId": session_id, "fence": NO_FENCE}
    last = committed().find_one(messages, {"seq": 1}, sort=[("seq", -1)])
    return 0 if last is None else int(last["seq"])


WITH_LAST_SEQ: dict[str, Any] = {
    "$lookup": {
        "from": Message._meta["collection"],
        "localField": "_id",
        "foreignField": "sessionId",
        "pipeline": [{"$match": {"fence": NO_FENCE}}, {"$sort": {"seq": -1}}, {"$limit": 1}, {"$project": {"seq": 1}}],
        "as": "last",
    }
}
"""Reads a session and its last message's seq in one command. `last_seq_of` returns the seq."""


def last_seq_of(session: Mapping[str, Any]) -> int:
    """Return the last seq of a session that was read `WITH_LAST_SEQ`, or 0 if it has no message."""
    return int(session["last"][0]["seq"]) if session["last"] else 0


def last_seqs(session_ids: Iterable[ObjectId]) -> dict[ObjectId, int]:
    """Return the last seq of each session that has messages; one step in the index a session.

    That step (DISTINCT_SCAN) allows no condition on the fence. Where the last one is a fence, the message is before it.
    """
    ids = list(session_ids)
    if not ids:
        return {}
    rows = committed().aggregate(
        [
            {"$match": {"sessionId": {"$in": ids}}},
            {"$sort": {"sessionId": -1, "seq": -1}},
            {"$group": {"_id": "$sessionId", "seq": {"$first": "$seq"}, "fence": {"$first": "$fence"}}},
        ]
    )
    last_seqs = {row["_id"]: int(row["seq"]) - bool(row.get("fence")) for row in rows}
    return {session_id: seq for session_id, seq in last_seqs.items() if seq}


def fence(session_id: ObjectId) -> None:
    """Stop the writes of other processes to an ended session. Safe to call twice."""
    collection = committed()
    while True:
        last = collection.find_one({"sessionId": session_id}, {"seq": 1, "fence": 1}, sort=[("seq", -1)])
        if last is not None and "fence" in last:
            return
        try:
            collection.insert_one(
                {
                    "sessionId": session_id,
                    "seq": 1 if last is None else last["seq"] + 1,
                    "fence": True,
                    "expiresAt": now() + timedelta(seconds=FENCE_SECONDS),
                }
            )
        except DuplicateKeyError:
            continue  # A write was faster; it came before the end.
        return


class LastSeqs:
    """The last seqs that a process remembers, so that it need not read them for every write.

    A seq is a hint: another process may have written since, and then the index refuses the next one.
    """

    def __init__(self) -> None:
        self._hints: OrderedDict[ObjectId, int] = OrderedDict()
        # The sessions that this process has begun and in which it has stored no message, each with when it began.
        self._begun: OrderedDict[ObjectId, float] = OrderedDict()

    def begin(self, session_id: ObjectId) -> None:
        """Note that a session is about to be stored, and has no message."""
        self.remember(session_id, 0)
        self._begun[session_id] = elapsed()
        if len(self._begun) > MAX_HINTS:
            self._begun.popitem(last=False)

    def has_none(self, session_id: ObjectId) -> bool:
        """Tell whether the session certainly has no message: only this process can have stored one since it began."""
        begun_at = self._begun.get(session_id)
        return begun_at is not None and processes.here.was_alone_since(begun_at)

    def read(self, session_id: ObjectId) -> int:
        """Return the remembered last seq, or else the stored one."""
        hint = self._hints.get(session_id)
        return last_seq(session_id) if hint is None else hint

    def remember(self, session_id: ObjectId, seq: int) -> None:
        """Remember the last seq, but only for the most recent sessions."""
        self._hints[session_id] = seq
        self._hints.move_to_end(session_id)
        if seq:
            self._begun.pop(session_id, None)
        if len(self._hints) > MAX_HINTS:
            self._hints.popitem(last=False)

    def keep(self, session_id: ObjectId) -> None:
        """Read the last seq, if it is not remembered, and remember it."""
        self.remember(session_id, self.read(session_id))

    def forget(self, session_id: ObjectId) -> None:
        """Read the seq again the next time."""
        self._hints.pop(session_id, None)
        self._begun.pop(session_id, None)

    def known(self, session_ids: Iterable[ObjectId]) -> dict[ObjectId, int]:
        """Return the remembered ones."""
        return {session_id: self._hints[session_id] for session_id in session_ids if session_id in self._hints}
