"""The backlog of the message log: parallel batches for few messages, large ones for many, and always in order."""

from __future__ import annotations

import threading
import time

import pytest
from bson import ObjectId

from chatsupport.identity import Caller
from chatsupport.services.messages import backlog
from chatsupport.services.messages.backlog import Backlog
from chatsupport.services.messages.drafts import Draft
from tests.concurrency import eventually, run_together

pytestmark = pytest.mark.usefixtures("background_tasks")

SYSTEM = Caller("system", "system")


def draft(session_id: ObjectId, text: str = "hello") -> Draft:
    return Draft(session_id, SYSTEM, "system", "system", text, None)


class Writer:
    """Writes each batch when it is released, and records which batches were in progress at the same time."""

    def __init__(self) -> None:
        self.begun: list[list[str]] = []
        self.may_go_on = threading.Event()

    def __call__(self, batch: list[Draft]) -> None:
        self.begun.append([draft.text for draft in batch])
        assert self.may_go_on.wait(40)
        for draft in batch:
            draft.succeed({"seq": 1}, created=True)


def test_a_message_during_a_write_to_its_session_joins_the_next_batch() -> None:
    writer, session_id = Writer(), ObjectId()
    waiting = Backlog(writer)

    waiting.add(draft(session_id, "first"))
    eventually(lambda: writer.begun)
    for name in ("second", "third", "fourth"):
        waiting.add(draft(session_id, name))
    assert waiting.count_waiting() == 3
    writer.may_go_on.set()

    assert waiting.wait_until_idle(40)
    assert writer.begun == [["first"], ["second", "third", "fourth"]]


def test_few_messages_do_not_wait_for_the_write_of_another_session() -> None:
    writer, session_id = Writer(), ObjectId()
    waiting = Backlog(writer)

    for number, text in enumerate(["first", "second", "third"], start=1):
        waiting.add(draft(session_id if text == "second" else ObjectId(), text))
        eventually(lambda number=number: len(writer.begun) == number)
    waiting.add(draft(ObjectId(), "one more than there are writers"))
    waiting.add(draft(session_id, "behind the second"))
    assert waiting.count_waiting() == 2
    writer.may_go_on.set()

    assert waiting.wait_until_idle(40)
    assert writer.begun[:3] == [["first"], ["second"], ["third"]]
    later = [text for batch in writer.begun[3:] for text in batch]
    assert sorted(later) == ["behind the second", "one more than there are writers"]


def test_many_waiting_messages_form_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "FEW", 3)
    one_goes_on, writer = threading.Semaphore(0), Writer()
    writer.may_go_on.set()
    begun: list[list[str]] = []

    def write(batch: list[Draft]) -> None:
        begun.append([draft.text for draft in batch])
        assert one_goes_on.acquire(timeout=40)
        writer(batch)

    waiting = Backlog(write)
    for number in range(3):
        waiting.add(draft(ObjectId(), str(number)))
        eventually(lambda number=number: len(begun) == number + 1)
    for number in range(3, 12):
        waiting.add(draft(ObjectId(), str(number)))
    # The first to finish leaves the waiting messages to the others; the last one takes all of them.
    one_goes_on.release()
    assert eventually(lambda: len(writer.begun) == 1)
    assert waiting.count_waiting() == 9
    for _ in range(3):
        one_goes_on.release()

    assert waiting.wait_until_idle(40)
    assert begun == [["0"], ["1"], ["2"], [str(number) for number in range(3, 12)]]


def test_a_batch_is_limited_and_the_rest_follows_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MAX_BATCH", 2)
    writer, session_id = Writer(), ObjectId()
    waiting = Backlog(writer)

    waiting.add(draft(session_id, "0"))
    eventually(lambda: writer.begun)
    for number in range(1, 6):
        waiting.add(draft(session_id, str(number)))
    writer.may_go_on.set()

    assert waiting.wait_until_idle(40)
    assert writer.begun == [["0"], ["1", "2"], ["3", "4"], ["5"]]


def test_a_session_is_settled_after_its_write_and_others_at_once() -> None:
    writer, busy = Writer(), ObjectId()
    waiting = Backlog(writer)
    waiting.add(draft(busy))
    eventually(lambda: writer.begun)

    waiting.wait_for_writes(ObjectId(), 5)
    settled = threading.Thread(target=lambda: waiting.wait_for_writes(busy, 5))
    settled.start()

    assert settled.is_alive()
    writer.may_go_on.set()
    settled.join(40)
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

    assert waiting.wait_until_idle(40)
    assert writer.begun == [["first"]]


def test_with_many_senders_a_session_is_in_one_batch_at_a_time_and_keeps_its_order() -> None:
    under_way: set[ObjectId] = set()
    most = 0
    written: dict[ObjectId, list[str]] = {}
    mutex = threading.Lock()

    def write(batch: list[Draft]) -> None:
        nonlocal most
        sessions = {draft.session_id for draft in batch}
        with mutex:
            assert not sessions & under_way
            under_way.update(sessions)
            most = max(most, len(under_way))
        time.sleep(0.001)
        with mutex:
            under_way.difference_update(sessions)
            for draft in batch:
                written.setdefault(draft.session_id, []).append(draft.text)
        for draft in batch:
            draft.succeed({"seq": 1}, created=True)

    waiting = Backlog(write)
    ids = [ObjectId() for _ in range(8)]

    def send(session_id: ObjectId) -> None:
        for number in range(100):
            waiting.add(draft(session_id, f"{number:03}"))
            time.sleep(0.0005)

    run_together(*[lambda session_id=session_id: send(session_id) for session_id in ids])

    assert waiting.wait_until_idle(10)
    assert most > 1
    assert written == {session_id: [f"{number:03}" for number in range(100)] for session_id in ids}


def test_a_failing_answer_delays_no_other(caplog: pytest.LogCaptureFixture) -> None:
    first, second = draft(ObjectId()), draft(ObjectId())
    answered: list[Draft] = []
    first.on_done = lambda _: {}["a defect"]
    second.on_done = answered.append

    for done in (first, second):
        done.succeed({"seq": 1}, created=True)

    assert answered == [second]
    assert "KeyError: 'a defect'" in caplog.text
