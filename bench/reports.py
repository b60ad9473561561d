"""`python -m bench.reports`: measure a report on a year of a million sessions.

Fills a database with ended sessions, has them rolled up as a server does, and asks for reports over REST, in this
process and as a client would. `SESSIONS` and `AGENTS` in the environment change the size. MONGODB_URI, where set, names
the MongoDB.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import statistics
import time
from pathlib import Path
from typing import Any

import pymongo
from bson import ObjectId

from bench.processes import API_KEY, Mongod
from chatsupport import documents
from chatsupport.config import Config
from chatsupport.factory import create_app
from chatsupport.features.reports import rollups

SESSIONS, AGENTS = int(os.environ.get("SESSIONS", "1000000")), int(os.environ.get("AGENTS", "50"))
DATABASE, BATCH, ROUNDS = "bench-reports", 10_000, 9
HEADERS = {"X-API-Key": API_KEY}


def main() -> None:
    """Print the tables."""
    mongod = Mongod()
    mongod.start()
    try:
        with pymongo.MongoClient(mongod.uri, tz_aware=True) as client:
            client.drop_database(DATABASE)
            _measure(mongod.uri, client[DATABASE])
            client.drop_database(DATABASE)
    finally:
        mongod.stop()


def _measure(uri: str, database: Any) -> None:
    config = Config(
        jwt_secret="x" * 32,
        api_keys=(API_KEY,),
        app_env="testing",
        mongodb_uri=uri,
        mongodb_db=DATABASE,
        log_dir=Path("/tmp"),
        log_to_files=False,
        slow_ms=0,
        log_level="WARNING",
        async_mode="threading",
        timed_work=False,
    )
    app = create_app(config)
    documents.ensure_indexes()
    end = dt.datetime.now(dt.timezone.utc)
    started = time.perf_counter()
    _fill(database, end)
    print(f"{SESSIONS} sessions of {AGENTS} agents stored in {time.perf_counter() - started:.0f} s")
    started = time.perf_counter()
    rollups.sweep()
    print(f"rolled up in {time.perf_counter() - started:.0f} s: {database.rollups.count_documents({})} roll-ups,")
    print(f"{database.command('collstats', 'rollups')['storageSize'] / 2**20:.0f} MB on disk")

    api, year = app.test_client(), (end - dt.timedelta(days=365)).strftime("%Y-%m-%d")
    agent_id = str(database.agents.find_one({})["_id"])
    print("\n| report | median ms | slowest ms | KB |\n| --- | ---: | ---: | ---: |")
    for name, query, accept in (
        ("a year by day", {"from": year}, "application/json"),
        ("a year by day, as CSV", {"from": year}, "text/csv"),
        ("a year by hour", {"from": year, "bucket": "hour"}, "application/json"),
        ("a year by day, one agent", {"from": year, "agentId": agent_id}, "application/json"),
        ("30 days by day", {}, "application/json"),
        ("the same by aggregating the sessions", None, ""),
    ):
        taken, size = [], 0
        for _ in range(ROUNDS if query is not None else 1):
            begun = time.perf_counter()
            if query is None:
                _aggregate(database, end)
            else:
                answer = api.get("/api/reports/summary", query_string=query, headers={**HEADERS, "Accept": accept})
                assert answer.status_code == 200, answer.text
                size = len(answer.data)
            taken.append((time.perf_counter() - begun) * 1000)
        print(f"| {name} | {statistics.median(taken):.0f} | {max(taken):.0f} | {size / 1024:.0f} |", flush=True)


def _fill(database: Any, end: dt.datetime) -> None:
    rng = random.Random(1)
    agents = [{"_id": ObjectId(), "name": f"Agent {number}", "maxUsers": 4} for number in range(AGENTS)]
    database.agents.insert_many(agents)
    for first in range(0, SESSIONS, BATCH):
        rows = []
        for number in range(first, min(first + BATCH, SESSIONS)):
            ended = end - dt.timedelta(days=365) * ((SESSIONS - number) / SESSIONS)
            handled, waited = dt.timedelta(seconds=rng.lognormvariate(6, 1)), rng.lognormvariate(3, 1.5)
            row: dict[str, Any] = {"userId": f"u{number}", "userType": "user", "status": "ended", "agentId": None}
            row |= {"endedAt": ended, "createdAt": ended - handled - dt.timedelta(seconds=waited)}
            row |= {
                "totalMessages": rng.randrange(2, 30),
                "firstResponseMs": int(waited * 1000) + rng.randrange(60_000),
            }
            if rng.random() < 0.95:
                row |= {"agentId": rng.choice(agents)["_id"], "firstAssignedAt": ended - handled}
            else:
                row["firstResponseMs"] = None
            rows.append(row)
        database.sessions.insert_many(rows, ordered=False)


def _aggregate(database: Any, end: dt.datetime) -> None:
    """Have MongoDB work out counts and means a day alone, without percentiles and agents, from the sessions."""
    stages: list[dict[str, Any]] = [
        {"$match": {"status": "ended", "endedAt": {"$gte": end - dt.timedelta(days=365)}}},
        {
            "$group": {
                "_id": {"$dateTrunc": {"date": "$endedAt", "unit": "day"}},
                "sessions": {"$sum": 1},
                "waiting": {"$avg": {"$subtract": ["$firstAssignedAt", "$createdAt"]}},
            }
        },
    ]
    list(database.sessions.aggregate(stages))


if __name__ == "__main__":
    main()
