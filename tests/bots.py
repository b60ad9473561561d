"""Fixtures: a bot that gets every new session first, and its session with the visitor u1."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api import Api, Apis, data_of


def answers_first(operator: Api, bot_id: str | None) -> None:
    """Let a bot get every new session, or none."""
    settings = data_of(operator.get("/api/settings"))
    response = operator.put("/api/settings", {**settings, "botId": bot_id})
    assert response.status_code == 200, response.json


@pytest.fixture
def bot_id(operator: Api) -> str:
    """The id of a bot that gets every new session first."""
    bot = operator.create_agent("Robin", kind="bot", maxUsers=500)
    answers_first(operator, bot["id"])
    return str(bot["id"])


@pytest.fixture
def bot(apis: Apis, bot_id: str) -> Api:
    """The bot as a caller."""
    return apis.agent(bot_id)


@pytest.fixture
def with_bot(user: Api, bot_id: str) -> str:
    """The id of a session of u1 with the bot."""
    started = user.start("u1")
    assert started["agentId"] == bot_id
    return str(started["sessionId"])


def texts(api: Api, session_id: str) -> list[str]:
    """Return the texts of a session's messages."""
    found: list[dict[str, Any]] = data_of(api.get(f"/api/chat/messages/{session_id}"))["messages"]
    return [message["message"] for message in found]
