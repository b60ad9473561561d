"""The message log with many senders: no gaps or repeats of seq, in one process and in several."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pymongo
import pytest
from bson import ObjectId
from flask import Flask

from chatsupport import events
from chatsupport.database.connection import DURABLE
from chatsupport.documents import Message, Session
from chatsupport.errors import DatabaseUnavailableError, SessionEndedError, SessionNotFoundError
from chatsupport.events import MessageStored
from chatsupport.identity import Caller
from chatsupport.services.messages.message_log import Draft, MessageLog
from tests.api import Api, Apis, data_of
from tests.concurrency import eventually, run_together

OPERATOR = Caller("system", "system")


def draft(session_id: ObjectId, sender: str = "u1", text: str = "hello", retry_id: str | None = None) -> Draft:
    return Draft(session_id, OPERATOR, sender, "user", text, retry_id)


def make_session(user_id: str = "u1", status: str = "waiting") -> ObjectId:
    session = Session(user_id=user_id, status=status)
    session.save()
    return ObjectId(str(session.id))


def stored(session_id: ObjectId) -> list[dict[str, Any]]:
    return list(Message.collection().find({"sessionId": session_id}, sort=[("seq", 1)]))


def sender(log: MessageLog, session_id: ObjectId, name: str, count: int, acknowledged: list[int]) -> Callable[[], None]:
    """Send `count` messages one after the other, and record the seq of each acknowledgement."""

    def send() -> None:
        for number in range(count):
            sent = draft(session_id, name, f"{name} {number}")
            log.append(sent)
            acknowledged.append(sent.message["seq"])

    return send


def test_many_senders_of_one_session_get_seqs_without_gap_or_repeat(apis: Apis, operator: Api) -> None:
    session_id = operator.start("u1")["sessionId"]

    def send_five() -> list[int]:
        return [data_of(operator.send(session_id))["message"]["seq"] for _ in range(5)]

    seqs = run_together(*[send_five] * 16)

    assert sorted(seq for sent in seqs for seq in sent) == list(range(1, 81))
    assert all(sent == sorted(sent) for sent in seqs)
    assert operator.session(session_id)["lastSeq"] == 80


def test_two_processes_append_to_the_same_session(app: Flask) -> None:
    session_id = make_session()
    heard: list[int] = []
    acknowledged: dict[str, list[int]] = defaultdict(list)
    logs = [MessageLog(on_stored=lambda stored: heard.append(stored.message["seq"])) for _ in range(2)]
    senders = [
        sender(log, session_id, f"p{place}-{name}", 10, acknowledged[f"p{place}-{name}"])
        for place, log in enumerate(logs)
        for name in range(4)
    ]

    run_together(*senders)

    messages = stored(session_id)
    assert [message["seq"] for message in messages] == list(range(1, 81))
    assert sorted(heard) == list(range(1, 81))
    for name, seqs in acknowledged.items():
        mine = [message for message in messages if message["senderId"] == name]
        assert seqs == [message["seq"] for message in mine]
        assert [message["message"] for message in mine] == [f"{name} {number}" for number in range(10)]


def test_two_processes_in_turn_never_trust_an_old_hint(app: Flask) -> None:
    session_id = make_session()
    logs = [MessageLog(on_stored=lambda stored: None) for _ in range(2)]

    drafts = [draft(session_id) for _ in range(9)]
    for place, sent in enumerate(drafts):
        logs[(place // 2) % 2].append(sent)

    assert [sent.message["seq"] for sent in drafts] == list(range(1, 10))


def test_a_repeat_sent_through_another_process_is_the_first_message(app: Flask) -> None:
    session_id = make_session()
    logs = [MessageLog(on_stored=lambda stored: None) for _ in range(2)]
    repeats = [draft(session_id, retry_id="c1") for _ in range(12)]
    others = [draft(session_id, sender="u2") for _ in range(4)]

    run_together(
        *[lambda sent=sent, log=logs[place % 2]: log.append(sent) for place, sent in enumerate([*repeats, *others])]
    )

    assert len({sent.message["_id"] for sent in repeats}) == 1
    assert [sent.created for sent in repeats].count(True) == 1
    assert [message["seq"] for message in stored(session_id)] == [1, 2, 3, 4, 5]


def test_a_repeat_inside_one_batch_is_the_first_message(app: Flask) -> None:
    session_id = make_session()
    log = MessageLog(on_stored=lambda stored: None)
    batch = [draft(session_id, retry_id="c1"), draft(session_id), draft(session_id, retry_id="c1")]

    log._write(batch)

    assert [sent.message["seq"] for sent in batch] == [1, 2, 1]
    assert [sent.created for sent in batch] == [True, True, False]


def test_a_collision_in_a_batch_is_retried_and_loses_nothing(app: Flask) -> None:
    calm, contested = make_session("u1"), make_session("u2")
    log, other_log = (MessageLog(on_stored=lambda stored: None) for _ in range(2))
    log.append(draft(contested, text="1"))
    other_log.append(draft(contested, text="2"))
    batch = [draft(calm, text="1"), draft(contested, text="3"), draft(calm, text="2"), draft(contested, text="4")]

    log._write(batch)

    assert [sent.message["seq"] for sent in batch] == [1, 3, 2, 4]
    assert [message["message"] for message in stored(calm)] == ["1", "2"]
    assert [message["message"] for message in stored(contested)] == ["1", "2", "3", "4"]


def test_one_batch_serves_many_sessions_and_refuses_only_wrong_messages(app: Flask) -> None:
    first, second, ended = make_session("u1"), make_session("u2"), make_session("u3", "ended")
    log = MessageLog(on_stored=lambda stored: None)
    batch = [draft(first), draft(ended), draft(second), draft(ObjectId()), draft(first), draft(second)]

    log._write(batch)

    assert [sent.message.get("seq") for sent in batch] == [1, None, 1, None, 2, 2]
    assert isinstance(batch[1].error, SessionEndedError)
    assert isinstance(batch[3].error, SessionNotFoundError)


def test_a_message_is_broadcast_in_order_and_only_when_it_is_stored(app: Flask) -> None:
    session_id = make_session()
    seen: list[tuple[int, bool]] = []

    def on_stored(stored: MessageStored) -> None:
        message = stored.message
        seen.append((message["seq"], Message.objects(id=message["_id"]).count() == 1))

    log = MessageLog(on_stored)
    run_together(*[sender(log, session_id, f"s{name}", 5, []) for name in range(6)])

    assert seen == [(seq, True) for seq in range(1, 31)]


def test_a_sender_is_woken_after_the_broadcast(app: Flask) -> None:
    session_id, seen = make_session(), []
    log = MessageLog(on_stored=lambda stored: seen.append("broadcast"))

    log.append(draft(session_id))
    seen.append("acknowledged")

    assert seen == ["broadcast", "acknowledged"]


def test_a_failed_broadcast_does_not_fail_the_sender(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session_id = make_session()
    monkeypatch.setitem(events._bound, MessageStored, [lambda stored: 1 / 0])

    sent = draft(session_id)
    MessageLog().append(sent)

    assert sent.message["seq"] == 1
    assert "A reaction failed" in caplog.text


@pytest.mark.parametrize(("method", "count"), [("insert_one", 1), ("insert_many", 2)])
def test_messages_are_written_durably(app: Flask, monkeypatch: pytest.MonkeyPatch, method: str, count: int) -> None:
    session_id, concerns = make_session(), []
    insert = getattr(pymongo.collection.Collection, method)

    def spy(collection: Any, *args: Any, **kwargs: Any) -> Any:
        concerns.append(collection.write_concern)
        return insert(collection, *args, **kwargs)

    monkeypatch.setattr(pymongo.collection.Collection, method, spy)
    MessageLog(on_stored=lambda stored: None)._write([draft(session_id) for _ in range(count)])

    assert [concern.document for concern in concerns] == [{"w": "majority", "j": True}]
    assert concerns == [DURABLE]
    assert len(stored(session_id)) == count


def test_messages_during_a_write_share_the_next_one(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id, released, batches = make_session(), threading.Event(), []
    log = MessageLog(on_stored=lambda stored: None)
    write = log._write

    def slow(batch: list[Draft]) -> None:
        batches.append(len(batch))
        released.wait(60)
        write(batch)

    def send_the_first() -> None:
        log.append(draft(session_id))

    def send_nine_while_it_is_written() -> None:
        eventually(lambda: batches)
        run_together(*[lambda: log.append(draft(session_id))] * 9, release_when_all_wait)

    def release_when_all_wait() -> None:
        eventually(lambda: len(log._backlog._waiting) == 9)
        released.set()

    monkeypatch.setattr(log, "_write", slow)
    run_together(send_the_first, send_nine_while_it_is_written)

    assert batches == [1, 9]
    assert [message["seq"] for message in stored(session_id)] == list(range(1, 11))


def test_a_retry_of_a_message_stored_but_answered_as_failed_is_broadcast(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    log, session_id = MessageLog(on_stored=lambda stored: heard.append(stored.message["seq"])), make_session()
    insert = pymongo.collection.Collection.insert_one

    def insert_and_lose_the_answer(*args: Any, **kwargs: Any) -> None:
        insert(*args, **kwargs)
        raise pymongo.errors.NetworkTimeout("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr("pymongo.collection.Collection.insert_one", insert_and_lose_the_answer)
        with pytest.raises(DatabaseUnavailableError):
            log.append(draft(session_id, retry_id="r1"))
    assert heard == []

    for _ in range(2):
        retried = draft(session_id, retry_id="r1")
        log.append(retried)
        assert (retried.created, retried.message["seq"]) == (False, 1)

    assert heard == [1], "the room hears of it once, with the first retry"
    assert len(stored(session_id)) == 1
