"""Ended means ended: a write in progress in another process comes before the end, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId
from flask import Flask

from chatsupport.database.clock import elapsed
from chatsupport.documents import Message, Session
from chatsupport.errors import SessionEndedError
from chatsupport.identity import Caller
from chatsupport.services.messages import sequences
from chatsupport.services.messages.message_log import Draft, MessageLog
from chatsupport.services.server import processes
from chatsupport.services.sessions import told_here
from tests.api import Api, Apis, data_of
from tests.applications import MakeApp
from tests.concurrency import eventually, run_together
from tests.interleaving import just_after, just_before

OPERATOR = Caller("system", "system")
NOBODYS_REDIS = "redis://127.0.0.1:1/0"
"""A configured Redis implies other processes; it need not answer."""


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """An application that has other processes."""
    return make_app(redis_url=NOBODYS_REDIS)


def draft(session_id: str, text: str = "hello", retry_id: str | None = None) -> Draft:
    return Draft(ObjectId(session_id), OPERATOR, "u1", "user", text, retry_id)


def other_process() -> MessageLog:
    return MessageLog(on_stored=lambda stored: None)


def stored(session_id: str) -> list[dict[str, Any]]:
    return list(Message.collection().find({"sessionId": ObjectId(session_id)}, sort=[("seq", 1)]))


@pytest.mark.parametrize("messages_before", [0, 1, 3])
def test_a_write_that_saw_an_open_session_comes_too_late(
    operator: Api, monkeypatch: pytest.MonkeyPatch, messages_before: int
) -> None:
    session_id = operator.start("u1")["sessionId"]
    log = other_process()
    for _ in range(messages_before):
        log.append(draft(session_id))
    # The other process has read that the session is open, and the session ends before the write.
    just_before(monkeypatch, log, "_insert", lambda: data_of(operator.end(session_id)))

    with pytest.raises(SessionEndedError):
        log.append(draft(session_id, "too late"))

    messages = [message for message in stored(session_id) if "fence" not in message]
    assert [message["seq"] for message in messages] == list(range(1, messages_before + 1))
    assert data_of(operator.end(session_id))["statistics"]["totalMessages"] == messages_before


def test_a_write_faster_than_the_fence_comes_before_the_end(operator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = operator.start("u1")["sessionId"]
    log, sent = other_process(), draft(session_id, "just in time")
    # The write was in progress between the end's mark and its fence.
    just_before(monkeypatch, sequences, "fence", lambda: log._insert([sent]))

    ended = data_of(operator.end(session_id))

    assert sent.created
    assert ended["statistics"]["totalMessages"] == 1
    assert operator.session(session_id)["messageCount"] == 1


def test_racing_writers_and_an_end_agree_on_the_messages(operator: Api) -> None:
    for number in range(10):
        session_id = operator.start(f"race-{number}")["sessionId"]
        logs = [other_process() for _ in range(2)]
        acknowledged: list[int] = []

        def write(log: MessageLog, session_id: str = session_id, acknowledged: list[int] = acknowledged) -> None:
            for _ in range(10):
                sent = draft(session_id)
                try:
                    log.append(sent)
                except SessionEndedError:
                    return
                acknowledged.append(sent.message["seq"])

        def end(session_id: str = session_id, acknowledged: list[int] = acknowledged) -> Any:
            eventually(lambda: len(acknowledged) >= 3)
            return data_of(operator.end(session_id))

        *_, ended = run_together(*[lambda log=log: write(log) for log in logs], end)

        assert sorted(acknowledged) == list(range(1, len(acknowledged) + 1))
        assert ended["statistics"]["totalMessages"] == len(acknowledged)
        assert operator.session(session_id)["lastSeq"] == len(acknowledged)


def test_two_ends_make_one_fence(operator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = operator.start("u1")["sessionId"]
    just_after(monkeypatch, sequences, "fence", lambda: sequences.fence(ObjectId(session_id)))

    data_of(operator.end(session_id))

    assert [bool(message.get("fence")) for message in stored(session_id)] == [True]


def test_a_repeat_after_the_end_gets_the_first_message(operator: Api) -> None:
    session_id = operator.start("u1")["sessionId"]
    log, first = other_process(), draft(session_id, "hello", "c1")
    log.append(first)
    data_of(operator.end(session_id))

    again = draft(session_id, "hello", "c1")
    log.append(again)

    assert (again.created, again.message["_id"]) == (False, first.message["_id"])


def test_nobody_sees_a_fence(apis: Apis, operator: Api) -> None:
    told, silent = (operator.start(user)["sessionId"] for user in ("told", "silent"))
    for _ in range(3):
        data_of(operator.send(told, senderId="told", senderType="user"))
    for session_id in (told, silent):
        data_of(operator.end(session_id))
    assert [len(stored(session_id)) for session_id in (told, silent)] == [4, 1]

    for session_id, count in ((told, 3), (silent, 0)):
        seqs = list(range(1, count + 1))
        for query in ({}, {"after": 0}, {"before": 100}, {"offset": 0}):
            page = data_of(operator.get(f"/api/chat/messages/{session_id}", **query))
            assert [message["seq"] for message in page["messages"]] == seqs
            assert (page["pagination"]["total"], page["pagination"]["hasMore"]) == (count, False)
        session = operator.session(session_id)
        assert (session["messageCount"], session["lastSeq"]) == (count, count)
    listed = {session["id"]: session for session in data_of(operator.get("/api/chat/sessions"))["sessions"]}
    assert {key: session["lastSeq"] for key, session in listed.items()} == {told: 3, silent: 0}
    assert {key: session["unreadCount"] for key, session in listed.items()} == {told: 3, silent: 0}
    assert sequences.last_seqs([ObjectId(told), ObjectId(silent)]) == {ObjectId(told): 3}
    assert data_of(operator.get("/api/chat/stats"))["messages"]["total"] == 3


def test_session_sync_does_not_count_a_fence(operator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = operator.start("u1")["sessionId"]
    data_of(operator.send(session_id))
    data_of(operator.end(session_id))
    told: list[tuple[ObjectId, int]] = []
    monkeypatch.setattr(told_here.membership, "joined_sessions", lambda: {ObjectId(session_id)})
    monkeypatch.setattr(told_here.broadcasts, "session_sync", lambda *sync: told.append(sync))

    told_here.catch_up()

    assert told == [(ObjectId(session_id), 1)]


def test_mongodb_removes_only_fences(app: Flask, operator: Api) -> None:
    index = Message.collection().index_information()["fences"]
    assert index["expireAfterSeconds"] == 0
    assert index["partialFilterExpression"] == {"fence": True}
    session_id = operator.start("u1")["sessionId"]
    data_of(operator.send(session_id))
    data_of(operator.end(session_id))
    message, fence = stored(session_id)
    assert "expiresAt" not in message
    ended = Session.collection().find_one({"_id": ObjectId(session_id)})["endedAt"]
    assert (fence["expiresAt"] - ended).total_seconds() >= sequences.FENCE_SECONDS - 1


@pytest.mark.parametrize("away", ["began before it was alone", "was not alone for a while"])
def test_an_end_counts_what_a_process_that_has_left_wrote(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    operator = Apis(make_app()).operator()
    monkeypatch.setattr(processes, "ALONE_SECONDS", 60.0)
    processes.here.begin()
    processes.here.beat()
    alone_since = processes.here._alone_since
    session_id = operator.start("u1")["sessionId"]
    other_process().append(draft(session_id))
    assert processes.here.is_alone()

    monkeypatch.setattr(processes.here, "_alone_since", elapsed() if "before" in away else alone_since)
    if "while" in away:
        processes.here._alone_until = 0.0
        processes.here.beat()

    assert data_of(operator.end(session_id))["statistics"]["totalMessages"] == 1


def test_a_single_process_writes_no_fence(make_app: MakeApp) -> None:
    operator = Apis(make_app()).operator()
    session_id = operator.start("u1")["sessionId"]
    data_of(operator.end(session_id))

    assert stored(session_id) == []
