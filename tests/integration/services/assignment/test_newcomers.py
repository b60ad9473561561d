"""Sessions that are just starting look for a slot themselves: nobody in their process takes one for them meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from pymongo.errors import NetworkTimeout

from chatsupport.database import connection
from chatsupport.documents import Session
from chatsupport.services.assignment import matching, transitions
from chatsupport.services.assignment.slots import Slot
from chatsupport.services.sessions import starting
from tests.api import Api
from tests.commands import COMMANDS
from tests.concurrency import eventually
from tests.interleaving import just_after
from tests.invariants import violations


def test_starts_that_get_each_others_slots_take_no_other_ones(operator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = operator.create_agent(maxUsers=5)["id"]
    operator.end(operator.start("u0")["sessionId"])
    give, turn, second = transitions.give, threading.Lock(), threading.Event()
    others: list[Future[Any]] = []

    def crossed(slot: Slot, newcomer_id: Any = None) -> Any:
        if turn.acquire(blocking=False):
            others.append(pool.submit(operator.start, "u2"))
            assert second.wait(10)
            return give(slot, newcomer_id)
        served = give(slot, newcomer_id)
        second.set()
        return served

    monkeypatch.setattr(transitions, "give", crossed)
    with ThreadPoolExecutor(1) as pool, COMMANDS.counted() as sent:
        first = operator.start("u1")
        other = others[0].result()

    assert [first["agentId"], other["agentId"]] == [ada, ada]
    assert [first["status"], other["status"]] == ["active", "active"]
    assert sorted(name for name in sent if "agents" in name) == ["findAndModify agents", "update agents"]
    assert violations(connection.database()) == []


def test_an_end_leaves_its_slot_to_a_session_that_has_not_looked_yet(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.create_agent(maxUsers=1)
    before = operator.start("u1")["sessionId"]
    ends: list[list[str]] = []

    def end() -> None:
        with COMMANDS.counted() as sent:
            operator.end(before)
        ends.append(list(sent))

    just_after(monkeypatch, starting, "_insert", end)

    assert operator.start("u2")["status"] == "active"
    assert [command for sent in ends for command in sent if "agents" in command] == ["update agents"]
    assert violations(connection.database()) == []


def test_a_session_that_found_no_slot_looks_again_if_one_was_freed_meanwhile(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.create_agent(maxUsers=1)
    before = operator.start("u1")["sessionId"]
    just_after(monkeypatch, matching, "claim_slot_for", lambda: operator.end(before))

    assert operator.start("u2")["status"] == "active"
    assert violations(connection.database()) == []


def test_a_start_that_fails_leaves_nobody_beside_a_slot_that_was_left_to_it(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.create_agent(maxUsers=1)
    before = operator.start("u1")["sessionId"]
    claim = matching.claim_slot_for

    def failing(session: Any) -> Any:
        monkeypatch.setattr(matching, "claim_slot_for", claim)
        operator.end(before)
        raise NetworkTimeout("The reply was lost")

    monkeypatch.setattr(matching, "claim_slot_for", failing)

    assert operator.post("/api/chat/start-session", {"userId": "u2"}).status_code == 503
    assert eventually(lambda: Session.objects(user_id="u2", status="active").first())
    assert violations(connection.database()) == []
