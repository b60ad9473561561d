"""The places of waiting sessions: right however many are asked for at the same time, and found with few commands."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from chatsupport.documents import Session
from chatsupport.documents.session import BACK, FRONT
from chatsupport.services.assignment import checkpoints, places
from chatsupport.services.sessions import starting
from tests.api import Api, data_of
from tests.commands import COMMANDS
from tests.concurrency import eventually, waiting_callers
from tests.interleaving import just_before

Document = dict[str, Any]


@pytest.fixture(autouse=True)
def no_checkpoints() -> Iterator[None]:
    yield
    checkpoints.forget()


def store(number: int, department_ids: tuple[ObjectId | None, ...] = (None,)) -> list[Document]:
    """Store a queue of this length in which some sessions were queued in the same millisecond; return it in order."""
    queue = [starting._new(f"u{each}", "user") for each in range(number)]
    for each, session in enumerate(queue):
        session["queuePriority"] = FRONT if each < number // 3 else BACK
        session["queuedAt"] += timedelta(milliseconds=each // 3)
        department_id = department_ids[each % len(department_ids)]
        session |= {} if department_id is None else {"departmentId": department_id}
    Session.collection().insert_many(queue)
    return queue


def of_sessions(commands: list[str]) -> list[str]:
    return [command for command in commands if command.endswith(" sessions")]


def right_places(queue: list[Document]) -> dict[ObjectId, int]:
    """Return the places in a queue whose departments have their own, counted one by one."""
    before: list[Any] = []
    found = {}
    for session in queue:
        before.append(session.get("departmentId"))
        found[session["_id"]] = before.count(before[-1])
    return found


@pytest.mark.parametrize("rows", [1, 3, places.ROWS_A_PLACE])
def test_places_are_right_whichever_are_asked_for_together(
    operator: Api, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(places, "ROWS_A_PLACE", rows)
    department_id = ObjectId(data_of(operator.post("/api/departments", {"name": "Sales", "key": "sales"}))["id"])
    queue = store(90, (None, department_id))
    right = right_places(queue)
    random.seed(rows)

    for asked in (queue, *(random.sample(queue, size) for size in (1, 2, 5, 20, 60))):
        assert places.positions(asked) == {session["_id"]: right[session["_id"]] for session in asked}


def test_one_that_has_left_the_queue_does_not_shift_the_others(operator: Api) -> None:
    queue = store(30)
    Session.collection().delete_one({"_id": queue[12]["_id"]})

    found = places.positions(queue)

    assert [found[session["_id"]] for session in queue] == [*range(1, 14), *range(13, 30)]


def test_sessions_that_do_not_wait_have_no_place(operator: Api) -> None:
    waiting, ended = store(2)

    assert places.positions([waiting, {**ended, "status": "ended"}]) == {waiting["_id"]: 1}
    assert places.position({**ended, "status": "ended"}) is None


def test_places_near_each_other_cost_two_commands(operator: Api) -> None:
    queue = store(90)[30:]

    with COMMANDS.counted() as commands:
        places.positions(queue)

    assert of_sessions(commands) == ["count sessions", "find sessions"]


def test_places_far_from_each_other_are_counted_from_the_one_before(
    operator: Api, profile: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "ROWS_A_PLACE", 1)
    queue = store(300)[100:]
    asked = queue[::20]

    found = places.positions(asked)

    assert list(found.values()) == list(range(101, 301, 20))
    examined = sum(row.get("keysExamined", 0) for row in profile())
    assert examined < 2 * len(queue) + 100, "not each from the front"


def test_those_that_ask_at_the_same_time_share_commands(operator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *others = store(18)[9:]
    commands: list[str] = []
    asking: list[Any] = []

    def ask(session: Document) -> int | None:
        with COMMANDS.counted() as mine:
            place = places.position(session)
        commands.extend(mine)
        return place

    def all_others_ask() -> None:
        asking.extend(pool.submit(ask, session) for session in others)
        assert eventually(lambda: waiting_callers(places._look_up) == len(others))

    with ThreadPoolExecutor(len(others)) as pool:
        just_before(monkeypatch, places, "count", all_others_ask)
        assert ask(first) == 10
        assert [future.result() for future in asking] == list(range(11, 19))

    assert sorted(of_sessions(commands)) == ["count sessions", "count sessions", "find sessions"]


def test_far_back_in_a_long_queue_a_place_is_counted_from_one_that_was_counted_lately(
    operator: Api, profile: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "NEAR", 10)
    monkeypatch.setattr(checkpoints, "AHEAD_A_SECOND", 1)
    documents = [starting._new(f"u{number}", "user") for number in range(60)]
    for number, document in enumerate(documents):
        document["queuedAt"] += timedelta(milliseconds=number // 7)
    Session.collection().insert_many(documents)
    assert places.position(documents[30]) == 31
    before = len(profile())

    assert [places.position(each) for each in documents[30:]] == list(range(31, 61))
    examined = [row["keysExamined"] for row in profile()[before:] if "keysExamined" in row]
    assert max(examined) < 31 + 8, "at most those from 31 on, and a key for each part"

    Session.collection().delete_one({"_id": documents[0]["_id"]})
    assert [places.position(documents[number]) for number in (10, 40)] == [10, 41], "this one is from a moment ago"
    checkpoints.forget()
    assert places.position(documents[40]) == 40
    checkpoints.forget()
