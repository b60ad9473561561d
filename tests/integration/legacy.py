"""A database as the Node.js system leaves it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pymongo.database
from bson import ObjectId

DAY = datetime(2024, 5, 17, 9, 0, tzinfo=timezone.utc)

Document = dict[str, Any]
Database = pymongo.database.Database[Document]


def minutes(count: float) -> datetime:
    return DAY + timedelta(minutes=count)


class Legacy:
    """A database as Mongoose leaves it, with its faults."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ada, self.ben, self.cleo = (ObjectId() for _ in "abc")
        # What Mongoose schemas usually ask for.
        database.sessions.create_index([("userId", 1), ("userType", 1)])
        database.sessions.create_index([("agentId", 1), ("status", 1)])
        database.sessions.create_index([("status", 1), ("createdAt", -1)])
        database.messages.create_index([("sessionId", 1), ("timestamp", 1)])
        database.agents.create_index([("name", 1)], unique=True)
        self.current = self.session("u1", "active", 5, agentId=str(self.ada))
        self.older = self.session("u1", "waiting", 9)
        self.oldest = self.session("u1", "active", 1, agentId=self.ada, userType=None)
        self.crowd = [self.session(f"crowd-{n}", "active", 10 + n, agentId=self.ada) for n in range(4)]
        self.orphan = self.session("orphan", "active", 20, agentId=ObjectId())
        self.nobodys = self.session("nobodys", "active", 21, agentId="not an id", userType="user")
        self.queued = self.session("queued", "waiting", 22, agentId=self.ben, userType="user")
        self.ended = self.session("u1", "ended", 0, agentId=str(self.ben), endedAt=minutes(3), endReason="done")
        self.endless = self.session("endless", "ended", 0, updatedAt=minutes(30))
        self.unknown = self.session("unknown", "archived", 2, mood="good")
        self.agent(self.ada, "Ada", activeUsers=["u1", "gone", "crowd-0", "crowd-1"], maxUsers=3, isOnline=True)
        self.agent(self.ben, "Ben", activeUsers=["gone"], isOnline=True)
        self.agent(self.cleo, "Cleo", maxUsers="7", skills=["billing"])
        for session_id in (self.current, str(self.current)):
            for number in range(30):
                # Not in the order of time, and several at the same time.
                self.message(session_id, minutes((number * 7) % 30 // 2), f"{number} of {type(session_id).__name__}")
        for number in range(3):
            self.message(self.ended, minutes(number), f"ended {number}", mood="good")
        self.message("no session's id", minutes(1), "lost")

    def session(self, user_id: str, status: str, created: float, **fields: Any) -> ObjectId:
        document = {
            "_id": ObjectId(),
            "userId": user_id,
            "status": status,
            "agentId": None,
            "createdAt": minutes(created),
            "updatedAt": minutes(created),
            "__v": 0,
            **fields,
        }
        self.database.sessions.insert_one(document)
        return document["_id"]

    def agent(self, agent_id: ObjectId, name: str, **fields: Any) -> None:
        document = {"_id": agent_id, "name": name, "activeUsers": [], "createdAt": DAY, "updatedAt": DAY, "__v": 3}
        self.database.agents.insert_one({**document, **fields})

    def message(self, session_id: ObjectId | str, time: datetime, text: str, **fields: Any) -> None:
        document = {"senderId": "u1", "senderType": "user", "message": text, "timestamp": time, "__v": 0, **fields}
        self.database.messages.insert_one({"sessionId": session_id, **document})

    def contents(self) -> dict[str, list[Document]]:
        """Return everything there is."""
        names = sorted(self.database.list_collection_names())
        return {name: list(self.database[name].find(sort=[("_id", 1)])) for name in names}
