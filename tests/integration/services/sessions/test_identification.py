"""POST /api/auth/identify: a guest becomes a user, who gets everything of the guest's."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from chatsupport.database.connection import database
from chatsupport.documents import Agent, Denial, Message, Session
from chatsupport.errors import DatabaseUnavailableError
from chatsupport.identity import Caller
from chatsupport.services.assignment import matching
from chatsupport.services.messages import message_log, read_marks
from chatsupport.services.sessions import ending, identification, reading, starting
from tests.api import Api, Apis, assert_failure, data_of, make_token
from tests.concurrency import eventually, run_together
from tests.interleaving import Killed, just_after, just_before, kill_before_write
from tests.invariants import violations
from tests.sockets import Sockets, assert_refused

IDENTIFY = "/api/auth/identify"


class Guest:
    """A guest with a token, and with everything in a session that identifies a person."""

    def __init__(self, apis: Apis) -> None:
        data = data_of(apis.anonymous().post("/api/auth/token", {"guest": True}))
        self.id, self.token = data["userId"], data["token"]
        self.api = apis.anonymous(Authorization=f"Bearer {self.token}")

    def start(self) -> str:
        """Start a session and write in it; return its id."""
        session_id: str = self.api.start(self.id)["sessionId"]
        self.api.send(session_id, "hello", clientMessageId="m1")
        return session_id


@pytest.fixture
def guest(apis: Apis) -> Guest:
    return Guest(apis)


def identify(user: Api, guest: Guest) -> dict[str, Any]:
    return data_of(user.post(IDENTIFY, {"guestToken": guest.token}))


def traces(guest: Guest) -> list[Any]:
    """Return everything that still names the guest, except its denial and the audit log."""
    named = {"$in": [guest.id]}
    return [
        *Session.collection().find({"$or": [{"userId": named}, {"readSeq.userId": named}, {"endedBy": named}]}),
        *Message.collection().find({"senderId": named}),
        *Agent.collection().find({"activeUsers": named}),
    ]


def make_all_old() -> None:
    """Let the time pass after which late data is searched for."""
    ago = timedelta(minutes=1)
    Denial.collection().update_many({}, [{"$set": {"createdAt": {"$subtract": ["$createdAt", 60_000]}}}])
    assert ago > identification.FINISH_AFTER


def test_the_chat_of_a_guest_becomes_the_users(apis: Apis, operator: Api, user: Api, guest: Guest) -> None:
    agent_id = operator.create_agent()["id"]
    session_id = guest.start()
    read_marks.mark(reading.find_open(guest.id, "user")["_id"], Caller(guest.id, "user"), 1)

    assert identify(user, guest) == {"sessionId": session_id, "sessions": 1}

    session = user.session(session_id)
    assert (session["userId"], session["status"], session["agentId"]) == ("u1", "active", agent_id)
    assert session["readSeq"] == [{"userId": "u1", "userType": "user", "seq": 1}]
    [message] = data_of(user.get(f"/api/chat/messages/{session_id}"))["messages"]
    assert (message["senderId"], message["message"]) == ("u1", "hello")
    assert data_of(operator.get(f"/api/agents/{agent_id}"))["activeUsers"] == ["u1"]
    assert traces(guest) == []
    assert violations(Session.collection().database) == []
    repeated = user.send(session_id, "hello", clientMessageId="m1")
    assert (repeated.status_code, data_of(repeated)["messageId"]) == (200, message["id"])
    assert data_of(user.get("/api/chat/session/current"))["session"]["id"] == session_id


def test_ended_chats_are_carried_over_too(apis: Apis, user: Api, guest: Guest) -> None:
    first = guest.start()
    guest.api.end(first)
    second = guest.start()
    guest.api.end(second)

    assert identify(user, guest) == {"sessionId": None, "sessions": 2}

    assert user.session(first)["userId"] == "u1"
    assert Session.objects.get(id=second).ended_by == "u1"
    assert traces(guest) == []


def test_a_guest_without_a_chat_can_be_identified_too(user: Api, guest: Guest) -> None:
    assert identify(user, guest) == {"sessionId": None, "sessions": 0}
    assert_failure(guest.api.get("/api/chat/stats"), 401, "INVALID_TOKEN")


@pytest.mark.parametrize("agents", [0, 1])
def test_if_the_user_has_an_open_session_the_guests_session_ends(
    operator: Api, user: Api, guest: Guest, sockets: Sockets, agents: int
) -> None:
    for _ in range(agents):
        operator.create_agent()
    guests_session = guest.start()
    own = user.start("u1")["sessionId"]
    watching = sockets.operator()
    watching.join(guests_session)

    assert identify(user, guest) == {"sessionId": own, "sessions": 1}

    session = user.session(guests_session)
    assert (session["status"], session["endReason"], session["userId"]) == ("ended", "merged", "u1")
    assert Session.objects.get(id=guests_session).ended_by == "u1"
    assert watching.heard("session_ended")[0]["reason"] == "merged"
    assert user.session(own)["status"] == ("active" if agents else "waiting")
    assert traces(guest) == []
    assert violations(Session.collection().database) == []


def test_the_guests_tokens_are_refused_from_then_on(
    apis: Apis, operator: Api, user: Api, guest: Guest, sockets: Sockets
) -> None:
    given_by_the_site = data_of(operator.post("/api/auth/token", {"userId": guest.id}))["token"]
    identify(user, guest)

    for token in (guest.token, given_by_the_site):
        api = apis.anonymous(Authorization=f"Bearer {token}")
        assert_failure(api.get("/api/chat/stats"), 401, "INVALID_TOKEN")
        assert_failure(api.post("/api/auth/token", {"userId": guest.id}), 403, "INVALID_USER_HASH")
        assert_refused(sockets.attempt({"token": token}).refusal, "INVALID_TOKEN")


def test_the_guests_sockets_close_and_staff_are_told_of_the_session(
    operator: Api, user: Api, guest: Guest, sockets: Sockets
) -> None:
    agent_id = operator.create_agent()["id"]
    session_id = guest.start()
    visitor, users_own = sockets.attempt({"token": guest.token}), sockets.user("u1")
    agent, elsewhere, system = sockets.agent(agent_id), sockets.agent(agent_id), sockets.operator()
    for socket in (visitor, agent, system):
        socket.join(session_id)

    identify(user, guest)

    assert not visitor.is_connected
    for socket in (agent, elsewhere, system, users_own):
        assert socket.is_connected
        [session] = socket.heard("session_updated")
        assert (session["id"], session["userId"], session["agentId"]) == (session_id, "u1", agent_id)
    assert agent.heard("user_left")[0]["userId"] == guest.id


@pytest.mark.features("audit")
def test_a_repeat_by_the_same_user_gets_the_same_answer(apis: Apis, user: Api, guest: Guest) -> None:
    session_id = guest.start()
    first = identify(user, guest)

    assert identify(user, guest) == first == {"sessionId": session_id, "sessions": 1}
    make_all_old()
    identification.finish()
    assert identify(user, guest) == first
    assert "guestId" not in Session.collection().find_one()
    assert database().audit.count_documents({"action": "identify"}) == 1


def test_another_user_gets_nothing(apis: Apis, user: Api, guest: Guest) -> None:
    session_id = guest.start()
    identify(user, guest)
    other = apis.user("u2")
    own = other.start("u2")["sessionId"]

    assert identify(other, guest) == {"sessionId": own, "sessions": 0}
    assert user.session(session_id)["userId"] == "u1"


def test_if_two_users_identify_at_once_one_gets_everything(apis: Apis, guest: Guest) -> None:
    guest.start()
    answers = run_together(*[lambda n=n: identify(apis.user(f"u{n}"), guest) for n in range(4)])

    assert sorted(answer["sessions"] for answer in answers) == [0, 0, 0, 1]
    assert len([answer for answer in answers if answer["sessionId"] is not None]) == 1
    assert traces(guest) == []


def test_a_guest_can_only_become_a_user_that_is_no_guest(apis: Apis, operator: Api, guest: Guest) -> None:
    for api in (operator, apis.agent(operator.create_agent()["id"]), guest.api, Guest(apis).api):
        assert_failure(api.post(IDENTIFY, {"guestToken": guest.token}), 403, "FORBIDDEN")
    assert_failure(apis.anonymous().post(IDENTIFY, {"guestToken": guest.token}), 401, "AUTH_REQUIRED")


@pytest.mark.features("blocks")
def test_an_invalid_guest_token_is_refused(
    apis: Apis, operator: Api, user: Api, guest: Guest, subtests: pytest.Subtests
) -> None:
    revoked, signed_out, blocked = Guest(apis), Guest(apis), Guest(apis)
    time.sleep(0.002)
    operator.post("/api/auth/revoke", {"userId": revoked.id})
    signed_out.api.post("/api/auth/logout")
    operator.post("/api/blocks", {"userId": blocked.id})
    for token in [
        None,
        "",
        "x",
        7,
        {"$ne": ""},
        [],
        make_token("u2"),
        make_token("u1"),
        make_token(guest.id, "system"),
        make_token(guest.id, secret="another-secret-0123456789abcdefghij"),
        make_token(guest.id, exp=int(time.time()) - 91 * 24 * 3600),
        revoked.token,
        signed_out.token,
    ]:
        with subtests.test(token=token):
            refused = assert_failure(user.post(IDENTIFY, {"guestToken": token}), 400, "INVALID_GUEST_TOKEN")
            assert [detail["field"] for detail in refused["details"]] == ["guestToken"]
    assert_failure(user.post(IDENTIFY, {"guestToken": blocked.token}), 403, "BLOCKED")
    expired = make_token(guest.id, exp=int(time.time()) - 60)
    assert user.post(IDENTIFY, {"guestToken": expired}).status_code == 200


@pytest.mark.parametrize("has_own", [False, True], ids=["carried", "merged"])
def test_a_repeat_finishes_the_work_after_a_kill(apis: Apis, operator: Api, has_own: bool) -> None:
    for write in range(1, 30):
        for document in (Agent, Session, Message, Denial):
            document.collection().delete_many({})
        operator.create_agent()
        guest, user = Guest(apis), apis.user("u1")
        session_id = guest.start()
        read_marks.mark(reading.find_open(guest.id, "user")["_id"], Caller(guest.id, "user"), 1)
        own = user.start("u1")["sessionId"] if has_own else None
        with kill_before_write(write) as done:
            try:
                identify(user, guest)
            except Killed:
                pass
            else:
                break

        expected = {"sessionId": own or session_id, "sessions": 1}
        if write % 2:
            assert identify(user, guest) == expected, done
        elif done:  # Nobody repeats the call, except after the first write, when nothing has happened yet.
            make_all_old()
            identification.finish()
        else:
            continue

        assert traces(guest) == [], done
        assert user.session(session_id)["userId"] == "u1", done
        assert violations(Session.collection().database) == [], done
    assert 5 < write < 29


def test_writes_in_progress_are_carried_over_a_moment_later(
    apis: Apis, operator: Api, user: Api, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.create_agent()
    # The guest was accepted, and its session is stored when the guest has already become a user.
    just_before(monkeypatch, starting, "_open", lambda: identify(user, guest))
    session_id = guest.api.start(guest.id)["sessionId"]
    read_marks.mark(reading.find_open(guest.id, "user")["_id"], Caller(guest.id, "user"), 0)
    assert traces(guest)

    make_all_old()
    identification.finish()

    assert traces(guest) == []
    assert user.session(session_id)["userId"] == "u1"
    assert identify(user, guest) == {"sessionId": session_id, "sessions": 1}
    assert violations(Session.collection().database) == []


def test_a_guest_that_cannot_be_carried_over_yet_holds_up_no_other(
    apis: Apis, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Guest(apis)
    for user, each in (("u1", guest), ("u2", other)):
        identify(apis.user(user), each)
    make_all_old()
    finish = identification._finish

    def failing(denial: dict[str, Any]) -> None:
        if denial["userId"] == guest.id:
            raise DatabaseUnavailableError  # Its session changed again and again.
        finish(denial)

    monkeypatch.setattr(identification, "_finish", failing)

    identification.finish()

    assert [denial["userId"] for denial in Denial.collection().find({"isCarried": True})] == [other.id]


def test_a_late_message_from_another_process_becomes_the_users(user: Api, guest: Guest) -> None:
    session_id = guest.start()
    identify(user, guest)
    user.send(session_id, "again", clientMessageId="m2")
    # Written by a process that had read the session before. Meanwhile the user has sent the message again.
    first = Message.collection().find_one({"clientMessageId": "m2"})
    late = {**first, "_id": session_id, "seq": 3, "senderId": guest.id}
    Message.collection().insert_many([late, {**late, "_id": guest.id, "seq": 4, "clientMessageId": "m3"}])

    make_all_old()
    identification.finish()

    senders = [message["senderId"] for message in Message.collection().find()]
    assert senders == ["u1"] * 4


@pytest.mark.parametrize("when", [just_before, just_after])
def test_a_session_that_gets_its_agent_at_the_same_moment(
    operator: Api, user: Api, guest: Guest, monkeypatch: pytest.MonkeyPatch, when: Any
) -> None:
    session_id = guest.start()
    when(monkeypatch, matching, "claim_slot_for", lambda: identify(user, guest))

    agent_id = operator.create_agent()["id"]

    assert user.session(session_id)["agentId"] == agent_id
    make_all_old()
    identification.finish()
    assert traces(guest) == []
    assert violations(Session.collection().database) == []


@pytest.mark.parametrize("when", [just_before, just_after])
def test_a_message_that_is_written_at_the_same_moment(
    user: Api, guest: Guest, monkeypatch: pytest.MonkeyPatch, when: Any
) -> None:
    session_id = guest.start()
    with ThreadPoolExecutor(1) as pool:

        def identify_meanwhile() -> None:
            # It waits for the write in progress.
            identified.append(pool.submit(identify, user, guest))
            assert eventually(lambda: Session.objects.get(id=session_id).user_id == "u1")

        identified: list[Future[dict[str, Any]]] = []
        when(monkeypatch, message_log.log._admission, "admit", identify_meanwhile)
        sent = guest.api.send(session_id, "just now")

    assert identified[0].result() == {"sessionId": session_id, "sessions": 1}
    assert sent.status_code == (403 if when is just_before else 201)
    assert traces(guest) == []


@pytest.mark.parametrize("round_", range(5))
def test_messages_and_identify_together(operator: Api, user: Api, guest: Guest, round_: int) -> None:
    operator.create_agent(maxUsers=50)
    session_id = guest.start()

    answers = run_together(
        *[lambda i=i: guest.api.send(session_id, f"text {round_} {i}") for i in range(4)],
        lambda: identify(user, guest),
        lambda: user.post("/api/chat/start-session", {"userId": "u1"}),
    )

    assert {answer.status_code for answer in answers[:4]} <= {201, 401, 403, 409}
    acknowledged = [data_of(answer)["messageId"] for answer in answers[:4] if answer.status_code == 201]
    kept = {message["id"]: message for message in data_of(user.get(f"/api/chat/messages/{session_id}"))["messages"]}
    assert set(acknowledged) <= set(kept)
    assert {message["senderId"] for message in kept.values()} == {"u1"}
    assert traces(guest) == []
    assert user.session(session_id)["userId"] == "u1"
    assert violations(Session.collection().database) == []


def test_an_end_at_the_same_moment(user: Api, guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = guest.start()
    own = user.start("u1")["sessionId"]
    # The user's own session ends while the guest's is about to be merged into it, and the guest's session ends too.
    just_before(monkeypatch, ending, "end_now", lambda: (user.end(own), guest.api.end(session_id)))

    assert identify(user, guest) == {"sessionId": None, "sessions": 1}
    assert user.session(session_id)["userId"] == "u1"
    assert traces(guest) == []
