"""The right to write is checked now and then if that is safe, and each time if it is not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from pymongo.collection import Collection
from pymongo.errors import NetworkTimeout

from chatsupport.errors import SessionNotFoundError
from chatsupport.identity import Caller
from chatsupport.services.assignment import queue
from chatsupport.services.messages import admission, message_log
from chatsupport.services.messages.admission import Admission
from chatsupport.services.messages.drafts import Draft
from chatsupport.services.messages.message_log import MessageLog
from tests.api import Api, Apis, assert_failure, data_of
from tests.applications import MakeApp
from tests.sockets import Socket, Sockets, assert_refused, succeeded

Looks = Callable[[], int]
USER = Caller("u1", "user")


@pytest.fixture
def session_id(operator: Api) -> str:
    """A waiting session of u1."""
    return str(operator.start("u1")["sessionId"])


@pytest.fixture
def user(sockets: Sockets, session_id: str) -> Socket:
    """The visitor, who has just written."""
    user = sockets.user("u1")
    succeeded(user.say(session_id, "before"))
    return user


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    """The number of reads of sessions since the test began."""
    calls: list[object] = []
    look = Admission._look
    monkeypatch.setattr(Admission, "_look", lambda *arguments: (calls.append(1), look(*arguments)))
    return lambda: len(calls)


def say(log: MessageLog, session_id: str, caller: Caller = USER) -> Draft:
    """Send as a socket does, and return the finished draft."""
    done = threading.Event()
    draft = Draft(ObjectId(session_id), caller, caller.id, caller.type, "hello", None)
    draft.on_done = lambda _: done.set()
    log.submit(draft)
    assert done.wait(40)
    return draft


def test_a_visitors_session_is_not_read_for_each_message(user: Socket, session_id: str, looks: Looks) -> None:
    for _ in range(3):
        succeeded(user.say(session_id))

    assert looks() == 0


def test_after_a_while_the_session_is_read_again(
    user: Socket, session_id: str, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "KEPT_SECONDS", 0.0)

    for _ in range(3):
        succeeded(user.say(session_id))

    assert looks() == 3


def test_others_are_refused_even_if_the_visitor_has_just_written(
    user: Socket, sockets: Sockets, operator: Api, session_id: str
) -> None:
    agent = operator.create_agent(isOnline=False)

    assert_refused(sockets.user("u2").say(session_id), "FORBIDDEN")
    assert_refused(sockets.agent(agent["id"]).say(session_id), "FORBIDDEN")
    succeeded(sockets.operator().say(session_id))


def test_an_agent_loses_access_as_soon_as_the_session_moves(
    user: Socket, sockets: Sockets, operator: Api, session_id: str
) -> None:
    ada, ben = operator.create_agent("Ada"), operator.create_agent("Ben")
    first = sockets.agent(ada["id"])
    for socket in (user, first, user):
        succeeded(socket.say(session_id))

    data_of(operator.post(f"/api/chat/transfer/{session_id}", {"agentId": ben["id"]}))

    assert_refused(first.say(session_id), "FORBIDDEN")
    succeeded(sockets.agent(ben["id"]).say(session_id))


def test_no_message_follows_an_end_in_this_process(user: Socket, operator: Api, session_id: str) -> None:
    ended = data_of(operator.end(session_id))

    assert_refused(user.say(session_id), "SESSION_ENDED")
    assert ended["statistics"]["totalMessages"] == operator.session(session_id)["lastSeq"] == 1


@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not applied"])
def test_an_end_whose_answer_was_lost_is_noticed(
    user: Socket, operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch, applied: bool
) -> None:
    change = Collection.find_one_and_update

    def lose(*arguments: Any, **options: Any) -> Any:
        if applied:
            change(*arguments, **options)
        raise NetworkTimeout("the answer was lost")

    with monkeypatch.context() as broken:
        broken.setattr(Collection, "find_one_and_update", lose)
        assert_failure(operator.end(session_id), 503, "DATABASE_UNAVAILABLE")

    if applied:
        assert_refused(user.say(session_id), "SESSION_ENDED")
    else:
        succeeded(user.say(session_id))


def test_with_other_processes_the_session_is_read_for_each_message(make_app: MakeApp, looks: Looks) -> None:
    # A configured Redis implies other processes; it need not answer.
    operator = Apis(make_app(redis_url="redis://127.0.0.1:1/0")).operator()
    session_id = operator.start("u1")["sessionId"]
    log = MessageLog(on_stored=lambda stored: None)

    assert [say(log, session_id).message["seq"] for _ in range(3)] == [1, 2, 3]

    assert looks() == 3


def test_a_session_given_up_by_a_full_queue_accepts_no_message(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = Apis(make_app(queue_limit=1)).operator()
    operator.start("first")
    log, seen = MessageLog(on_stored=lambda stored: None), []
    monkeypatch.setattr(message_log, "log", log)
    monkeypatch.setattr(queue, "check_room", lambda _: None)  # Several started at once.
    withdraw = queue.withdraw_beyond_limit

    def write_meanwhile(session: dict[str, Any]) -> None:
        seen.append(str(session["_id"]))
        assert say(log, seen[0]).created
        withdraw(session)

    monkeypatch.setattr(queue, "withdraw_beyond_limit", write_meanwhile)
    assert_failure(operator.post("/api/chat/start-session", {"userId": "u1"}), 503, "QUEUE_FULL")

    assert isinstance(say(log, seen[0]).error, SessionNotFoundError)


def test_a_read_that_began_before_an_end_is_not_remembered(
    app: Flask, operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MessageLog(on_stored=lambda stored: None)
    read = admission.Session.collection().find

    class Reading:
        """The sessions. An end happens after they were read, but before the result arrives here."""

        def find(self, *arguments: Any, **options: Any) -> list[Any]:
            rows = list(read(*arguments, **options))
            log._admission.forget(ObjectId(session_id))
            return rows

    with monkeypatch.context() as patch:
        patch.setattr(admission.Session, "collection", Reading)
        assert say(log, session_id).created

    assert not log._admission._knows(Draft(ObjectId(session_id), USER, "u1", "user", "hello", None))


def test_a_sender_over_rest_gets_the_current_status(user: Socket, apis: Apis, operator: Api, session_id: str) -> None:
    assert data_of(apis.user("u1").send(session_id))["sessionStatus"] == "waiting"
    operator.create_agent()

    assert data_of(apis.user("u1").send(session_id))["sessionStatus"] == "active"


def test_a_failed_read_is_repeated(
    user: Socket, session_id: str, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(message_log.log, "_insert", lambda batch: 1 / 0)
        assert_refused(user.say(session_id), "INTERNAL_ERROR")

    succeeded(user.say(session_id))

    assert looks() == 1
