"""`python -m bench.explain`: what MongoDB does for each operation of the hot path, read from its own profiler.

Fills a database, has a real server do the work over REST and sockets, and lists every kind of command that reached
MongoDB with its plan. Nothing here repeats a query of the server, so nothing can be out of date.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import tempfile
from pathlib import Path
from typing import Any

import pymongo
from bson import ObjectId

from bench import processes
from bench.client import Http
from bench.processes import API_KEY, Mongod, Ours
from bench.stage import TEXT, Stage, add_agents, join_all, start_sessions

OLD_SESSIONS, OLD_MESSAGES, AGENTS = 20_000, 100_000, 200
HEAD = """\
| collection | command | asks for | plan | keys | documents | returned | times |
| --- | --- | --- | --- | ---: | ---: | ---: | ---: |"""


def main() -> None:
    """Print the table."""
    mongod = Mongod()
    with tempfile.TemporaryDirectory(prefix="chat-bench-") as directory:
        mongod.start()
        server = Ours(mongod, "bench-explain", Path(directory, "server"))
        try:
            server.start()
            with pymongo.MongoClient(mongod.uri) as client:
                database = client[server.database]
                _fill(database)
                stage = Stage(server, 1.0, name="explain")
                asyncio.run(_work(stage, database))
                print(HEAD)
                for line in _plans(database):
                    print(line)
        finally:
            server.stop()
            mongod.drop("bench-explain")
            mongod.stop()


def _fill(database: Any) -> None:
    now = dt.datetime.now(dt.timezone.utc)
    old = [ObjectId() for _ in range(OLD_SESSIONS)]
    database.sessions.insert_many(
        {
            "_id": session_id,
            "userId": f"old-{number}",
            "userType": "user",
            "status": "ended",
            "createdAt": now,
            "updatedAt": now,
            "endedAt": now,
            "totalMessages": 5,
        }
        for number, session_id in enumerate(old)
    )
    database.messages.insert_many(
        {
            "sessionId": old[number % len(old)],
            "seq": number // len(old) + 1,
            "senderId": "old",
            "senderType": "user",
            "message": TEXT,
            "timestamp": now,
        }
        for number in range(OLD_MESSAGES)
    )


async def _work(stage: Stage, database: Any) -> None:
    """Do everything once while MongoDB writes down what it is asked."""
    await add_agents(stage, AGENTS)
    database.command("profile", 2)
    try:
        chats = await start_sessions(stage, 5)
        await join_all(stage, chats, 2)
        for chat in chats:
            http = Http(stage.server.port, Authorization=f"Bearer {chat.token}")
            path = f"/api/chat/send-message/{chat.session_id}"
            for number in range(3):
                await http.post(path, {"message": TEXT, "clientMessageId": str(number)})
            await http.post(path, {"message": TEXT, "clientMessageId": "0"})
            await http.get(f"/api/chat/messages/{chat.session_id}", limit=2, offset=1)
            await http.get(f"/api/chat/session/{chat.session_id}")
            await http.post(f"/api/chat/end-session/{chat.session_id}")
            http.close()
        operator = Http(stage.server.port, **{"X-API-Key": API_KEY})
        await operator.get("/api/chat/stats")
        await operator.get("/api/health")
        operator.close()
        await asyncio.sleep(1.0)
    finally:
        database.command("profile", 0)


def _plans(database: Any) -> list[str]:
    kinds: dict[tuple[str, ...], list[int]] = {}
    for entry in database["system.profile"].find({"ns": {"$not": {"$regex": "system"}}}):
        collection = entry["ns"].partition(".")[2]
        command = entry.get("command", {})
        asked = command.get("filter") or command.get("query") or command.get("q") or command.get("pipeline") or {}
        names = json.dumps(_shape(asked), default=str, ensure_ascii=False).replace('"', "").replace("|", "/")
        sort = command.get("sort")
        wanted = f"{names[:110]}{'…' if len(names) > 110 else ''}" + (f" by {', '.join(sort)}" if sort else "")
        plan = entry.get("planSummary", "").replace("{ ", "{").replace(" }", "}")
        if entry["op"] == "insert":
            wanted = f"{entry.get('ninserted', 0)} document, {entry.get('keysInserted', 0)} index keys"
        name = "findAndModify" if "findAndModify" in command or "findandmodify" in command else entry["op"]
        name = next(iter(command)) if name == "command" and command else name
        figures = [entry.get(field, 0) for field in ("keysExamined", "docsExamined", "nreturned")]
        most = kinds.setdefault((collection, name, f"`{wanted}`", f"`{plan or '-'}`"), [0, 0, 0, 0])
        most[:3] = [max(pair) for pair in zip(most, figures, strict=False)]
        most[3] += 1
    return [f"| {' | '.join(kind)} | {' | '.join(map(str, figures))} |" for kind, figures in sorted(kinds.items())]


def _shape(asked: Any) -> Any:
    """Return the query without its values."""
    if isinstance(asked, dict):
        return {name: _shape(value) for name, value in asked.items()}
    if isinstance(asked, list):
        return [_shape(value) for value in asked[:2]]
    return asked if asked is None or (isinstance(asked, (bool, str)) and len(str(asked)) < 12) else "…"


if __name__ == "__main__":
    processes.pin_load()
    main()
