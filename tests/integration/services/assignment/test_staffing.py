"""Availability: what a page may know before a visitor writes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bson import ObjectId

from chatsupport.database.clock import now
from chatsupport.documents import Agent, Session
from chatsupport.services.assignment import waiting_times
from tests.api import Api, Apis, assert_failure, data_of
from tests.commands import COMMANDS

PATH = "/api/chat/availability"
NOBODY = {"isOpen": True, "opensAt": None, "isStaffed": False}


@pytest.mark.parametrize(
    ("changes", "is_staffed"),
    [
        ({}, True),
        ({"maxUsers": 1, "hasRoom": False}, True),
        ({"isOnline": False}, False),
        ({"isAway": True}, False),
        ({"presentUntil": now() - timedelta(seconds=1)}, False),
    ],
)
def test_a_page_learns_whether_an_agent_is_present(
    apis: Apis, operator: Api, changes: dict[str, object], is_staffed: bool
) -> None:
    assert data_of(apis.anonymous().get(PATH)) == NOBODY
    agent_id = ObjectId(operator.create_agent("Ada")["id"])
    Agent.collection().update_one({"_id": agent_id}, {"$set": changes})

    assert data_of(apis.anonymous().get(PATH)) == {**NOBODY, "isStaffed": is_staffed}


def test_callers_also_learn_how_many_wait(apis: Apis) -> None:
    user = apis.user("u1")
    waiting = user.start("u1")

    assert waiting["waitingMessage"].startswith("Nobody is here at the moment. You are number 1 ")
    assert data_of(user.get(PATH)) == {**NOBODY, "waiting": 1, "estimatedWaitSeconds": None}
    assert_failure(apis.anonymous(Authorization="Bearer x").get(PATH), 401, "INVALID_TOKEN")
    assert_failure(apis.anonymous(**{"X-API-Key": "x"}).get(PATH), 401, "INVALID_API_KEY")


@pytest.fixture
def busy(apis: Apis, operator: Api) -> Api:
    """A user, who may ask while Ada's only slot is taken since 60 s, and recent chats took 100 s each."""
    operator.create_agent("Ada", maxUsers=1)
    for number in range(waiting_times.FEWEST):
        session_id = operator.start(f"past{number}")["sessionId"]
        operator.end(session_id)
    time = now()
    Session.collection().update_many({}, {"$set": {"assignedAt": time - timedelta(seconds=100), "endedAt": time}})
    operator.start("u0")
    Session.collection().update_one({"userId": "u0"}, {"$set": {"assignedAt": time - timedelta(seconds=60)}})
    return apis.user("u1")


def test_the_estimated_wait_follows_from_recent_chats_and_the_queue(busy: Api, operator: Api) -> None:
    def expected() -> int | None:
        waiting_times._known.forget()
        seconds: int | None = data_of(busy.get(PATH))["estimatedWaitSeconds"]
        return seconds

    assert expected() == pytest.approx(40, abs=30)
    operator.start("u2")
    assert expected() == pytest.approx(140, abs=30)

    ben = operator.create_agent("Ben", isOnline=False)["id"]
    assert expected() == pytest.approx(140, abs=30), "Ben takes no chats"
    operator.patch(f"/api/agents/{ben}", {"isOnline": True})
    assert expected() == 0, "Ben has the waiting visitor, and room for one more"
    Agent.collection().update_many({}, {"$set": {"isOnline": False}})
    assert expected() is None


def test_without_enough_recent_chats_there_is_no_estimate(busy: Api) -> None:
    Session.collection().delete_one({"userId": "past0"})
    assert data_of(busy.get(PATH))["estimatedWaitSeconds"] is None

    waiting_times._known.forget()
    long_ago = now() - timedelta(days=waiting_times.RECENT_DAYS)
    Session.collection().update_many({"status": "ended"}, {"$set": {"endedAt": long_ago}})
    assert data_of(busy.get(PATH))["estimatedWaitSeconds"] is None


def test_the_estimate_is_looked_up_once_in_two_seconds(busy: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_times, "KEPT_SECONDS", 60.0)
    busy.get(PATH)

    with COMMANDS.counted() as sent:
        busy.get(PATH)

    assert sent[-2:] == ["find agents", "aggregate sessions"]


@pytest.mark.parametrize("limit", ["MOST_SLOTS", "MOST_AHEAD"])
def test_a_large_team_or_a_long_queue_is_estimated_by_its_rate(
    busy: Api, operator: Api, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    operator.start("u2")
    monkeypatch.setattr(waiting_times, limit, 0)

    assert data_of(busy.get(PATH))["estimatedWaitSeconds"] == 200
