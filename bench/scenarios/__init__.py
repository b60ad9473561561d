"""The scenarios, by their names for `--only`, in the order in which they run.

Each has a title, names the peers that can run it too, and a function that measures.
"""

from __future__ import annotations

from bench.scenarios import arrivals, churn, closed, history, hot, idle, many, openloop, rejoin, rest

ALL = {
    "closed": closed.Closed(),
    "drive": closed.Drive(),
    "open300": openloop.OpenLoop(300),
    "open1000": openloop.OpenLoop(1000),
    "hot": hot.Hot(),
    "token": rest.Token(),
    "churn": churn.Churn(),
    "read": rest.Read(),
    "page": rest.Page(),
    "send": rest.Send(),
    "arrivals": arrivals.Arrivals(),
    "rejoin": rejoin.Rejoin(),
    "history": history.History(),
    "many": many.Many(),
    "idle": idle.Idle(),
}
