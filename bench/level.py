"""`python -m bench.level`: what calls cost on a small database and on a large one, and by how much that differs.

The cost is what MongoDB's profiler says of a call: how many keys and documents were examined, by how many commands. The
times are medians, and hold on a quiet machine only. All agents are full, so that everybody who starts has to wait. What
happened in the old sessions is in the feed, and goes on being recorded there.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import itertools
import math
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pymongo
from bson import ObjectId

from bench import old, processes
from bench.client import Http
from bench.processes import API_KEY, Mongod, Ours
from bench.stage import TEXT
from chatsupport.contract.people import AgentFields
from chatsupport.features.events.documents import BATCH_SIZE, FEED, MESSAGE_CREATED
from chatsupport.services.people import agents
from chatsupport.services.sessions import starting

MAX_USERS = 2
MESSAGES_EACH = 10
DAYS, RECORDED_DAYS = 360, 20
SETTLE_SECONDS, QUIET = 300, 100
BATCH, SESSIONS_A_BATCH = 5_000, 100
PROFILE_BYTES = 64 * 1024 * 1024
APP_NAME = "bench-level"

Figures = dict[str, tuple[float, float, float, float]]
"""For each call: commands, keys, documents, milliseconds."""


class Crowded(Ours):
    """Ours, with a queue that takes them all."""

    def command(self) -> tuple[list[str], dict[str, str]]:
        command, environment = super().command()
        return command, {**environment, "QUEUE_LIMIT": "1000000"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.level", description=__doc__)
    parser.add_argument("--agents", type=int, nargs=2, default=[1_000, 10_000], help="how many (%(default)s)")
    parser.add_argument("--waiting", type=int, nargs=2, default=[1_000, 100_000], help="how many wait (%(default)s)")
    parser.add_argument("--old", type=int, nargs=2, default=[1_000, 1_000_000], help="ended sessions (%(default)s)")
    parser.add_argument("--times", type=int, default=9, help="how often each call is made (%(default)s)")
    options = parser.parse_args()
    processes.pin_load()
    directory = Path(tempfile.mkdtemp(prefix="chat-bench-"))
    mongod = Mongod()
    sides: list[Figures] = []
    try:
        mongod.start()
        for size in zip(options.old, options.waiting, options.agents, strict=True):
            server = Crowded(mongod, "bench-level", directory / str(size[0]))
            mongod.drop(server.database)
            sides.append(_side(mongod, server, size, options.times))
            print(f"{size} done", file=sys.stderr, flush=True)
    finally:
        mongod.drop("bench-level")
        mongod.stop()
        shutil.rmtree(directory, ignore_errors=True)
    print(table(*sides))


def table(small: Figures, large: Figures) -> str:
    """Return both sides, and what was examined on the large one as a multiple of the small one."""
    lines = ["| call | commands | keys | documents | ms | examined, times |", "| --- | --- | --- | --- | --- | ---: |"]
    for name, few in small.items():
        many = large[name]
        pairs = " | ".join(f"{a:g} → {b:g}" for a, b in zip(few, many, strict=True))
        lines.append(f"| {name} | {pairs} | {(many[1] + many[2] + 1) / (few[1] + few[2] + 1):.2f} |")
    return "\n".join(lines)


def _side(mongod: Mongod, server: Crowded, size: tuple[int, int, int], times: int) -> Figures:
    with pymongo.MongoClient[Any](mongod.uri, appname=APP_NAME, tz_aware=True) as client:
        database = client[server.database]
        # Its start makes the indexes.
        server.start()
        server.stop()
        agent_id, session_id = _fill(database, *size)
        middle = _record(database)
        server.start()
        try:
            return asyncio.run(_measure(server, database, agent_id, session_id, middle, times))
        finally:
            database.command("profile", 0)
            server.stop()


def _fill(database: Any, ended: int, waiting: int, count: int) -> tuple[str, str]:
    """Store it all; return an agent and its open session."""
    old.fill(database, ended, MESSAGES_EACH, DAYS, are_indexed=True)
    begun = dt.datetime.now(dt.timezone.utc) - dt.timedelta(hours=1)
    for batch in _batches(count):
        rows, taken = [], []
        for number in batch:
            agent = agents._document(AgentFields(name=f"agent {number:06}", max_users=MAX_USERS))
            for place in range(MAX_USERS):
                session = {**starting._new(f"busy {number}-{place}", "user"), "status": "active"}
                taken.append({**session, "agentId": agent["_id"]})
                agent["activeSessions"].append(session["_id"])
                agent["activeUsers"].append(session["userId"])
            rows.append({**agent, "load": MAX_USERS, "hasRoom": False})
        database.agents.insert_many(rows)
        database.sessions.insert_many(taken)
        database.search.insert_many(map(old.entry, taken))
    for batch in _batches(waiting):
        waits = [
            {**starting._new(f"waiting {number}", "user"), "queuedAt": begun + dt.timedelta(milliseconds=number)}
            for number in batch
        ]
        database.sessions.insert_many(waits)
        database.search.insert_many(map(old.entry, waits))
    return str(rows[-1]["_id"]), str(taken[-1]["_id"])


def _record(database: Any) -> int:
    """Put into the feed what happened in the old sessions; return a position in the middle of it."""
    now = dt.datetime.now(dt.timezone.utc)
    count = database.sessions.count_documents({"status": "ended"})
    batches: list[dict[str, Any]] = []
    last = 0
    sessions = database.sessions.find({"status": "ended"}, {"_id": 1}, sort=[("_id", 1)])
    for number in range(math.ceil(count / SESSIONS_A_BATCH)):
        at = now - dt.timedelta(days=RECORDED_DAYS * (1 - number * SESSIONS_A_BATCH / count))
        entries = [
            entry for row in itertools.islice(sessions, SESSIONS_A_BATCH) for entry in _happened_in(row["_id"], at)
        ]
        last = number + 1
        batches.append(
            {"_id": last, "at": at, "types": sorted({entry["type"] for entry in entries}), "entries": entries}
        )
        if len(batches) == BATCH // SESSIONS_A_BATCH:
            database.events.insert_many(batches)
            batches = []
    if batches:
        database.events.insert_many(batches)
    since = now - dt.timedelta(days=RECORDED_DAYS)
    database.feed.insert_one({"_id": FEED, "isOn": True, "since": since, "readAt": now, "keptFrom": 1})
    return last // 2 * BATCH_SIZE


def _happened_in(session_id: ObjectId, at: dt.datetime) -> Iterator[dict[str, Any]]:
    about = {"sessionId": session_id, "at": at}
    yield {"type": "session.started", "id": ObjectId(), **about, "through": 0}
    run = {"seq": MESSAGES_EACH, "count": MESSAGES_EACH, "through": MESSAGES_EACH}
    yield {"type": MESSAGE_CREATED, "sessionId": session_id, **run}
    yield {"type": "session.ended", "id": ObjectId(), **about, "through": MESSAGES_EACH}


def _batches(count: int) -> Iterator[range]:
    for first in range(0, count, BATCH):
        yield range(first, min(first + BATCH, count))


async def _measure(server: Crowded, database: Any, agent_id: str, session_id: str, middle: int, times: int) -> Figures:
    database.create_collection("system.profile", capped=True, size=PROFILE_BYTES)
    operator = Http(server.port, **{"X-API-Key": API_KEY})
    token = (await operator.post("/api/auth/token", {"userId": agent_id, "userType": "agent"}))["token"]

    async def as_agent(path: str, **query: Any) -> Any:
        # A connection that nobody has used for a minute would be closed.
        agent = Http(server.port, Authorization=f"Bearer {token}")
        answer = await agent.get(path, **query)
        agent.close()
        return answer

    started: list[str] = []
    cursor = (await operator.get("/api/chat/sessions", limit=50))["nextCursor"]
    found = (await operator.get("/api/chat/search", limit=50, q="help order"))["nextCursor"]
    long_ago = (dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=DAYS / 2)).isoformat()
    path = f"/api/chat/messages/{session_id}"

    async def start() -> None:
        made = await operator.post("/api/chat/start-session", {"userId": f"new {ObjectId()}"})
        started.append(made["sessionId"])

    async def end_served() -> None:
        # Whoever waits longest has its place.
        mine = await as_agent("/api/chat/sessions", status="active", limit=1)
        await operator.post(f"/api/chat/end-session/{mine['sessions'][0]['id']}")

    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "start (into the queue)": start,
        "read, active": lambda: operator.get(f"/api/chat/session/{session_id}"),
        "read, last in the queue": lambda: operator.get(f"/api/chat/session/{started[-1]}"),
        "send": lambda: operator.post(f"/api/chat/send-message/{session_id}", {"message": TEXT}),
        "page": lambda: operator.get(path),
        "end, waiting": lambda: operator.post(f"/api/chat/end-session/{started.pop()}"),
        "list, end, serve the next": end_served,
        "sessions": lambda: operator.get("/api/chat/sessions", limit=50),
        "sessions, next page": lambda: operator.get("/api/chat/sessions", limit=50, cursor=cursor),
        "sessions, waiting": lambda: operator.get("/api/chat/sessions", limit=50, status="waiting"),
        "sessions, active": lambda: operator.get("/api/chat/sessions", limit=50, status="active"),
        "sessions, ended": lambda: operator.get("/api/chat/sessions", limit=50, status="ended"),
        "sessions of an agent": lambda: operator.get("/api/chat/sessions", limit=50, agentId=agent_id),
        "sessions of a user": lambda: operator.get("/api/chat/sessions", limit=50, userId="old-7"),
        "queue": lambda: operator.get("/api/chat/queue"),
        "stats": lambda: operator.get("/api/chat/stats"),
        "stats of an agent": lambda: as_agent("/api/chat/stats"),
        "availability": lambda: operator.get("/api/chat/availability"),
        "agents, 100": lambda: operator.get("/api/agents", limit=100),
        "agents, 1000": lambda: operator.get("/api/agents"),
        "agent": lambda: operator.get(f"/api/agents/{agent_id}"),
        "search, one session": lambda: operator.get("/api/chat/search", q="old-7"),
        "search, in all sessions": lambda: operator.get("/api/chat/search", q="help order"),
        "search, next page": lambda: operator.get("/api/chat/search", q="help order", cursor=found),
        "search, two words that never meet": lambda: operator.get("/api/chat/search", q=" ".join(old.KINDS)),
        "search, a long time ago": lambda: operator.get("/api/chat/search", q="help order", to=long_ago),
        "search, active": lambda: operator.get("/api/chat/search", q="busy", status="active"),
        "search, of an agent": lambda: as_agent("/api/chat/search", q="busy"),
        "report, a day": lambda: operator.get("/api/reports/summary", bucket="hour"),
        "events, the oldest": lambda: operator.get("/api/events"),
        "events, from the middle": lambda: operator.get("/api/events", after=middle),
        "events, ends from the middle": lambda: operator.get("/api/events", after=middle, types="session.ended"),
        "events, of a type without any": lambda: operator.get("/api/events", types="note.created"),
        "audit": lambda: operator.get("/api/audit", limit=50),
        "health": lambda: operator.get("/api/health"),
        "metrics": lambda: _metrics(server.port),
    }
    await _settle(database)
    operator.close()  # The server has closed the connection by now. The next call opens another one.
    figures: Figures = {}
    for name, call in calls.items():
        await call()
        figures[name] = await _cost(database, call, times)
        print(f"{name}: {figures[name]}", file=sys.stderr, flush=True)
    operator.close()
    return figures


async def _metrics(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-API-Key: %b\r\nConnection: close\r\n\r\n" % API_KEY.encode())
    await reader.read()
    writer.close()


async def _settle(database: Any) -> None:
    """Wait until the server's own work is done: it rolls the old sessions up for reports."""
    for _ in range(SETTLE_SECONDS):
        _, keys, documents, _ = await _cost(database, lambda: asyncio.sleep(1.0), 1)
        if keys + documents < QUIET:
            return


async def _cost(database: Any, call: Callable[[], Awaitable[Any]], times: int) -> tuple[float, float, float, float]:
    """Return the medians. A call's work that goes on after its answer, for 50 ms, belongs to it."""
    costs = []
    for _ in range(times):
        database.command("profile", 2)
        since = database.command("hello")["localTime"]
        began = time.perf_counter()
        await call()
        took = time.perf_counter() - began
        await asyncio.sleep(0.05)
        database.command("profile", 0)
        entries = list(
            database["system.profile"].find(
                {"ts": {"$gte": since}, "appName": {"$ne": APP_NAME}, "ns": {"$not": {"$regex": "system.profile"}}},
                {"execStats": 0},  # It may have times that Python does not know.
            )
        )
        keys, documents = (sum(entry.get(f"{what}Examined", 0) for entry in entries) for what in ("keys", "docs"))
        costs.append((len(entries), keys, documents, round(took * 1000, 1)))
    return tuple(statistics.median(each) for each in zip(*costs, strict=True))  # type: ignore[return-value]


if __name__ == "__main__":
    main()
