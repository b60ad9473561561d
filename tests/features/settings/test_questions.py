"""Questions before a chat: a user's start needs the answers, nobody else's does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api import Api, Apis, assert_failure, data_of
from tests.commands import COMMANDS, remember_for_long
from tests.features.settings.test_settings import change

pytestmark = pytest.mark.features("context")

START = "/api/chat/start-session"
QUESTIONS: list[dict[str, Any]] = [
    {"key": "email", "label": "Your email", "type": "email", "required": True},
    {"key": "topic", "label": "About", "type": "select", "options": ["Parcel", "Bill"], "required": True},
    {"key": "order", "label": "Order", "type": "text", "required": False},
    {"key": "other", "label": "Another email", "type": "email", "required": False},
]
ANSWERS = {"visitor": {"email": "jane@example.com"}, "fields": {"topic": "Bill"}}


@pytest.fixture(autouse=True)
def asked(operator: Api) -> None:
    change(operator, preChat=QUESTIONS)


def test_a_user_starts_with_the_answers(user: Api) -> None:
    assert user.post(START, {"userId": "u1", **ANSWERS}).status_code == 201


@pytest.mark.parametrize(
    ("told", "fields"),
    [
        ({}, ["visitor.email", "fields.topic"]),
        ({"visitor": None, "fields": None}, ["visitor.email", "fields.topic"]),
        ({"visitor": {"email": " "}, "fields": {"topic": " "}}, ["visitor.email", "fields.topic"]),
        ({"fields": {"email": "jane@example.com", "topic": "Bill"}}, ["visitor.email"]),
        ({**ANSWERS, "fields": {"topic": "Weather"}}, ["fields.topic"]),
        ({**ANSWERS, "fields": {"topic": True}}, ["fields.topic"]),
        ({**ANSWERS, "fields": {"topic": "Bill", "other": "none"}}, ["fields.other"]),
        ({**ANSWERS, "fields": {"topic": "Bill", "other": 7}}, ["fields.other"]),
    ],
)
def test_what_is_missing_or_no_answer_is_named(user: Api, told: dict[str, Any], fields: list[str]) -> None:
    refused = assert_failure(user.post(START, {"userId": "u1", **told}), 400, "INVALID_CONTEXT")

    assert [detail["field"] for detail in refused["details"]] == fields
    assert refused["message"] == refused["details"][0]["message"]
    assert data_of(user.get("/api/chat/session/current"))["session"] is None


def test_systems_and_agents_are_not_asked(apis: Apis, operator: Api, ada: str) -> None:
    assert operator.post(START, {"userId": "u1"}).status_code == 201
    assert apis.agent(ada).post(START, {"userId": ada, "userType": "agent"}).status_code == 201


def test_an_open_session_is_returned_whatever_is_asked_meanwhile(user: Api) -> None:
    started = data_of(user.post(START, {"userId": "u1", **ANSWERS}))

    again = user.post(START, {"userId": "u1"})

    assert again.status_code == 200
    assert data_of(again)["sessionId"] == started["sessionId"]


def test_questions_cost_a_start_no_command(apis: Apis, operator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    remember_for_long(monkeypatch)
    commands = []
    for number, questions in enumerate(([], QUESTIONS, [])):  # The first looks how many wait.
        change(operator, preChat=questions)
        user = apis.user(f"u{number}")
        with COMMANDS.counted() as sent:
            assert user.post(START, {"userId": f"u{number}", **ANSWERS}).status_code == 201
        commands.append(sent)

    assert commands[1] == commands[2]
