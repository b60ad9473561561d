"""Reports: how many sessions ended, how long people waited, and which agents answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from chatsupport import feature, serializers
from chatsupport.database.clock import now
from chatsupport.documents import Agent
from chatsupport.documents.agent import HUMAN
from chatsupport.features.reports import rollups
from chatsupport.features.reports.documents import DAY, HOUR, MONTH, Rollup
from chatsupport.features.reports.figures import Figures, described
from chatsupport.features.reports.models import ReportQuery
from chatsupport.identity import Caller
from chatsupport.services.shared import access

Document = dict[str, Any]

MAX_LIVE = timedelta(hours=3)
"""How much of the time without roll-ups is added up while the caller waits for the report."""

_STEP = {HOUR: rollups.AN_HOUR, DAY: rollups.A_DAY}
_FLOOR = {HOUR: rollups.floor_hour, DAY: rollups.floor_day}
_WITHOUT_HISTOGRAMS = {f"{name}.steps": 0 for name in ("waiting", "firstResponse", "handling")}


def summary(caller: Caller, wanted: ReportQuery) -> dict[str, Any]:
    """Return the figures of the sessions that ended in a period: in total, by agent, and by hour or day.

    For operators and supervisors only. They are read from roll-ups, and for the latest hours from the sessions.
    """
    access.require_manager(caller)
    floor, step = _FLOOR[wanted.bucket], _STEP[wanted.bucket]
    start, end = floor(wanted.start), floor(wanted.end + step - timedelta(milliseconds=1))
    live, live_start, complete = _not_rolled_up(start, end)
    rolled_end = max(start, min(end, live_start))

    groups = rollups.merged(_rolled_up(start, rolled_end, wanted.agent_id))
    for hour_groups in live.values():
        for agent_id, figures in hour_groups.items():
            groups[agent_id].merge(figures.stored())
    more = _of_features(start, end)
    return {
        "from": serializers.iso(start),
        "to": serializers.iso(end),
        "bucket": wanted.bucket,
        "agentId": None if wanted.agent_id is None else str(wanted.agent_id),
        "complete": complete,
        "total": {**described(groups.get(wanted.agent_id, Figures()).stored()), **more(wanted.agent_id)},
        "agents": [{**row, **more(ObjectId(row["agentId"]))} for row in _by_agent(groups, wanted.agent_id)],
        "buckets": list(_buckets(wanted, start, end, rolled_end, live)),
    }


def _of_features(start: datetime, end: datetime) -> Callable[[ObjectId | None], Document]:
    """Return a function that returns what features add about an agent, or with None about everybody."""
    reports = [each.report(start, end) for each in feature.installed() if each.report is not None]
    return lambda agent_id: {name: value for of_agent in reports for name, value in of_agent(agent_id).items()}


def _not_rolled_up(start: datetime, end: datetime) -> tuple[dict[datetime, rollups.Groups], datetime, bool]:
    """Return the latest figures by hour, the time at which they begin, and whether everything before is rolled up."""
    reached = rollups.through()
    earliest = rollups.floor_hour(now()) - MAX_LIVE
    live_start = earliest if reached is None else max(reached, earliest)
    # A server that was off for long, or is new on old data, is still rolling up.
    complete = reached == live_start or rollups.first_ended_since(reached, live_start) is None
    live, hour = {}, max(live_start, rollups.floor_hour(start))
    while hour < min(end, now()):
        live[hour] = rollups.figures_between(hour, hour + rollups.AN_HOUR)
        hour += rollups.AN_HOUR
    return live, live_start, complete


def _rolled_up(start: datetime, end: datetime, agent_id: ObjectId | None) -> Iterator[Document]:
    """Yield the roll-ups of [start, end): of whole months and days if possible, and of hours at both ends."""
    for span, first, last in _spans(start, end):
        query: Document = {"span": span, "start": {"$gte": first, "$lt": last}}
        if agent_id is not None:
            query["agentId"] = agent_id
        yield from Rollup.collection().find(query)


def _spans(start: datetime, end: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    """Yield the pieces of [start, end), as (span, from, to). A day or month that is not over has no roll-up yet."""
    first_day, last_day = _ceil_day(start), rollups.floor_day(end)
    if first_day >= last_day:
        yield HOUR, start, end
        return
    first_month = first_day if first_day.day == 1 else rollups.next_month(first_day)
    last_month = rollups.floor_month(last_day)
    yield HOUR, start, first_day
    if first_month < last_month:
        yield DAY, first_day, first_month
        yield MONTH, first_month, last_month
        yield DAY, last_month, last_day
    else:
        yield DAY, first_day, last_day
    yield HOUR, last_day, end


def _ceil_day(time: datetime) -> datetime:
    return rollups.floor_day(time + rollups.A_DAY - timedelta(milliseconds=1))


def _by_agent(groups: rollups.Groups, only: ObjectId | None) -> list[Document]:
    """Return the figures of each agent, sorted by the number of sessions. A deleted agent has no name."""
    ids = [agent_id for agent_id in groups if agent_id is not None and only in (None, agent_id)]
    known = {agent.id: agent for agent in Agent.objects(id__in=ids).only("name", "kind")}
    ids.sort(key=lambda agent_id: (-groups[agent_id].sessions, str(agent_id)))
    return [
        {
            "agentId": str(agent_id),
            "name": getattr(known.get(agent_id), "name", None),
            "kind": getattr(known.get(agent_id), "kind", None) or HUMAN,
            **described(groups[agent_id].stored()),
        }
        for agent_id in ids
    ]


def _buckets(
    wanted: ReportQuery, start: datetime, end: datetime, rolled_end: datetime, live: Mapping[datetime, rollups.Groups]
) -> Iterator[Document]:
    """Yield every hour or day of the period up to now, also those in which no session ended."""
    figures = _rolled_up_buckets(wanted, start, rolled_end)
    floor, step, agent_id = _FLOOR[wanted.bucket], _STEP[wanted.bucket], wanted.agent_id
    # Some hours of the last day are rolled up, and some are not.
    unfinished = max(start, floor(rolled_end))
    pieces: dict[datetime, Figures] = {}
    for row in _hours(unfinished, rolled_end, agent_id):
        pieces.setdefault(floor(row["start"]), Figures()).merge(row)
    for hour, groups in live.items():
        if agent_id in groups:
            pieces.setdefault(floor(hour), Figures()).merge(groups[agent_id].stored())
    figures.update((time, described(piece.stored())) for time, piece in pieces.items())
    nothing = described(Figures().stored())
    time, last = start, min(end, now())
    while time < last:
        yield {"start": serializers.iso(time), **figures.get(time, nothing)}
        time += step


def _rolled_up_buckets(wanted: ReportQuery, start: datetime, end: datetime) -> dict[datetime, Document]:
    query = {
        "span": wanted.bucket,
        "agentId": wanted.agent_id,
        "start": {"$gte": start, "$lt": _FLOOR[wanted.bucket](end)},
    }
    rows = Rollup.collection().find(query, _WITHOUT_HISTOGRAMS)
    return {row["start"]: described(row) for row in rollups.politely(rows)}


def _hours(start: datetime, end: datetime, agent_id: ObjectId | None) -> Iterator[Document]:
    yield from Rollup.collection().find({"span": HOUR, "agentId": agent_id, "start": {"$gte": start, "$lt": end}})
