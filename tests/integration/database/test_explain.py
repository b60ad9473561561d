"""The cost of a page does not depend on its position.

5 000 messages are enough to show it. A B-tree of a million has one or two more levels and is descended once all the
same; what would grow with the session is the number of keys and documents examined, and that is counted here, exactly.
"""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId
from flask import Flask

from chatsupport.contract.chat import Page
from chatsupport.database import connection
from chatsupport.database.clock import now
from chatsupport.documents import Message, Session
from chatsupport.services.messages import history, sequences
from tests.api import Api, data_of

LONG, LIMIT = 5_000, 50

Document = dict[str, Any]


class Commands:
    """The commands that a block of code sends, so that MongoDB can explain each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[Document] = []
        collection = type(Message.collection())
        find, find_one, aggregate = collection.find, collection.find_one, collection.aggregate

        def spy_find(this: Any, query: Document, *args: Any, **options: Any) -> Any:
            if this.name == "messages":
                sort = dict(options.get("sort") or {})
                limit = {"limit": options["limit"]} if options.get("limit") else {}
                self.sent.append({"find": "messages", "filter": query, "sort": sort, **limit})
            return find(this, query, *args, **options)

        def spy_find_one(this: Any, *args: Any, **options: Any) -> Any:
            found = find_one(this, *args, **options)
            if this.name == "messages":
                self.sent[-1]["limit"] = 1
            return found

        def spy_aggregate(this: Any, pipeline: list[Document], *args: Any, **options: Any) -> Any:
            if this.name == "messages":
                self.sent.append({"aggregate": "messages", "pipeline": pipeline, "cursor": {}})
            return aggregate(this, pipeline, *args, **options)

        monkeypatch.setattr(collection, "find", spy_find)
        monkeypatch.setattr(collection, "find_one", spy_find_one)
        monkeypatch.setattr(collection, "aggregate", spy_aggregate)

    def explain(self) -> list[tuple[str, int, int]]:
        """Return (index, keys examined, documents examined) of each command since the last time."""
        sent, self.sent = self.sent, []
        return [_explain(command) for command in sent]


def _explain(command: Document) -> tuple[str, int, int]:
    explained = connection.database().command("explain", command, verbosity="executionStats")
    text = str(explained)
    assert "COLLSCAN" not in text
    assert "'stage': 'SORT'" not in text
    assert "'stage': 'SKIP'" not in text
    statistics = _find(explained, "executionStats")
    return _find(explained, "indexName"), statistics["totalKeysExamined"], statistics["totalDocsExamined"]


def _find(value: Any, key: str) -> Any:
    """Return the first value of this key, however deep."""
    if isinstance(value, dict):
        if key in value:
            return value[key]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            found = _find(each, key)
            if found is not None:
                return found
    return None


@pytest.fixture
def sessions(app: Flask) -> list[ObjectId]:
    """A long session, and others around it."""
    ids = [ObjectId() for _ in range(3)]
    time = now()
    for session_id, count in zip(ids, (100, LONG, 100), strict=True):
        Session(id=session_id, user_id=str(session_id)).save()
        Message.collection().insert_many(
            [
                {"sessionId": session_id, "seq": seq, "senderId": "u", "senderType": "user", "message": "m"}
                | {"timestamp": time}
                for seq in range(1, count + 1)
            ]
        )
    return ids


def cost_with_session(session_id: ObjectId, stages: list[dict[str, Any]]) -> tuple[int, int]:
    """Return the keys and documents that MongoDB examines for what these stages read with a session."""
    command = {"aggregate": "sessions", "pipeline": [{"$match": {"_id": session_id}}, *stages], "cursor": {}}
    explained = connection.database().command("explain", command, verbosity="executionStats")
    looked_up = [stage for stage in explained["stages"] if "$lookup" in stage]
    assert all(stage["indexesUsed"] == ["seq"] and not stage["collectionScans"] for stage in looked_up)
    return sum(stage["totalKeysExamined"] for stage in looked_up), sum(
        stage["totalDocsExamined"] for stage in looked_up
    )


@pytest.mark.parametrize("cursor", ["after", "before", "offset"])
def test_every_page_of_a_long_session_costs_the_same(operator: Api, sessions: list[ObjectId], cursor: str) -> None:
    for place in (100, LONG // 2, LONG - 100):
        query = {"limit": LIMIT, cursor: place}
        page = data_of(operator.get(f"/api/chat/messages/{sessions[1]}", **query))
        assert len(page["messages"]) == LIMIT
        first = place - LIMIT if cursor == "before" else place + 1
        assert page["messages"][0]["seq"] == first
        # Only the messages that are shown are read, and the last seq.
        stages = history.paged(Page.parse({name: str(value) for name, value in query.items()}))
        assert cost_with_session(sessions[1], stages) == (LIMIT + 1, LIMIT + 1)


def test_joining_costs_the_same_wherever_one_left(sessions: list[ObjectId]) -> None:
    def cost(after: int | None) -> tuple[int, int]:
        return cost_with_session(sessions[1], history.joined(after))

    assert cost(None) == (history.JOIN_HISTORY, history.JOIN_HISTORY)
    # With the last seq.
    for after in (1, LONG - 1_000):
        assert cost(after) == (history.RESUME_HISTORY + 2, history.RESUME_HISTORY + 2)


def test_the_last_seqs_of_many_sessions_cost_a_step_each(
    sessions: list[ObjectId], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = Commands(monkeypatch)

    assert sequences.last_seqs(sessions) == dict(zip(sessions, (100, LONG, 100), strict=True))

    ((index, keys, found),) = commands.explain()
    assert index == "seq"
    assert keys <= len(sessions) + 1
    assert found <= len(sessions)
