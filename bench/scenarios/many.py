"""`many`: the cost of the statistics and of a page of agents with 10 000 agents."""

from __future__ import annotations

import datetime as dt

import pymongo

from bench.client import Http
from bench.processes import API_KEY, Server
from bench.stage import Result, Stage, closed_loop

AGENTS, PAGE = 10_000, 1_000


class Many:
    """GET /api/chat/stats and GET /api/agents, by an operator."""

    title = f"statistics, {AGENTS} agents"
    unit = "calls"
    peers: tuple[type[Server], ...] = ()

    async def run(self, stage: Stage) -> Result:
        """Measure the statistics; `page_p50` is that of a page of agents."""
        now = dt.datetime.now(dt.timezone.utc)
        with pymongo.MongoClient(stage.server.mongod.uri) as client:
            client[stage.server.database].agents.insert_many(
                {
                    "name": f"Agent {number:05}",
                    "maxUsers": 2,
                    "isOnline": number % 4 != 0,
                    "isAway": number % 3 == 0,
                    "hasRoom": True,
                    "load": 0,
                    "activeUsers": [],
                    "activeSessions": [],
                    "slots": [],
                    "idleSince": now,
                    "createdAt": now,
                    "updatedAt": now,
                }
                for number in range(AGENTS)
            )
        operator = Http(stage.server.port, **{"X-API-Key": API_KEY})

        async def page(_: int) -> None:
            assert len((await operator.get("/api/agents", limit=PAGE))["agents"]) >= PAGE

        async def statistics(_: int) -> None:
            assert (await operator.get("/api/chat/stats"))["agentsTotal"] == AGENTS

        pages = await closed_loop(stage, 1, page)
        result = await closed_loop(stage, 1, statistics)
        operator.close()
        return {**result, "page_p50": pages["p50"], "page_cpu_ms": pages["cpu_ms"]}
