"""Watch the database during a round: the order of assignments, and agents with too many sessions."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pymongo
import pymongo.database
from bson import ObjectId
from pymongo.errors import PyMongoError

Document = dict[str, Any]

OVERLAP = timedelta(seconds=1)
"""Two starts within this time at different processes count as simultaneous: either may be first."""
POLL_SECONDS = 0.1
OVERFULL = {"$expr": {"$gt": [{"$size": "$activeUsers"}, "$maxUsers"]}}


class Watcher:
    """Follows the sessions by a change stream, and checks the agents again and again."""

    def __init__(self, uri: str, database: str) -> None:
        self._client: pymongo.MongoClient[Document] = pymongo.MongoClient(uri, tz_aware=True)
        self._database = self._client[database]
        self._over = threading.Event()
        self._sessions: dict[ObjectId, Document] = {}
        self._lists = {agent["_id"]: agent.get("departmentIds") for agent in self._database.agents.find()}
        self.assignments = 0
        self.overtakings: list[str] = []
        self.overfull: list[str] = []
        self._stream = self._database.sessions.watch(full_document="updateLookup", max_await_time_ms=100)
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._follow, self._look)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._over.set()
        for thread in self._threads:
            thread.join(10)
        self._stream.close()
        self._client.close()

    def _look(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            try:
                found = list(self._database.agents.find(OVERFULL))
            except PyMongoError:
                continue  # The database is away, which is expected here.
            self.overfull += [f"for a moment {agent['name']} has {agent['activeUsers']}" for agent in found]

    def _follow(self) -> None:
        while not self._over.is_set():
            try:
                change = self._stream.try_next()
            except PyMongoError:
                time.sleep(POLL_SECONDS)
                self._stream = self._database.sessions.watch(max_await_time_ms=100)
                continue
            if change is not None:
                self._take(change)

    def _take(self, change: Document) -> None:
        before = self._sessions.get(change["documentKey"]["_id"], {})
        if change["operationType"] in ("insert", "replace"):
            session = change["fullDocument"]
        elif change["operationType"] == "update":
            # The document as it was after this change, not as it is now.
            description = change["updateDescription"]
            session = {**before, **description["updatedFields"]}
            for name in description["removedFields"]:
                session.pop(name, None)
        else:
            return
        self._sessions[change["documentKey"]["_id"]] = session
        if session.get("status") == "waiting" and (
            before.get("status") != "waiting" or before.get("reservedFor") != session.get("reservedFor")
        ):
            session["visibleSince"] = change["wallTime"]  # To the agents who may have it now.
        if session.get("status") == "active" and before.get("status") == "waiting":
            self.assignments += 1
            self._look_for_overtaken(before, session)

    def _look_for_overtaken(self, before: Document, session: Document) -> None:
        """Find sessions that came before this one, still wait, and have no reason to be passed."""
        came = (before["queuePriority"], before["queuedAt"])
        for other in self._sessions.values():
            if (
                other.get("status") == "waiting"
                and other["_id"] != session["_id"]
                and (other["queuePriority"], other["queuedAt"] + OVERLAP) < came
                and other["visibleSince"] + OVERLAP < before["visibleSince"]
                and other.get("avoidAgentId") != session["agentId"]
                and self._may_have(session["agentId"], other)
            ):
                self.overtakings.append(
                    f"{session['_id']}, queued at {before['queuedAt']}, got {session['agentId']} before "
                    f"{other['_id']}, queued at {other['queuedAt']}"
                )

    def _may_have(self, agent_id: ObjectId, session: Document) -> bool:
        kept_for, listed = session.get("reservedFor"), self._lists[agent_id]
        return kept_for is None or listed is None or kept_for in listed
