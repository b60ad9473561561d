"""Read the feed: pages of events in their order, at once or when something comes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextvars import Context
from datetime import timedelta
from itertools import chain, islice, repeat
from typing import Any

from bson import ObjectId

from chatsupport.database.clock import elapsed, now
from chatsupport.database.connection import answer_within, translate_errors, wait_until_durable
from chatsupport.documents import Session
from chatsupport.errors import ChatSupportError
from chatsupport.features.events import contents, switch
from chatsupport.features.events.contents import Event
from chatsupport.features.events.documents import BATCH_SIZE
from chatsupport.features.events.tail import committed, tail
from chatsupport.identity import Caller
from chatsupport.observability import tracing
from chatsupport.services.messages import message_log
from chatsupport.services.shared import access

Document = dict[str, Any]

READ_SECONDS = 8.0
PART, MOST_PARTS = 500, 20
"""A bot's call looks at so many events of all sessions at a time, and at so many times that."""
OF_SESSIONS = {kind for kind in contents.TYPES if not kind.startswith(("agent.", "note."))}
"""What a bot may hear of."""
RECENT = timedelta(seconds=10)
BATCHES_AT_ONCE = (3, 9, 27)
"""How many batches are read first, next, and from then on. A batch has one event, or hundreds where much happens."""


class PositionGoneError(ChatSupportError):
    """The events after this position are not kept any more."""

    status = 410
    code = "POSITION_GONE"

    def __init__(self, oldest: int) -> None:
        super().__init__(
            f"The events after this position are not kept any more. Go on with after={oldest}, and read "
            "what you have missed with the other calls of the API."
        )


def read(caller: Caller, after: int, types: Collection[str], wait: float, limit: int) -> Document:
    """Return the events after a position, and wait for the first one if there is none yet. For operators and bots.

    A bot gets the events of the sessions that it has now, and the position up to which the feed has none besides. If
    there are too many events for one look, it does not wait, and `hasMore` is true. Position 0 stands before the oldest
    event that is kept. Raises `PositionGoneError`.
    """
    bot_id = bot_or_operator(caller)
    switch.here.begin()
    until, operation = elapsed() + wait, tracing.current()
    # In a new context, because the time in which a request must be answered does not count the waiting.
    while True:
        seen = tail.number
        if bot_id is None:
            found: Document = Context().run(_page, after, types, limit)
        else:
            found = Context().run(_page_of_bot, bot_id, after, types, limit)
            after = found["position"]
        left = until - elapsed()
        if found["events"] or found["hasMore"] or left <= 0 or message_log.log.is_closed:
            return found
        began = elapsed()
        tail.wait(seen, left)
        if operation is not None:
            operation.paused += elapsed() - began


def _page(after: int, types: Collection[str], limit: int) -> Document:
    with translate_errors(), answer_within(READ_SECONDS):
        events = after_position(after, types, limit + 1)
        return {"events": contents.shown(events[:limit]), "hasMore": len(events) > limit}


def bot_or_operator(caller: Caller) -> ObjectId | None:
    """Return the bot that is calling, or None for an operator. Raises `ForbiddenError` for others."""
    if access.is_bot(caller):
        return ObjectId(caller.id)
    access.require_operator(caller)
    return None


def _page_of_bot(bot_id: ObjectId, after: int, types: Collection[str], limit: int) -> Document:
    wanted = (OF_SESSIONS & set(types)) if types else OF_SESSIONS
    with translate_errors(), answer_within(READ_SECONDS):
        found: list[Event] = []
        has_more = True
        for _ in range(MOST_PARTS):
            part = after_position(after, wanted, PART) if wanted else []
            found += _of_bot(bot_id, part)
            after = part[-1].position if part else after
            has_more = len(part) == PART or len(found) > limit
            if len(part) < PART or len(found) > limit:
                break
        page = found[:limit]
        after = page[-1].position if len(found) > limit else after
        return {"events": contents.shown(page), "hasMore": has_more, "position": after}


def _of_bot(bot_id: ObjectId, events: Sequence[Event]) -> list[Event]:
    """Return those of these events that are about sessions which the bot has."""
    ids = list({event.session_id for event in events})
    own = {row["_id"] for row in Session.collection().find({"_id": {"$in": ids}, "agentId": bot_id}, {"_id": 1})}
    return [event for event in events if event.session_id in own]


def after_position(after: int, types: Collection[str], limit: int) -> list[Event]:
    """Return the first events after a position, only those of the types if there are any. Raises `PositionGoneError`.

    Another process may delete batches at any moment. Before it does, it stores which events will be gone. So a look at
    that after the read shows whether events may be missing.
    """
    kept_from = switch.here.feed.get("keptFrom", 0)
    while True:
        found = _stored(after, types, limit, kept_from)
        stored = switch.stored()
        kept_from = stored.get("keptFrom", 0)
        if 0 < after < switch.gone_through(stored, types):
            raise PositionGoneError(kept_from * BATCH_SIZE)
        if after or not found or found[0].position // BATCH_SIZE >= kept_from:
            return found


def _stored(after: int, types: Collection[str], limit: int, kept_from: int) -> list[Event]:
    found: list[Event] = []
    batch: Document = {}
    for batch in _batches(max(after // BATCH_SIZE, kept_from), types):
        events = (event for event in contents.of_batch(batch, after) if not types or event.type in types)
        found += islice(events, limit - len(found))
        if len(found) == limit:
            break
    if found and batch["_id"] > tail.number and batch["at"] > now() - RECENT:
        # The next batch could otherwise get a number that a reader has seen with other events.
        wait_until_durable()
    return found


def _batches(first: int, types: Collection[str]) -> Iterator[Document]:
    """Yield the batches from this one on that have events of the types."""
    which: Document = {"_id": {"$gte": first}}
    if types:
        which["types"] = {"$in": sorted(types)}
    for most in chain(BATCHES_AT_ONCE, repeat(BATCHES_AT_ONCE[-1])):
        found = list(committed().find(which, sort=[("_id", 1)], limit=most))
        yield from found
        if len(found) < most:
            return
        which["_id"] = {"$gt": found[-1]["_id"]}
