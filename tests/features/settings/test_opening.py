"""Opening hours as clients see them: availability, and starts outside the hours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from chatsupport.features.settings.hours import DAYS
from chatsupport.services.assignment import staffing
from tests.api import Api, Apis, data_of
from tests.commands import COMMANDS, remember_for_long
from tests.features.settings.test_settings import change

PATH, START = "/api/chat/availability", "/api/chat/start-session"
WEEKDAYS: dict[str, Any] = {
    "timeZone": "Europe/Berlin",
    "weekly": {day: [["09:00", "17:00"]] for day in DAYS[:5]},
    "exceptions": [],
}
NEVER: dict[str, Any] = {"timeZone": "UTC", "weekly": {}, "exceptions": []}
OPENS = "2026-11-30T08:00:00.000Z"

SetTime = Callable[[datetime], None]


@pytest.fixture(autouse=True)
def it_is(monkeypatch: pytest.MonkeyPatch) -> SetTime:
    """Set the time by which the hours go. It is Saturday."""

    def set_time(time: datetime) -> None:
        monkeypatch.setattr(staffing, "now", lambda: time)

    set_time(datetime(2026, 11, 28, 12, tzinfo=timezone.utc))
    return set_time


def test_everybody_learns_whether_the_chat_is_open_and_when_it_opens(apis: Apis, operator: Api, it_is: SetTime) -> None:
    page = apis.anonymous()
    assert data_of(page.get(PATH)) == {"isOpen": True, "opensAt": None, "isStaffed": False}

    change(operator, hours=WEEKDAYS)
    assert data_of(page.get(PATH)) == {"isOpen": False, "opensAt": OPENS, "isStaffed": False}
    it_is(datetime(2026, 11, 30, 8, tzinfo=timezone.utc))
    assert data_of(page.get(PATH))["isOpen"] is True

    change(operator, hours=NEVER)
    assert data_of(page.get(PATH)) == {"isOpen": False, "opensAt": None, "isStaffed": False}
    change(operator, hours=None)
    assert data_of(page.get(PATH))["isOpen"] is True


def test_a_visitor_who_comes_outside_the_hours_waits_and_learns_until_when(apis: Apis, operator: Api) -> None:
    change(operator, hours=WEEKDAYS)
    started = [
        data_of(apis.user(f"u{number}").post(START, {"userId": f"u{number}", **told}))
        for number, told in enumerate(({}, {"timezone": "America/New_York"}, {"timezone": "Asia/Kathmandu"}))
    ]

    assert [(chat["status"], chat["isOpen"], chat["opensAt"]) for chat in started] == [("waiting", False, OPENS)] * 3
    assert started[0]["waitingMessage"] == (
        "We are closed at the moment, and answer when we open on Monday, 30 November at 09:00 (Europe/Berlin). "
        "You are number 1 in the queue."
    )
    assert "on Monday, 30 November at 03:00 (America/New_York). " in started[1]["waitingMessage"]
    assert "on Monday, 30 November at 13:45 (Asia/Kathmandu). " in started[2]["waitingMessage"]
    # The same start again, which says nothing of a time zone.
    assert data_of(apis.user("u1").post(START, {"userId": "u1"}))["waitingMessage"] == started[1]["waitingMessage"]

    change(operator, hours=NEVER)
    assert apis.user("u4").start("u4")["waitingMessage"].startswith("We are closed at the moment. You are number 4 ")


def test_a_free_agent_takes_a_chat_outside_the_hours_too(apis: Apis, operator: Api, ada: str) -> None:
    change(operator, hours=WEEKDAYS)

    started = apis.user("u1").start("u1")

    assert (started["agentId"], started["isOpen"]) == (ada, False)
    assert started["waitingMessage"] == "You are connected to Ada."


def test_hours_cost_neither_a_start_nor_availability_a_command(
    apis: Apis, operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember_for_long(monkeypatch)
    sent = []
    for number, hours in enumerate((None, None, WEEKDAYS)):  # The first looks how many wait.
        change(operator, hours=hours)
        user = apis.user(f"u{number}")
        assert user.get("/api/chat/session/current").status_code == 200
        with COMMANDS.counted() as commands:
            user.start(f"u{number}")
            apis.anonymous().get(PATH)
        sent.append(commands)

    assert len(sent[2]) == len(sent[1]), sent
