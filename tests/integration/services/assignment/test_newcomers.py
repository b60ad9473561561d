"""New sessions take their slot before they are stored; those for which none is free join the queue, and look again."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from pymongo.errors import NetworkTimeout

from chatsupport.background import Coalesced
from chatsupport.database import connection
from chatsupport.documents import Agent, Session
from chatsupport.services.assignment import matching, serving, slots, transitions
from chatsupport.services.sessions import starting
from tests.api import Api
from tests.commands import COMMANDS
from tests.concurrency import eventually, run_together
from tests.interleaving import just_after, just_before
from tests.invariants import violations


def test_starts_at_the_same_time_keep_the_slots_they_took(operator: Api) -> None:
    operator.create_agent(maxUsers=10)

    def start(number: int) -> list[str]:
        with COMMANDS.counted() as sent:
            assert operator.start(f"u{number}")["status"] == "active"
        return [command for command in sent if command.endswith("agents")]

    assert run_together(*(partial(start, number) for number in range(10))) == [["findAndModify agents"]] * 10
    assert violations(connection.database()) == []


def test_a_session_with_an_agent_is_older_than_those_that_joined_the_queue_meanwhile(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.create_agent(maxUsers=1)
    just_before(monkeypatch, starting, "_insert", lambda: operator.start("u2"))

    assert operator.start("u1")["status"] == "active"

    in_order = Session.objects.order_by("created_at")
    assert [(session.user_id, session.status) for session in in_order] == [("u1", "active"), ("u2", "waiting")]


def test_a_newcomer_gives_its_slot_to_whoever_joined_the_queue_before_it_looked(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.create_agent(maxUsers=1)
    waiting: list[str] = []
    just_before(monkeypatch, matching, "anybody_waits_for", lambda: waiting.append(operator.start("u2")["sessionId"]))

    assert operator.start("u1")["queuePosition"] == 1
    assert operator.session(waiting[0])["status"] == "active"
    assert violations(connection.database()) == []


def test_a_newcomer_whose_start_fails_leaves_nobody_beside_the_slot_that_nobody_wanted(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.create_agent(maxUsers=1)
    waiting: list[str] = []
    just_before(monkeypatch, matching, "anybody_waits_for", lambda: waiting.append(operator.start("u2")["sessionId"]))
    just_before(monkeypatch, transitions, "give", lambda: operator.end(waiting[0]))
    just_before(monkeypatch, slots, "give_back", lambda: [operator.start(user) for user in ("u3", "u1")])

    assert operator.post("/api/chat/start-session", {"userId": "u1"}).status_code == 200

    assert [(session.user_id, session.status) for session in Session.objects.order_by("created_at")] == [
        ("u2", "ended"),
        ("u3", "active"),
        ("u1", "waiting"),
    ]
    assert violations(connection.database()) == []


def test_a_slot_whose_newcomer_cannot_look_at_the_queue_is_freed(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.create_agent(maxUsers=1)
    monkeypatch.setattr(slots, "LONGEST_WRITE", slots.LONGEST_WRITE / 20)

    def failing(slot: slots.Slot) -> bool:
        raise NetworkTimeout("The reply was lost")

    monkeypatch.setattr(matching, "anybody_waits_for", failing)

    assert operator.post("/api/chat/start-session", {"userId": "u1"}).status_code == 503
    assert Agent.objects.first().load == 1
    assert eventually(lambda: Agent.objects.first().load == 0)
    assert Session.objects.count() == 0


def test_a_session_that_joins_the_queue_gets_the_slot_that_an_end_frees_meanwhile(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.create_agent(maxUsers=1)
    before = operator.start("u1")["sessionId"]
    just_after(monkeypatch, starting, "_insert", lambda: operator.end(before))

    started = operator.start("u2")

    assert (started["status"], started["agent"]["name"]) == ("active", "Ada")
    assert violations(connection.database()) == []


LOOKS = [(matching, "claim_slot_for"), (slots, "any_has_room")]


@pytest.mark.parametrize("look", LOOKS)
def test_a_session_gets_the_slot_that_an_end_frees_after_it_has_looked(
    operator: Api, monkeypatch: pytest.MonkeyPatch, look: tuple[Any, str]
) -> None:
    operator.create_agent(maxUsers=1)
    before = operator.start("u1")["sessionId"]
    just_after(monkeypatch, *look, lambda: operator.end(before))

    session_id = operator.start("u2")["sessionId"]

    assert operator.session(session_id)["status"] == "active"
    assert violations(connection.database()) == []


@pytest.mark.parametrize("look", LOOKS)
def test_nobody_is_passed_if_a_slot_comes_free_between_the_looks_of_two_starts(
    operator: Api, monkeypatch: pytest.MonkeyPatch, look: tuple[Any, str]
) -> None:
    operator.create_agent(maxUsers=1)
    before = operator.start("u1")["sessionId"]

    def in_another_process() -> None:
        with pytest.MonkeyPatch.context() as there:
            there.setattr(serving, "_arriving", {})
            there.setattr(serving, "drain_queue", Coalesced(serving._drain))
            operator.end(before)
            operator.start("u3")

    just_after(monkeypatch, *look, in_another_process)

    operator.start("u2")

    assert [(session.user_id, session.status) for session in Session.objects.order_by("created_at")] == [
        ("u1", "ended"),
        *([("u2", "active"), ("u3", "waiting")] if look == LOOKS[1] else [("u3", "active"), ("u2", "waiting")]),
    ]
    assert violations(connection.database()) == []


def test_starts_look_for_a_slot_once_while_all_agents_are_busy(operator: Api) -> None:
    operator.create_agent(maxUsers=1)
    for number in range(2):
        operator.start(f"u{number}")
    serving._all_are_busy.keep(True, 60)
    with COMMANDS.counted() as sent:
        operator.start("u2")
    assert "findAndModify agents" not in sent

    operator.create_agent(maxUsers=5)
    operator.start("u3")
    with COMMANDS.counted() as sent:
        assert operator.start("u4")["status"] == "active"
    assert sent == ["find sessions", "findAndModify agents", "find sessions", "findAndModify sessions"]


def test_a_start_that_fails_leaves_nobody_beside_a_slot_that_was_freed_meanwhile(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.create_agent(maxUsers=1)
    before = operator.start("u1")["sessionId"]
    has_room = slots.any_has_room

    def failing(department_id: Any) -> Any:
        monkeypatch.setattr(slots, "any_has_room", has_room)
        operator.end(before)
        raise NetworkTimeout("The reply was lost")

    monkeypatch.setattr(slots, "any_has_room", failing)

    assert operator.post("/api/chat/start-session", {"userId": "u2"}).status_code == 503
    assert eventually(lambda: Session.objects(user_id="u2", status="active").first())
    assert violations(connection.database()) == []
