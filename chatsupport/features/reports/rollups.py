"""Roll-ups: stored figures of the sessions that ended in an hour, a day or a month, so that reports cost little.

An hour is rolled up from its ended sessions once nothing in it can change any more, and a roll-up is written only if it
does not exist yet. So doing it twice, in two processes at once or after a kill, gives the same result, and sessions
that RETENTION_DAYS deletes later stay counted. `through` is the time up to which all roll-ups exist. It moves on after
an hour is written; then the hours of a complete day are added up, and the days of a complete month.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar

from bson import ObjectId
from pymongo import UpdateOne

from chatsupport.database.clock import now
from chatsupport.documents import Counters, Message, Session
from chatsupport.documents.session import ENDED
from chatsupport.extensions import socketio
from chatsupport.features.reports.documents import DAY, HOUR, MONTH, Rollup
from chatsupport.features.reports.figures import Figures
from chatsupport.services.messages import sequences
from chatsupport.services.server import index_builds, processes
from chatsupport.services.server.leases import HOUSEKEEPING
from chatsupport.services.sessions.end_statistics import first_response_ms

Document = dict[str, Any]

STATE = "rollups"
SETTLED_AFTER = timedelta(seconds=sequences.FENCE_SECONDS)
"""How long after an hour a write that ends a session in it may still be in progress."""
BATCH = 200
PAUSE_EVERY = 100
"""After this many rows, which take a few milliseconds, other greenlets may run."""

AN_HOUR, A_DAY = timedelta(hours=1), timedelta(days=1)
_NEEDED = dict.fromkeys(
    "userId userType agentId botId handedOverAt createdAt firstAssignedAt endedAt totalMessages "
    "firstResponseMs".split(),
    1,
)

_Key = ObjectId | None
_Row = TypeVar("_Row")
Groups = dict[_Key, Figures]
"""Figures by agent; the key None has those of all sessions."""


def keep_up() -> None:
    """Roll up the hours that are over, unless the cost is too high or an hour would be closed too early."""
    if not index_builds.is_missing("sessions.ended") and not processes.here.wrong_clocks():
        sweep(HOUSEKEEPING.hold)


def sweep(may_go_on: Callable[[], bool] = lambda: True) -> datetime | None:
    """Roll up every complete hour. Returns the end of the last one, or None if there is none yet."""
    reached = through()
    horizon = floor_hour(now() - SETTLED_AFTER)
    while may_go_on():
        start = first_ended_since(reached, horizon)
        if start is None:
            return _advance(reached, max(horizon, reached or horizon))
        start = floor_hour(start)
        _close_behind(reached, start)
        _keep(HOUR, start, figures_between(start, start + AN_HOUR))
        reached = _advance(start, start + AN_HOUR)
    return reached


def through() -> datetime | None:
    """Return the time up to which roll-ups are complete, or None if there are none yet."""
    state = Counters.collection().find_one({"_id": STATE})
    return None if state is None else state["through"]


def first_ended_since(start: datetime | None, end: datetime) -> datetime | None:
    """Return when the first session ended in [start, end); None if none did. One index look-up."""
    between = {"$lt": end} if start is None else {"$gte": start, "$lt": end}
    query = {"status": ENDED, "endedAt": between}
    row = Session.collection().find_one(query, {"endedAt": 1}, sort=[("endedAt", 1)])
    return None if row is None else row["endedAt"]


def figures_between(start: datetime, end: datetime) -> Groups:
    """Return the figures of the sessions that ended in [start, end), computed from the sessions."""
    groups: Groups = defaultdict(Figures)
    for session, messages, first_ms in _ended(start, end):
        groups[None].add(session, messages, first_ms)
        if session.get("agentId") is not None:
            groups[session["agentId"]].add(session, messages, first_ms)
    return groups


def merged(rows: Iterable[Document]) -> Groups:
    """Add up roll-ups, by agent."""
    groups: Groups = defaultdict(Figures)
    for row in politely(rows):
        groups[row["agentId"]].merge(row)
    return groups


def politely(rows: Iterable[_Row]) -> Iterator[_Row]:
    """Yield the rows, and let other greenlets run now and then: this process also serves chats."""
    for number, row in enumerate(rows, start=1):
        if number % PAUSE_EVERY == 0:
            socketio.sleep(0)
        yield row


def floor_hour(time: datetime) -> datetime:
    """Return the beginning of the hour."""
    return time.replace(minute=0, second=0, microsecond=0)


def floor_day(time: datetime) -> datetime:
    """Return the beginning of the day, in UTC."""
    return floor_hour(time).replace(hour=0)


def floor_month(time: datetime) -> datetime:
    """Return the beginning of the month, in UTC."""
    return floor_day(time).replace(day=1)


def next_month(start: datetime) -> datetime:
    """Return the beginning of the month after the one that begins at `start`."""
    return floor_month(start + 31 * A_DAY)


def _advance(reached: datetime | None, to: datetime) -> datetime:
    """Move `through` on, after closing the day and the month that end before it."""
    _close_behind(reached, to)
    # Another process may already be further.
    Counters.collection().update_one({"_id": STATE}, {"$max": {"through": to}}, upsert=True)
    return to


def _close_behind(reached: datetime | None, to: datetime) -> None:
    """Add up the day and the month of `reached` if they are over at `to`. No session ended between the two times."""
    if reached is not None and floor_day(reached) < floor_day(to):
        _close(HOUR, DAY, floor_day(reached), floor_day(reached) + A_DAY)
        if floor_month(reached) < floor_month(to):
            _close(DAY, MONTH, floor_month(reached), next_month(floor_month(reached)))


def _close(parts: str, whole: str, start: datetime, end: datetime) -> None:
    rows = Rollup.collection().find({"span": parts, "start": {"$gte": start, "$lt": end}})
    _keep(whole, start, merged(rows))


def _keep(span: str, start: datetime, groups: Groups) -> None:
    """Write missing roll-ups only: an existing one was made while all its sessions existed."""
    writes = [
        UpdateOne({"span": span, "start": start, "agentId": agent_id}, {"$setOnInsert": figures.stored()}, upsert=True)
        for agent_id, figures in groups.items()
    ]
    if writes:
        Rollup.collection().bulk_write(writes, ordered=False)


def _ended(start: datetime, end: datetime) -> Iterator[tuple[Document, int, int | None]]:
    """Yield the sessions that ended in [start, end), with the number of messages and the first response of each."""
    query = {"status": ENDED, "endedAt": {"$gte": start, "$lt": end}}
    unknown: list[Document] = []
    for session in politely(Session.collection().find(query, _NEEDED, hint=index_builds.hint("sessions.ended"))):
        if "totalMessages" in session and "firstResponseMs" in session:
            yield session, session["totalMessages"], session["firstResponseMs"]
        else:
            unknown.append(session)
    # From an older release or another system, or the process was killed before it stored the statistics.
    for first in range(0, len(unknown), BATCH):
        yield from _from_messages(unknown[first : first + BATCH])


def _from_messages(sessions: list[Document]) -> Iterator[tuple[Document, int, int | None]]:
    rows = Message.collection().find(
        {"sessionId": {"$in": [session["_id"] for session in sessions]}, "fence": sequences.NO_FENCE},
        {"_id": 0, "sessionId": 1, "senderId": 1, "senderType": 1, "timestamp": 1},
        sort=[("sessionId", 1), ("seq", 1)],
    )
    messages = {session_id: list(group) for session_id, group in groupby(rows, key=lambda row: row["sessionId"])}
    for session in sessions:
        own = messages.get(session["_id"], [])
        yield session, len(own), first_response_ms(session, own)
