"""The backlog of the message log: one batch after the other, everything in the order it came."""

from __future__ import annotations

import threading
import time

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


def test_who_comes_during_a_write_is_in_the_next_batch_in_the_order_they_came() -> None:
    writer = Writer()
    waiting = Backlog(writer)

    waiting.add(draft(ObjectId(), "first"))
    eventually(lambda: writer.begun)
    for name in ("second", "third", "fourth"):
        waiting.add(draft(ObjectId(), name))
    assert waiting.count_waiting() == 3
    writer.may_go_on.set()

    assert waiting.wait_until_idle(5)
    assert writer.begun == [["first"], ["second", "third", "fourth"]]


def test_a_batch_has_its_limit_and_the_rest_comes_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MAX_BATCH", 2)
    writer = Writer()
    waiting = Backlog(writer)

    waiting.add(draft(ObjectId(), "0"))
    eventually(lambda: writer.begun)
    for number in range(1, 6):
        waiting.add(draft(ObjectId(), str(number)))
    writer.may_go_on.set()

    assert waiting.wait_until_idle(5)
    assert writer.begun == [["0"], ["1", "2"], ["3", "4"], ["5"]]


def test_a_session_is_settled_when_its_write_is_done_and_any_other_at_once() -> None:
    writer, busy = Writer(), ObjectId()
    waiting = Backlog(writer)
    waiting.add(draft(busy))
    eventually(lambda: writer.begun)

    waiting.settle(ObjectId(), 5)
    settled = threading.Thread(target=lambda: waiting.settle(busy, 5))
    settled.start()

    assert settled.is_alive()
    writer.may_go_on.set()
    settled.join(5)
    assert not settled.is_alive()


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


def test_under_many_senders_one_batch_is_under_way_and_each_senders_order_is_kept() -> None:
    under_way = 0
    written: list[str] = []

    def write(batch: list[Draft]) -> None:
        nonlocal under_way
        under_way += 1
        assert under_way == 1
        time.sleep(0.001)
        written.extend(draft.text for draft in batch)
        under_way -= 1
        for draft in batch:
            draft.succeed({"seq": 1}, created=True)

    waiting = Backlog(write)

    def send(name: str) -> None:
        for number in range(100):
            waiting.add(draft(ObjectId(), f"{name} {number:03}"))

    run_together(*[lambda name=name: send(name) for name in "abcdef"])

    assert waiting.wait_until_idle(10)
    assert len(written) == 600
    for name in "abcdef":
        mine = [text for text in written if text.startswith(name)]
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
