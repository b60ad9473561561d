"""Documents become JSON, as REST, acknowledgements and events send it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from bson import ObjectId

from chatsupport import serializers, session_parts
from chatsupport.contract import chat, people
from chatsupport.contract.base import Answer

ID, AGENT_ID = ObjectId("6b02a346410e8790f1f544d2"), ObjectId("6b02a346410e8790f1f544d3")
TIME = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=timezone.utc)
LATER = TIME + timedelta(seconds=90)

AGENT = {"_id": AGENT_ID, "name": "Ada", "maxUsers": 3, "activeUsers": ["u1"], "isOnline": False, "createdAt": TIME}
SESSION = {
    "_id": ID,
    "userId": "u1",
    "userType": "user",
    "status": "active",
    "agentId": AGENT_ID,
    "createdAt": TIME,
    "updatedAt": TIME,
    "endedAt": None,
    "endReason": None,
}


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (TIME, "2026-01-02T03:04:05.678Z"),
        (TIME.replace(microsecond=0), "2026-01-02T03:04:05.000Z"),
        (TIME.replace(microsecond=999_999), "2026-01-02T03:04:05.999Z"),
        (TIME.replace(microsecond=1_000, tzinfo=None), "2026-01-02T03:04:05.001Z"),
        (None, None),
    ],
)
def test_a_time_is_utc_with_milliseconds(time: datetime | None, text: str | None) -> None:
    assert serializers.iso(time) == text


def test_a_message() -> None:
    document = {
        "_id": ID,
        "sessionId": AGENT_ID,
        "seq": 7,
        "senderId": "u1",
        "senderType": "user",
        "message": "hello",
        "timestamp": TIME,
        "__v": 0,
    }
    data = {
        "id": str(ID),
        "sessionId": str(AGENT_ID),
        "seq": 7,
        "senderId": "u1",
        "senderType": "user",
        "message": "hello",
        "timestamp": "2026-01-02T03:04:05.678Z",
    }

    assert serializers.message(document) == data
    assert serializers.message({**document, "clientMessageId": "c1"}) == {**data, "clientMessageId": "c1"}


def test_a_visitor_sees_only_an_agents_name_and_whether_it_is_online() -> None:
    assert serializers.agent_summary(AGENT) == {"id": str(AGENT_ID), "name": "Ada", "isOnline": False}
    assert serializers.agent_summary(None) is None


def test_an_agent_for_those_who_manage_agents() -> None:
    data = serializers.agent(AGENT)

    assert data == data | {
        "id": str(AGENT_ID),
        "name": "Ada",
        "maxUsers": 3,
        "activeUsers": ["u1"],
        "isOnline": False,
        "createdAt": "2026-01-02T03:04:05.678Z",
    }


def test_an_agent_in_the_statistics() -> None:
    assert serializers.agent_load(AGENT) == {
        "id": str(AGENT_ID),
        "name": "Ada",
        "kind": "human",
        "activeUsers": 1,
        "maxUsers": 3,
        "isOnline": False,
        "utilizationRate": "33%",
    }


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(1, 2, "50%"), (0, 2, "0%"), (2, 2, "100%"), (2, 3, "67%"), (0, 0, "0%"), (3, 2, "150%")],
)
def test_a_percentage(part: int, whole: int, text: str) -> None:
    assert serializers.percentage(part, whole) == text


def test_an_open_session_lasts_until_now() -> None:
    data = serializers.session(SESSION, AGENT, None, 4, LATER)

    assert data == data | {
        "id": str(ID),
        "userId": "u1",
        "userType": "user",
        "status": "active",
        "agentId": str(AGENT_ID),
        "agent": {"id": str(AGENT_ID), "name": "Ada", "isOnline": False},
        "queuePosition": None,
        "createdAt": "2026-01-02T03:04:05.678Z",
        "firstAssignedAt": None,
        "updatedAt": "2026-01-02T03:04:05.678Z",
        "endedAt": None,
        "endReason": None,
        "messageCount": 4,
        "lastSeq": 4,
        "duration": 90_000,
    }


def test_an_ended_session_lasted_until_its_end() -> None:
    ended = {**SESSION, "status": "ended", "endedAt": TIME + timedelta(milliseconds=1500), "endReason": "solved"}

    data = serializers.session(ended, AGENT, None, 0, LATER)

    assert (data["duration"], data["endReason"], data["endedAt"]) == (1500, "solved", "2026-01-02T03:04:07.178Z")


def test_a_session_tells_when_it_first_had_an_agent() -> None:
    had = {**SESSION, "firstAssignedAt": TIME + timedelta(seconds=2)}

    assert serializers.session(had, AGENT, None, 0, LATER)["firstAssignedAt"] == "2026-01-02T03:04:07.678Z"


def test_a_waiting_session_has_a_place_and_no_agent() -> None:
    data = serializers.session({**SESSION, "status": "waiting", "agentId": None}, None, 3, 0, LATER)

    assert (data["agentId"], data["agent"], data["queuePosition"]) == (None, None, 3)


def test_documents_of_the_nodejs_system_are_serialized_too() -> None:
    old_session: dict[str, Any] = {"_id": ID, "userId": "u1", "status": "active", "createdAt": TIME, "__v": 0}
    old_agent = {"_id": AGENT_ID, "name": "Ada", "maxUsers": 2, "__v": 0}

    assert serializers.session(old_session, None, None, 0, LATER)["userType"] == "user"
    assert serializers.agent(old_agent)["activeUsers"] == []
    assert serializers.agent_load(old_agent)["utilizationRate"] == "0%"


def test_how_a_session_ended() -> None:
    ended = {**SESSION, "endedAt": LATER, "endReason": "solved", "totalMessages": 4, "averageResponseTime": 2.5}

    assert serializers.session_end(ended) == {
        "sessionId": str(ID),
        "endedAt": "2026-01-02T03:05:35.678Z",
        "reason": "solved",
        "statistics": {"duration": 90_000, "totalMessages": 4, "averageResponseTime": 2.5},
    }


def test_a_duration_is_never_negative() -> None:
    assert serializers.milliseconds_between(LATER, TIME) == 0
    assert serializers.milliseconds_between(TIME, TIME + timedelta(microseconds=1_499)) == 1


MESSAGE = {
    "_id": ID, "sessionId": ID, "seq": 1, "senderId": "u1", "senderType": "user", "message": "hello", "timestamp": TIME,
}  # fmt: skip
FULL_MESSAGE = {
    **MESSAGE,
    "clientMessageId": "m-1",
    "replyTo": 1,
    "content": {"type": "card", "title": "x"},
    "erased": True,
}
FULL_SESSION = {
    **SESSION, "firstAssignedAt": TIME, "handedOverAt": TIME, "endedAt": LATER, "endReason": "Solved",
    "internalReason": "spam", "readSeq": [{"userId": "u1", "userType": "user", "seq": 1}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "data", "has_all"),
    [
        (chat.Message, serializers.message(MESSAGE), False),
        (chat.Message, serializers.message(FULL_MESSAGE), True),
        (chat.SentMessage, serializers.sent_message(MESSAGE, "active"), True),
        (chat.AgentSummary, serializers.agent_summary(AGENT), False),
        (chat.AgentSummary, serializers.agent_summary({**AGENT, "kind": "bot"}), True),
        (people.Agent, serializers.agent(AGENT), True),
        (chat.AgentLoad, serializers.agent_load(AGENT), True),
        (chat.Session, serializers.session(FULL_SESSION, None, 3, 0, LATER), False),
        (chat.Session, serializers.session(FULL_SESSION, AGENT, None, 1, LATER, for_staff=True), True),
        (chat.EndedSession, serializers.session_end(FULL_SESSION), True),
    ],
)
def test_each_serializer_returns_what_its_model_describes(
    model: type[Answer], data: dict[str, Any], has_all: bool
) -> None:
    of_features = {name for more in session_parts.fields_of(model) for name in more.model_fields}
    data = {name: value for name, value in data.items() if name not in of_features}
    described = model.model_validate(data)

    assert described.model_dump(by_alias=True, exclude_unset=True) == data
    assert not has_all or described.model_fields_set == set(model.model_fields)
