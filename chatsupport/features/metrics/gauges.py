"""Figures of the whole system from the database, for the metrics: sessions, the queue, agents.

They are the same in every process. They are read when Prometheus asks, at most once a second, by counts that an index
answers.
"""

from __future__ import annotations

import threading

import pymongo
from pymongo.errors import PyMongoError

from chatsupport import serializers
from chatsupport.background import Remembered
from chatsupport.database.clock import now
from chatsupport.documents import Agent
from chatsupport.errors import DatabaseUnavailableError
from chatsupport.observability import metrics
from chatsupport.services.assignment import queue, staffing
from chatsupport.services.server import overview, totals

TIMEOUT_SECONDS = 1.0
"""The driver looks for a server every half second, so that it may take that much longer."""
KEPT_SECONDS = 1.0

_STATES = {
    "online": {"isOnline": True, "isAway": False, "hasRoom": True},
    "full": {"isOnline": True, "isAway": False, "hasRoom": False},
    "away": {"isOnline": True, "isAway": True},
    "offline": {"isOnline": False},
}

_turn = threading.Lock()
_is_read: Remembered[bool] = Remembered()


def refresh() -> None:
    """Read the gauges from the database, unless that was done just now. Takes at most 2 s, and raises nothing.

    Without a database they are unknown, and not shown.
    """
    with _turn:
        if _is_read.get():
            return
        try:
            with pymongo.timeout(TIMEOUT_SECONDS):
                _read()
        except (PyMongoError, DatabaseUnavailableError):
            for gauge in metrics.GLOBAL:
                gauge.set(None)
            metrics.DATABASE_UP.set(0)
        _is_read.keep(True, KEPT_SECONDS)


def _read() -> None:
    sessions = overview.sessions_by_status(totals.counts()["sessions"])
    waiting, since = queue.waiting()
    agents = Agent.collection()
    states = {state: int(agents.count_documents(condition)) for state, condition in _STATES.items()}
    metrics.SESSIONS.set({status: sessions[status] for status in ("active", "ended", "waiting")})
    metrics.QUEUE_LENGTH.set(waiting)
    metrics.LONGEST_WAIT.set(0 if since is None else serializers.milliseconds_between(since, now()) / 1000)
    departments = staffing.waiting_departments() if waiting else []
    metrics.STARVING.set(sum(one["waiting"] for one in departments if one["isStarving"]))
    metrics.AGENTS.set(states)
    metrics.DATABASE_UP.set(1)
