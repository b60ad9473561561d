"""The queue: announcing places that change (`places`), QUEUE_LIMIT, who waits. `serving` empties it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId

from chatsupport import broadcasts, orders
from chatsupport.background import Buffered, Counted, Remembered, Throttled
from chatsupport.documents import Session
from chatsupport.documents.agent import NO_DEPARTMENT
from chatsupport.documents.session import BACK, BY_DEPARTMENT_INDEX, FRONT, QUEUE_ORDER, WAITING
from chatsupport.errors import QueueFullError
from chatsupport.events import CameFrom, SessionAssigned, SessionEnded
from chatsupport.extensions import settings, socketio
from chatsupport.orders import TellPlaces
from chatsupport.services.assignment import places, slots
from chatsupport.services.messages import message_log
from chatsupport.services.people import departments
from chatsupport.services.presence import membership
from chatsupport.services.server import index_builds

logger = logging.getLogger(__name__)

ANNOUNCE_INTERVAL_SECONDS = 0.5
"""Places are announced at most this often, so that a hundred ends in a second do not cause a hundred reads."""
ANNOUNCED_A_SECOND = 20_000
"""In a queue so long that more than this would be read in a second, places are announced less often."""

LIMIT_LOOKS, LIMIT_LOOK_SECONDS, LOOKS_A_PLACE = 50, 0.02, 4

PLENTY, PLENTY_SECONDS = 1_000, 1.0
"""With room for this many, the queue is not counted again for this long, so most starts cost no count. With room for
more it is longer, up to `LONGEST_PLENTY_SECONDS`.
"""
LONGEST_PLENTY_SECONDS = 30.0

_has_plenty_of_room: Remembered[bool] = Remembered()
"""Whether the count may be skipped: a moment ago there was so much room that the queue cannot be full now."""
_announced: dict[ObjectId, int] = {}
"""The place of each joined session that its sockets here were told, or `UNSURE` if they know different ones."""
UNSURE = 0


def _all_places() -> dict[ObjectId, int]:
    shown = {"departmentId": 1} if departments.known() else {"_id": 1}
    waiting = Session.collection().find({"status": WAITING}, shown, sort=QUEUE_ORDER)
    return dict(numbered(waiting))


def numbered(waiting: Iterable[Mapping[str, Any]]) -> Iterator[tuple[ObjectId, int]]:
    """Yield the first sessions of the queue, in its order, each with its place in the queue of its department."""
    counts: Counter[ObjectId | None] = Counter()
    for session in waiting:
        department_id = session.get("departmentId")
        counts[department_id] += 1
        yield session["_id"], counts[department_id]


def departments_waiting() -> list[ObjectId | None]:
    """Return the departments for which sessions are kept, with None if some are kept for no department."""
    groups = [{"$match": {"status": WAITING}}, {"$group": {"_id": "$reservedFor"}}]
    return [row["_id"] for row in Session.collection().aggregate(groups, hint=hint_by_department())]


def reserved_since() -> tuple[dict[ObjectId, datetime], Mapping[ObjectId, dict[str, Any]]]:
    """Return the departments for which sessions are kept, each with the time since which the longest has waited; and
    all departments, as `departments.read` does. One command.
    """
    stages: list[dict[str, Any]] = [
        {"$match": {"reservedFor": {"$gte": NO_DEPARTMENT}}},
        {"$sort": {"reservedFor": 1, "reservedAt": 1}},
        {"$group": {"_id": "$reservedFor", "since": {"$first": "$reservedAt"}}},
        {"$unionWith": departments.ALL},
    ]
    rows = list(Session.collection().aggregate(stages))
    return {row["_id"]: row["since"] for row in rows if "since" in row}, departments.remember(
        row for row in rows if "since" not in row
    )


def count_reserved() -> dict[ObjectId, tuple[int, datetime]]:
    """Return the departments for which sessions are kept: their number, and since when the longest has waited."""
    groups: list[dict[str, Any]] = [
        {"$match": {"reservedFor": {"$gte": NO_DEPARTMENT}}},
        {"$group": {"_id": "$reservedFor", "n": {"$sum": 1}, "since": {"$min": "$reservedAt"}}},
    ]
    return {row["_id"]: (row["n"], row["since"]) for row in Session.collection().aggregate(groups)}


def hint_by_department() -> str | None:
    """Return the index that MongoDB should use for the waiting sessions of some departments."""
    return index_builds.hint(f"sessions.{BY_DEPARTMENT_INDEX}")


def check_room(department_id: ObjectId | None = None) -> None:
    """Raise `QueueFullError` if QUEUE_LIMIT is reached and no agent of the department is free."""
    limit = settings.config.queue_limit
    if not _has_plenty_of_room.get() and _count_waiting(limit) >= limit and not slots.any_free(department_id):
        raise QueueFullError(limit, limit)


def may_withdraw(session: Mapping[str, Any]) -> bool:
    """Tell whether `withdraw_beyond_limit` may remove this session, if it has just started."""
    return session["status"] == WAITING and not _has_plenty_of_room.get()


def withdraw_beyond_limit(session: Mapping[str, Any]) -> None:
    """Remove a newcomer that exceeds QUEUE_LIMIT because several came at once. Raises `QueueFullError`."""
    limit = settings.config.queue_limit
    if not may_withdraw(session):
        return
    sessions = Session.collection()
    for look in range(LIMIT_LOOKS):
        if _count_waiting(limit + 1) <= limit:
            return
        # Those behind go as well, but not those that were let in before this one was stored: so look again, and after
        # a few looks let the last of those that still look go first.
        if places.from_the_front(session) > limit - look // LOOKS_A_PLACE:
            break
        socketio.sleep(LIMIT_LOOK_SECONDS)
    message_log.log.expect_end(session["_id"])
    if sessions.delete_one({"_id": session["_id"], "status": WAITING}).deleted_count:
        raise QueueFullError(limit, limit)


def count_waiting(department_id: ObjectId | None = None) -> int:
    """Return the number of waiting sessions, of this department or of all. A large one may be some seconds old."""
    if department_id is None:
        return _all_waiting()
    return int(Session.collection().count_documents({"status": WAITING, "departmentId": department_id}))


_all_waiting = Counted(lambda: int(Session.collection().count_documents({"status": WAITING})))


def waiting() -> tuple[int, datetime | None]:
    """Return the number of waiting sessions, and the time since which the longest has waited."""
    sessions = Session.collection()
    total = count_waiting()
    firsts = [
        sessions.find_one({"status": WAITING, "queuePriority": priority}, {"queuedAt": 1}, sort=QUEUE_ORDER)
        for priority in (FRONT, BACK)
        if total
    ]
    if not any(firsts):
        return 0, None  # Those that were counted have agents by now.
    times = [first["queuedAt"] for first in firsts if first is not None and first.get("queuedAt") is not None]
    return total, min(times, default=None)


def _count_waiting(limit: int) -> int:
    waiting = int(Session.collection().count_documents({"status": WAITING}, limit=limit))
    if limit - waiting > PLENTY:
        seconds = min(LONGEST_PLENTY_SECONDS, PLENTY_SECONDS * (limit - waiting) / PLENTY)
        _has_plenty_of_room.keep(True, seconds)
    return waiting


def announce_positions() -> None:
    """Announce changed places to waiting sessions, soon and together with other changes.

    Every process tells its own sockets, because only it knows what they were told last.
    """
    _announcements.add(None, None)


def told(session_id: ObjectId, place: int | None) -> None:
    """Note the place that a joining socket is told. If others may know another one, all are told the next one."""
    if place is None:
        forget_place(session_id)
    elif _announced.setdefault(session_id, place) != place:
        _announced[session_id] = UNSURE


def forget_place(session_id: ObjectId) -> None:
    """Forget the place of a session that no longer waits: if it returns to the queue, its room is told its place."""
    _announced.pop(session_id, None)


def announce(event: object) -> None:
    """Announce changed places, because another session is waiting."""
    announce_positions()


def announce_after_assignment(event: SessionAssigned) -> None:
    """Announce the places of those that moved up, because a session has an agent now."""
    if event.came_from is CameFrom.QUEUE:
        announce_positions()


def announce_after_end(event: SessionEnded) -> None:
    """Announce the places of those that moved up, if an ended session was waiting."""
    if event.session.get("agentId") is None:
        announce_positions()


def _announce() -> None:
    joined = membership.joined_sessions()
    if not joined:
        _announced.clear()
        return
    current = _all_places()
    # A socket that has joined in the meantime may have been told a newer place. The next round compares it.
    told_now = {session_id: current[session_id] for session_id in joined if session_id in current}
    changed = {session_id: place for session_id, place in told_now.items() if _announced.get(session_id) != place}
    _announced.clear()
    _announced.update(told_now)
    for session_id, place in changed.items():
        broadcasts.queue_update(session_id, place)
    announce_here.seconds = max(ANNOUNCE_INTERVAL_SECONDS, len(current) / ANNOUNCED_A_SECOND)


_announcements: Buffered[None, None] = Buffered(
    lambda _: orders.give(TellPlaces()), ANNOUNCE_INTERVAL_SECONDS, at_once=True
)
announce_here = Throttled(_announce, ANNOUNCE_INTERVAL_SECONDS)
"""Do this process's part of `announce_positions`."""
