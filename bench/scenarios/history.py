"""`history`: pages at any depth cost the same in a session with few messages and in one with very many."""

from __future__ import annotations

import datetime as dt
import random

import pymongo
from bson import ObjectId

from bench.client import Http
from bench.processes import Server
from bench.stage import TEXT, Result, Stage, closed_loop, start_sessions

READERS, LIMIT, BATCH = 4, 50, 10_000


class History:
    """GET /api/chat/messages with an offset anywhere."""

    title = "history pages of 50 at any depth"
    unit = "pages"
    peers: tuple[type[Server], ...] = ()

    async def run(self, stage: Stage) -> Result:
        """Measure the large session; `small_p50` is that of a session with one page."""
        small, large = await start_sessions(stage, 2)
        self._write(stage, small.session_id, small.user_id, LIMIT)
        self._write(stage, large.session_id, large.user_id, stage.history_messages)
        first = await self._read(stage, small.token, small.session_id, 1)
        result = await self._read(stage, large.token, large.session_id, stage.history_messages - LIMIT)
        return {**result, "small_p50": first["p50"], "small_per_second": first["per_second"]}

    @staticmethod
    async def _read(stage: Stage, token: str, session_id: str, deepest: int) -> Result:
        callers = [Http(stage.server.port, Authorization=f"Bearer {token}") for _ in range(READERS)]
        chance = random.Random(1)

        async def read(number: int) -> None:
            offset = chance.randrange(deepest)
            page = await callers[number].get(f"/api/chat/messages/{session_id}", limit=LIMIT, offset=offset)
            assert page["messages"][0]["seq"] == offset + 1

        result = await closed_loop(stage, READERS, read)
        for caller in callers:
            caller.close()
        return result

    @staticmethod
    def _write(stage: Stage, session_id: str, user_id: str, count: int) -> None:
        with pymongo.MongoClient(stage.server.mongod.uri) as client:
            messages = client[stage.server.database].messages
            now = dt.datetime.now(dt.timezone.utc)
            for first in range(1, count + 1, BATCH):
                messages.insert_many(
                    {
                        "sessionId": ObjectId(session_id),
                        "seq": seq,
                        "senderId": user_id,
                        "senderType": "user",
                        "message": TEXT,
                        "timestamp": now,
                    }
                    for seq in range(first, min(first + BATCH, count + 1))
                )
