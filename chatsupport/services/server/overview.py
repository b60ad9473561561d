"""The state of the service, for dashboards (`statistics`) and for health checks (`health`).

The sums that grow with every session are in `totals`, and the statistics of one session in `sessions/end_statistics`.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from typing import Any

import pymongo
from bson import MinKey

from chatsupport import __version__, serializers
from chatsupport.background import Counted, Remembered
from chatsupport.database import clock
from chatsupport.database.clock import elapsed, now
from chatsupport.database.connection import ping, translate_errors
from chatsupport.documents import Agent, Session
from chatsupport.documents.agent import ANY_STATE, LEAST_LOADED, PEOPLE
from chatsupport.documents.session import ACTIVE, WAITING
from chatsupport.errors import DatabaseUnavailableError
from chatsupport.extensions import settings
from chatsupport.identity import USER, Caller
from chatsupport.services.server import index_builds, totals

MANY_AGENTS = 1_000
MAX_AGENTS = 200
"""The number of agents that are shown. If there are more, the busiest are shown."""
HEALTH_TIMEOUT_SECONDS = 1.0
"""The driver looks for a server every half second, so that it may take that much longer."""

HEALTH_SECONDS = 1.0
"""How long `health` repeats its last finding."""

_started = time.monotonic()


_found: Remembered[dict[str, int]] = Remembered()
"""The numbers of sessions, as the database last told them."""
_last_load: Remembered[dict[str, int]] = Remembered()


def statistics(caller: Caller) -> dict[str, Any]:
    """Return the statistics. Only agents and operators see the agents' names."""
    sums, counts = totals.read(), totals.counts()
    sessions, messages = sessions_by_status(counts["sessions"]), counts["messages"]
    load = _load()
    return {
        "sessions": sessions,
        "messages": {
            "total": messages,
            "averagePerSession": round(messages / sessions["total"], 2) if sessions["total"] else 0,
        },
        "agentsTotal": load["agents"],
        "agents": [] if caller.type == USER else [serializers.agent_load(agent) for agent in _busiest()],
        "performance": {
            "averageSessionDuration": _mean_seconds(sums["endedMs"], sums["ended"]),
            "averageWaitTime": _mean_seconds(sums["waitedMs"], sums["assigned"]),
            "systemLoad": serializers.percentage(load["taken"], load["capacity"]),
        },
        "systemHealth": {
            "status": "healthy",
            "uptime": uptime(),
            "memory": memory(),
            "timestamp": serializers.iso(now()),
        },
    }


def _busiest() -> list[dict[str, Any]]:
    """Return the busiest agents, sorted by name."""
    most_loaded = [(field, -order) for field, order in LEAST_LOADED]
    busiest = Agent.collection().find(ANY_STATE, sort=most_loaded, limit=MAX_AGENTS)
    return sorted(busiest, key=lambda agent: (agent["name"], agent["_id"]))


def _load() -> dict[str, int]:
    """Return the number of agents, and the taken slots and all slots of the people among them who are present.

    With many agents, the result is kept for some seconds, because MongoDB looks at each agent.
    """
    if (kept := _last_load.get()) is not None:
        return kept
    agents = Agent.collection()
    sums = {
        "taken": {"$sum": {"$size": {"$ifNull": ["$activeUsers", []]}}},
        "capacity": {"$sum": "$maxUsers"},
    }
    there: list[dict[str, Any]] = [
        {"$match": {"isOnline": True, "isAway": False, **PEOPLE}},
        {"$group": {"_id": None, **sums}},
    ]
    nobody: dict[str, int] = dict.fromkeys(sums, 0)
    # An index counts them, because MongoDB's own count of a collection may be wrong after a crash.
    count = agents.count_documents({"_id": {"$gte": MinKey()}})
    load = {"agents": count, **next(iter(agents.aggregate(there)), nobody)}
    if count > MANY_AGENTS:
        _last_load.keep(load, min(Counted.LONGEST_SECONDS, count / MANY_AGENTS))
    return load


def health() -> tuple[dict[str, Any], bool]:
    """Return the state of the service, and whether the database answers. Takes at most 2 s."""
    counts = _look()
    alive = counts is not None
    return {
        "status": _status(alive),
        "timestamp": serializers.iso(now()),
        "uptime": uptime(),
        "environment": settings.config.app_env,
        "version": __version__,
        "services": {
            "database": "connected" if alive else "disconnected",
            "sessions": counts or {"active": None, "total": None},
            "clock": _clock(),
            "indexes": index_builds.state(),
        },
    }, alive


def _look() -> dict[str, int] | None:
    """Return the number of sessions, or None if the database does not answer.

    The finding is reused for a second, however many callers ask, so an outage is reported within a second.
    """
    if (found := _found.get()) is not None:
        return found
    asked_at = elapsed()
    try:
        with translate_errors(), pymongo.timeout(HEALTH_TIMEOUT_SECONDS):
            ping(HEALTH_TIMEOUT_SECONDS)
            counts = sessions_by_status(totals.counts()["sessions"])
    except DatabaseUnavailableError:
        return None
    found = {"active": counts["active"], "total": counts["total"]}
    _found.keep(found, HEALTH_SECONDS - (elapsed() - asked_at))
    return found


def _status(alive: bool) -> str:
    if not alive:
        return "unhealthy"
    return "healthy" if index_builds.holds_back() is None else "degraded"


def _clock() -> dict[str, Any]:
    """Return the difference between this machine's clock and the database's, which all processes use."""
    ahead = clock.own_offset()
    if ahead is None:
        return {"status": "unknown", "offset": None}
    return {"status": "wrong" if clock.is_off(ahead) else "right", "offset": round(ahead, 3)}


def uptime() -> float:
    """Return the seconds since this process started."""
    return round(time.monotonic() - _started, 3)


def memory() -> dict[str, float]:
    """Return the memory of this process and of the machine, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    used = peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            used = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024**2
    except OSError:
        pass  # Not Linux: only the peak is available.
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**2
    return {"used": round(used, 1), "total": round(total, 1)}


def sessions_by_status(total: int) -> dict[str, int]:
    """Return the numbers of sessions. Open ones are few, and their index counts them."""
    active, waiting = _active(), _waiting()
    total = max(total, active + waiting)
    return {"active": active, "waiting": waiting, "ended": total - active - waiting, "total": total}


def _count(status: str) -> int:
    return int(Session.collection().count_documents({"status": status}))


_active, _waiting = Counted(lambda: _count(ACTIVE)), Counted(lambda: _count(WAITING))


def _mean_seconds(milliseconds: int, count: int) -> float:
    return round(milliseconds / count / 1000, 3) if count else 0.0
