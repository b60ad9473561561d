"""Availability: what a page may know before a visitor writes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bson import ObjectId

from chatsupport.database.clock import now
from chatsupport.documents import Agent
from tests.api import Api, Apis, assert_failure, data_of

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
