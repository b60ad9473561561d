"""The scenarios, in the order they run. Each has a title, says whether the peer can run it too, and measures."""

from __future__ import annotations

from bench.scenarios import churn, closed, history, hot, idle, openloop, rejoin, rest

ALL = {
    "closed": closed.Closed(),
    "drive": closed.Drive(),
    "open300": openloop.OpenLoop(300),
    "open1000": openloop.OpenLoop(1000),
    "hot": hot.Hot(),
    "rest": rest.Rest(),
    "churn": churn.Churn(),
    "rejoin": rejoin.Rejoin(),
    "history": history.History(),
    "idle": idle.Idle(),
}
