"""The ledger of one round: what clients were told, and whether it is true."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pymongo.database
from bson import ObjectId

from tests.e2e.followers import Follower
from tests.e2e.rest import Reply

Database = pymongo.database.Database[dict[str, Any]]


@dataclass
class Chat:
    """A session, as its visitor saw it begin, with the visitor's client."""

    first: dict[str, Any]
    follower: Follower

    def view(self) -> tuple[str, str | None]:
        """Return the status and the agent as the client shows them: by the start's answer, then by events."""
        events = list(self.follower.events)
        if any(name == "session_ended" or (data and data.get("status") == "ended") for name, data in events):
            return "ended", None  # Whatever comes late: a session that has ended stays so.
        status, agent_id = self.first["status"], self.first["agentId"]
        for name, data in events:
            if name == "session_joined":
                status, agent_id = data["status"], data["agentId"]
            elif name == "agent_assigned":
                status, agent_id = "active", data["agentId"]
            elif name == "session_unassigned":
                status, agent_id = "waiting", None
        return ("ended", None) if status == "ended" else (status, agent_id)


class Ledger:
    """Everybody writes into the ledger. It is compared with the database when all have finished."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._mutex = threading.Lock()
        self.chats: dict[str, Chat] = {}
        self.messages: dict[str, dict[str, Any]] = {}
        self._begun: dict[str, tuple[str, float]] = {}
        self._ended: dict[str, float] = {}
        self._refused: dict[str, Reply] = {}

    def number(self) -> int:
        """Return a number that nobody else gets."""
        return next(self._numbers)

    def started(self, session_id: str, answer: dict[str, Any], follower: Follower) -> None:
        """A start was acknowledged."""
        self.chats[session_id] = Chat(answer, follower)

    def sending(self, session_id: str, key: str) -> None:
        """A message is about to be sent for the first time."""
        self._begun[key] = (session_id, time.monotonic())

    def sent(self, message: dict[str, Any]) -> None:
        """A message was acknowledged."""
        self.messages[message["clientMessageId"]] = message

    def refused(self, key: str, reply: Reply) -> None:
        """A message was refused for good."""
        self._refused[key] = reply

    def ended(self, session_id: str) -> None:
        """An end was acknowledged."""
        with self._mutex:
            self._ended.setdefault(session_id, time.monotonic())

    def count_stored(self, database: Database) -> int:
        """Return the number of messages in the round's sessions."""
        ids = [ObjectId(session_id) for session_id in self.chats]
        return database.messages.count_documents({"sessionId": {"$in": ids}, "fence": None})

    def broken(self, database: Database) -> list[str]:
        """Return the permanent faults, which no later event can correct."""
        ids = [ObjectId(session_id) for session_id in self.chats]
        stored = list(database.messages.find({"sessionId": {"$in": ids}, "fence": None}).sort("seq", 1))
        open_still = database.sessions.find({"_id": {"$in": ids}, "status": {"$ne": "ended"}}, {"_id": 1})
        return [
            *(f"ended and open: {row['_id']}" for row in open_still if str(row["_id"]) in self._ended),
            *self._lost_and_doubled(stored),
            *self._out_of_order(stored),
            *self._after_the_end(),
            *(
                f"refused with {reply.status} {reply.body.get('code')}: {key}"
                for key, reply in list(self._refused.items())
                if (reply.status, reply.body.get("code")) not in ((409, "SESSION_ENDED"), (403, "FORBIDDEN"))
            ),
        ]

    def untold(self, database: Database) -> list[str]:
        """Return the differences between the visitors' clients and the database."""
        ids = [ObjectId(session_id) for session_id in self.chats]
        sessions = {str(session["_id"]): session for session in database.sessions.find({"_id": {"$in": ids}})}
        histories: dict[str, list[tuple[int, str, str]]] = {session_id: [] for session_id in self.chats}
        for message in database.messages.find({"sessionId": {"$in": ids}, "fence": None}).sort("seq", 1):
            histories[str(message["sessionId"])].append((message["seq"], str(message["_id"]), message["message"]))
        found = []
        for session_id, chat in self.chats.items():
            session = sessions[session_id]
            agent_id = session["agentId"] and str(session["agentId"])
            true = ("ended", None) if session["status"] == "ended" else (session["status"], agent_id)
            if chat.view() != true:
                found.append(
                    f"the visitor of {session_id} sees {chat.view()}, it is {true}: {chat.follower.history(session_id)}"
                )
            seen = [(message["seq"], message["id"], message["message"]) for message in list(chat.follower.messages)]
            if seen != histories[session_id]:
                found.append(
                    f"the visitor of {session_id} has seen {len(seen)} of {len(histories[session_id])} messages"
                )
        return found

    def _lost_and_doubled(self, stored: list[dict[str, Any]]) -> list[str]:
        counts = Counter(message["clientMessageId"] for message in stored)
        by_key = {message["clientMessageId"]: message for message in stored}
        found = [f"stored {count} times: {key}" for key, count in counts.items() if count > 1]
        for key, told in list(self.messages.items()):
            message = by_key.get(key)
            if message is None:
                if told["sessionId"] in self.chats:
                    found.append(f"acknowledged and lost: {key}")
            elif (str(message["_id"]), message["seq"], message["message"]) != (
                told["id"],
                told["seq"],
                told["message"],
            ):
                found.append(f"stored otherwise than acknowledged: {key}")
        return found

    def _out_of_order(self, stored: list[dict[str, Any]]) -> list[str]:
        seqs: dict[Any, list[int]] = {}
        for message in stored:
            seqs.setdefault(message["sessionId"], []).append(message["seq"])
        return [
            f"the seqs of {session_id} are {found}"
            for session_id, found in seqs.items()
            if found != list(range(1, len(found) + 1))
        ]

    def _after_the_end(self) -> list[str]:
        return [
            f"acknowledged {begun - self._ended[session_id]:.2f} s after the end of {session_id}: {key}"
            for key, (session_id, begun) in list(self._begun.items())
            if key in self.messages and begun > self._ended.get(session_id, float("inf"))
        ]
