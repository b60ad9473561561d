"""Read the messages of a session: a page, the last ones, or those that a client has missed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bson import ObjectId

from chatsupport import events, serializers
from chatsupport.contract.chat import Page
from chatsupport.database.clock import now
from chatsupport.database.connection import wait_until_durable
from chatsupport.documents import Message
from chatsupport.events import HistoryRead
from chatsupport.identity import Caller
from chatsupport.services.messages import message_log, sequences
from chatsupport.services.shared import access

JOIN_HISTORY = 50
"""The number of messages that a newcomer gets on joining."""
RESUME_HISTORY = 200
"""The most messages that a returning client gets at once."""
DURABLE_AFTER = timedelta(seconds=30)
"""After this time a write is durable: longer than any write may take, with some room for differing clocks."""


def read_page(caller: Caller, session_id: ObjectId, page: Page) -> dict[str, Any]:
    """Return one page of a session's messages, oldest first.

    Because `seq` has no gaps, an offset is a seq, and page one thousand costs as much as page one.
    """
    session = access.find_session(caller, session_id, *paged(page))
    events.happened(HistoryRead(caller, session))
    total = sequences.last_seq_of(session)
    if page.before is None:
        rows, offset = session["messages"], _offset(page)
        has_more = bool(rows) and rows[-1]["seq"] < total
    else:
        rows = session["messages"][::-1]
        offset = rows[0]["seq"] - 1 if rows else 0
        has_more = offset > 0
    _make_durable(session_id, rows)
    return {
        "sessionId": str(session_id),
        "messages": [serializers.message(row) for row in rows],
        "pagination": {"total": total, "limit": page.limit, "offset": offset, "hasMore": has_more},
    }


def paged(page: Page) -> list[dict[str, Any]]:
    """Return the stages that read one page of messages with a session."""
    wanted = {"$gt": _offset(page)} if page.before is None else {"$lt": page.before}
    some: list[dict[str, Any]] = [
        {"$match": {"fence": sequences.NO_FENCE, "seq": wanted}},
        {"$sort": {"seq": 1 if page.before is None else -1}},
        {"$limit": page.limit},
    ]
    # The last seq first: a message that comes between the two reads may be in the page, and is not counted.
    return [sequences.WITH_LAST_SEQ, _with_messages(some)]


def _offset(page: Page) -> int:
    return page.offset if page.after is None else page.after


def after(session_id: ObjectId, seq: int, limit: int) -> list[dict[str, Any]]:
    """Return the next messages after a seq, for a caller whose access was checked already."""
    query = {"sessionId": session_id, "fence": sequences.NO_FENCE, "seq": {"$gt": seq}}
    stages = [{"$match": query}, {"$sort": {"seq": 1}}, {"$limit": limit}, serializers.WITH_TEXTS]
    rows = list(sequences.committed().aggregate(stages, batchSize=limit + 1))
    _make_durable(session_id, rows)
    return [serializers.message(row) for row in rows]


def joined(after: int | None) -> list[dict[str, Any]]:
    """Return the stages that read with a session what a client gets on joining it: its last messages, or those after
    `after`. `of_joined` returns them.
    """
    match: dict[str, Any] = {"fence": sequences.NO_FENCE}
    if after is None:
        return [_with_messages([{"$match": match}, {"$sort": {"seq": -1}}, {"$limit": JOIN_HISTORY}])]
    missed: list[dict[str, Any]] = [
        {"$match": {**match, "seq": {"$gt": after}}},
        {"$sort": {"seq": 1}},
        {"$limit": RESUME_HISTORY + 1},
    ]
    # The last seq first: a message that comes between the two reads is in the page, or "has more" announces it.
    return [sequences.WITH_LAST_SEQ, _with_messages(missed)]


def of_joined(session: Mapping[str, Any], after: int | None) -> tuple[list[dict[str, Any]], bool, int]:
    """Return the messages of a session that was read with `joined`, whether there are more, and its last seq.

    Messages that are neither among them nor announced by "more" have a later seq.
    """
    rows = session["messages"] if after is not None else session["messages"][::-1]
    _make_durable(session["_id"], rows)
    if after is None:
        last_seq, has_more = rows[-1]["seq"] if rows else 0, bool(rows) and rows[0]["seq"] > 1
    else:
        last_seq, has_more = max([sequences.last_seq_of(session), *(row["seq"] for row in rows[-1:])]), False
        if len(rows) > RESUME_HISTORY:
            rows, has_more = rows[:RESUME_HISTORY], True
    return [serializers.message(row) for row in rows], has_more, last_seq


def _with_messages(pipeline: list[dict[str, Any]]) -> dict[str, Any]:
    own = {"localField": "_id", "foreignField": "sessionId"}
    texts = [*pipeline, serializers.WITH_TEXTS]
    return {"$lookup": {"from": Message._meta["collection"], **own, "pipeline": texts, "as": "messages"}}


def _make_durable(session_id: ObjectId, rows: list[dict[str, Any]]) -> None:
    """Wait until these messages, the last one at the end, cannot be lost any more."""
    if rows and _may_be_lost(session_id, rows[-1]):
        wait_until_durable()


def _may_be_lost(session_id: ObjectId, message: dict[str, Any]) -> bool:
    """Tell whether a message may not be on disk yet. A message that was read must not vanish."""
    return not (
        message["seq"] <= message_log.log.known_last_seqs([session_id]).get(session_id, 0)
        or message["timestamp"] < str(serializers.iso(now() - DURABLE_AFTER))
    )
