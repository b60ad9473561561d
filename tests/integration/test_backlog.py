"""The backlog of the message log: batches side by side, but one session's messages one after the other."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

import pytest
from bson import ObjectId

from chatsupport.identity import Caller
from chatsupport.services import backlog
from chatsupport.services.backlog import Backlog
from chatsupport.services.drafts import Draft
from tests.concurrency import eventually, run_together

pytestmark = pytest.mark.usefixtures("app")  # Writers are background tasks of its Socket.IO server.

SYSTEM = Caller("system", "system")


def draft(session_id: ObjectId, text: str = "hello") -> Draft:
    return Draft(session_id, SYSTEM, "system", "system", text, None)


class Writer:
    """Takes batches, each only when it is let go; notes what was under way at once."""

    def __init__(self) -> None:
        self.begun: list[list[str]] = []
        self.may_go_on = threading.Event()

    def __call__(self, batch: list[Draft]) -> None:
        self.begun.append([draft.text for draft in batch])
        assert self.may_go_on.wait(5)
        for draft in batch:
            draft.succeed({"seq": 1}, created=True)


def test_who_comes_during_a_write_is_written_beside_it() -> None:
    writer = Writer()
    waiting = Backlog(writer)

    waiting.add(draft(ObjectId(), "first"))
    eventually(lambda: writer.begun)
    waiting.add(draft(ObjectId(), "second"))

    assert eventually(lambda: len(writer.begun) == 2), "the second need not wait for the first"
    writer.may_go_on.set()
    assert waiting.wait_until_idle(5)
    assert writer.begun == [["first"], ["second"]]


def test_no_more_batches_are_under_way_than_there_are_writers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MAX_WRITERS", 2)
    writer = Writer()
    waiting = Backlog(writer)

    for number in range(4):
        waiting.add(draft(ObjectId(), str(number)))
        eventually(lambda number=number: len(writer.begun) == min(number + 1, 2))
    writer.may_go_on.set()

    assert waiting.wait_until_idle(5)
    assert writer.begun == [["0"], ["1"], ["2", "3"]]


def test_a_session_that_is_being_written_waits_and_the_others_do_not() -> None:
    writer, busy = Writer(), ObjectId()
    waiting = Backlog(writer)

    waiting.add(draft(busy, "busy 1"))
    eventually(lambda: writer.begun)
    waiting.add(draft(busy, "busy 2"))
    waiting.add(draft(ObjectId(), "other"))
    waiting.add(draft(busy, "busy 3"))

    assert eventually(lambda: len(writer.begun) == 2)
    assert writer.begun == [["busy 1"], ["other"]]
    settled = threading.Thread(target=lambda: waiting.settle(busy, 5))
    settled.start()
    assert settled.is_alive()
    writer.may_go_on.set()
    settled.join(5)
    assert not settled.is_alive()
    assert waiting.wait_until_idle(5)
    assert writer.begun[2:] == [["busy 2", "busy 3"]]


def test_a_draft_that_its_sender_gave_up_is_not_written() -> None:
    writer = Writer()
    waiting = Backlog(writer)
    waiting.add(draft(session_id := ObjectId(), "first"))
    eventually(lambda: writer.begun)
    given_up = draft(session_id, "second")
    waiting.add(given_up)
    given_up.abandoned = True
    writer.may_go_on.set()

    assert waiting.wait_until_idle(5)
    assert writer.begun == [["first"]]


def test_under_many_senders_a_session_is_in_one_batch_at_a_time_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MAX_WRITERS", 4)
    sessions = [ObjectId() for _ in range(5)]
    under_way: Counter[ObjectId] = Counter()
    written: dict[ObjectId, list[str]] = {session_id: [] for session_id in sessions}
    mutex = threading.Lock()

    def write(batch: list[Draft]) -> None:
        there = {draft.session_id for draft in batch}
        with mutex:
            under_way.update(there)
            assert max(under_way.values()) == 1
        time.sleep(random.random() / 500)
        with mutex:
            under_way.subtract(there)
            for draft in batch:
                written[draft.session_id].append(draft.text)
        for draft in batch:
            draft.succeed({"seq": 1}, created=True)

    waiting = Backlog(write)

    def send(name: str) -> None:
        for number in range(100):
            waiting.add(draft(random.choice(sessions), f"{name} {number:03}"))

    run_together(*[lambda name=name: send(name) for name in "abcdef"])

    assert waiting.wait_until_idle(10)
    assert sum(len(texts) for texts in written.values()) == 600
    for texts in written.values():
        for name in "abcdef":
            mine = [text for text in texts if text.startswith(name)]
            assert mine == sorted(mine)


def test_an_answer_that_cannot_be_given_keeps_nobody_else_waiting(caplog: pytest.LogCaptureFixture) -> None:
    first, second = draft(ObjectId()), draft(ObjectId())
    answered: list[Draft] = []
    first.on_done = lambda _: {}["a defect"]
    second.on_done = answered.append

    for done in (first, second):
        done.succeed({"seq": 1}, created=True)

    assert answered == [second]
    assert "KeyError: 'a defect'" in caplog.text
