"""The places of waiting sessions in the queue of their department, 1 for the next."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from bson import ObjectId

from chatsupport.database.commands import count
from chatsupport.documents import Session
from chatsupport.documents.session import QUEUE_ORDER, WAITING
from chatsupport.services.assignment import checkpoints
from chatsupport.services.people import departments
from chatsupport.services.server import index_builds
from chatsupport.services.shared.shared_commands import SharedCommands

ROWS_A_PLACE = 20
"""Up to this many entries of the queue are read for each place that is asked for. Places further back are counted, each
from the one before it.
"""


class Spot(NamedTuple):
    """Where a session is in the queue."""

    priority: int | None
    department_id: ObjectId | None
    queued_at: datetime | None
    session_id: ObjectId

    @classmethod
    def of(cls, session: Mapping[str, Any]) -> Spot:
        """Return the spot of a waiting session."""
        return cls(session.get("queuePriority"), session.get("departmentId"), session.get("queuedAt"), session["_id"])

    @property
    def key(self) -> tuple[Any, ObjectId]:
        """What the sessions of one priority are sorted by."""
        return self.queued_at, self.session_id

    @property
    def among(self) -> dict[str, Any]:
        """The condition on the sessions among which this one has its place."""
        no_departments = self.department_id is None and not departments.known()
        return {"status": WAITING, **({} if no_departments else {"departmentId": self.department_id})}


def position(session: Mapping[str, Any]) -> int | None:
    """Return the session's place; None if it is not waiting.

    Those that ask at the same time share a few commands. Far back in a long queue, the place may be some seconds old
    (`checkpoints`).
    """
    return _look_up([Spot.of(session)])[0]["place"] if session["status"] == WAITING else None


def positions(sessions: Iterable[Mapping[str, Any]]) -> dict[ObjectId, int]:
    """Return the places of those of these sessions that are waiting, with a few commands for all of them."""
    found = _places([Spot.of(session) for session in sessions if session["status"] == WAITING])
    return {row["_id"].session_id: row["place"] for row in found}


def from_the_front(session: Mapping[str, Any]) -> int:
    """Return the place of a waiting session among those of all departments, counted now."""
    return 1 + _count_ahead(Spot.of(session), {"status": WAITING})


def _places(spots: Iterable[Spot]) -> Iterator[dict[str, Any]]:
    """Yield these spots, each with its place."""
    parts: dict[tuple[Any, ...], list[Spot]] = defaultdict(list)
    for spot in spots:
        parts[spot.priority, spot.department_id, spot.queued_at is None].append(spot)
    for part in parts.values():
        for spot, place in _places_of_part(sorted(part, key=lambda spot: spot.key)):
            yield {"_id": spot, "place": place}


def _places_of_part(spots: list[Spot]) -> Iterator[tuple[Spot, int]]:
    """Yield some spots of one priority and department, in their order, with their places: from the first one's on."""
    before, place = spots[0], _place(spots[0])
    yield before, place
    first, last = before, spots[-1]
    if first is last:
        return
    between = {
        **first.among, "queuePriority": first.priority, "queuedAt": {"$gte": first.queued_at, "$lte": last.queued_at},
    }  # fmt: skip
    limit = ROWS_A_PLACE * len(spots)
    rows = Session.collection().find(between, {"queuedAt": 1}, sort=QUEUE_ORDER, limit=limit)
    keys = [(row["queuedAt"], row["_id"]) for row in rows]
    for spot in spots[1:]:
        if len(keys) < limit or spot.key <= keys[-1]:
            place += bisect_left(keys, spot.key) - bisect_left(keys, before.key)
        else:
            place += _count_from(before.key, spot)
        yield spot, place
        before = spot


_look_up: SharedCommands[Spot] = SharedCommands(_places)


def _place(spot: Spot) -> int:
    queue = spot.priority, spot.department_id
    if spot.queued_at is None:
        return 1 + _count_ahead(spot, spot.among)
    near = checkpoints.nearest(queue, spot.key)
    if near is None:
        place = 1 + _count_ahead(spot, spot.among)
        checkpoints.remember(queue, spot.key, place)
        return place
    key, place = near
    return place + _count_from(key, spot)


def _count_from(key: tuple[Any, ObjectId], spot: Spot) -> int:
    """Return the number of sessions from this key of the same priority and department on, ahead of the spot."""
    time, session_id = key
    if time == spot.queued_at:
        between = [{"queuedAt": time, "_id": {"$gte": session_id, "$lt": spot.session_id}}]
    else:
        between = [
            {"queuedAt": time, "_id": {"$gte": session_id}},
            {"queuedAt": {"$gt": time, "$lt": spot.queued_at}},
            {"queuedAt": spot.queued_at, "_id": {"$lt": spot.session_id}},
        ]
    return _count([{**spot.among, "queuePriority": spot.priority, **part} for part in between])


def _count_ahead(spot: Spot, among: dict[str, Any]) -> int:
    ahead: list[dict[str, Any]] = [
        {"queuePriority": {"$lt": spot.priority}},
        {"queuePriority": spot.priority, "queuedAt": {"$lt": spot.queued_at}},
        {"queuePriority": spot.priority, "queuedAt": spot.queued_at, "_id": {"$lt": spot.session_id}},
    ]
    return _count([{**among, **part} for part in ahead])


def _count(ranges: list[dict[str, Any]]) -> int:
    """Return the number of waiting sessions in some parts of the queue of one department, or of all."""
    # Each of these is one range of the index, so MongoDB counts without looking at a session. If there are
    # departments, it looks at the sessions ahead of one without a department.
    index = "queue" if ranges[0].get("departmentId") is None else "places_in_department"
    sessions, hint = Session.collection(), index_builds.hint(f"sessions.{index}")
    near = count(sessions, {"$or": ranges}, hint, limit=checkpoints.NEAR)
    # With $or, MongoDB remembers each document that it has counted. It counts long ranges faster one by one.
    return near if near < checkpoints.NEAR else sum(count(sessions, one, hint) for one in ranges)
