"""A bot hands its session over in one step, and nothing of it is stored afterwards, however it races."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from chatsupport import events, recording
from chatsupport.database import connection
from chatsupport.database.clock import now
from chatsupport.documents import Message, Session
from chatsupport.errors import ForbiddenError
from chatsupport.events import HandedOver
from chatsupport.identity import Caller
from chatsupport.services.messages.drafts import Draft
from chatsupport.services.messages.message_log import MessageLog
from chatsupport.services.sessions import handoffs
from chatsupport.services.shared import outbox
from tests.api import Api, Apis, assert_failure, data_of
from tests.bots import answers_first, texts
from tests.concurrency import run_together
from tests.interleaving import Killed, just_after, just_before
from tests.invariants import violations
from tests.sockets import Sockets

pytestmark = pytest.mark.features("settings", "notes", "tags", "context", "privacy")

QUEUED, CONNECTED = "You will be connected to a person.", "You are now connected to Ada."


def hand_off(api: Api, session_id: str, **body: Any) -> dict[str, Any]:
    return data_of(api.post(f"/api/chat/handoff/{session_id}", body))


def test_one_step_leaves_a_last_message_a_summary_and_tags(operator: Api, bot: Api, bot_id: str, with_bot: str) -> None:
    operator.put(f"/api/chat/tags/{with_bot}", {"tags": ["VIP"]})
    session = hand_off(bot, with_bot, message="One moment.", summary="Order 17 is broken.", tags=["refund", "vip"])

    assert (session["status"], session["agentId"], session["queuePosition"]) == ("waiting", None, 1)
    assert session["tags"] == ["VIP", "refund"]
    assert session["createdAt"] < session["handedOverAt"]
    assert texts(operator, with_bot) == ["One moment."]
    (note,) = data_of(operator.get(f"/api/chat/notes/{with_bot}"))["notes"]
    assert (note["text"], note["authorId"], note["authorName"]) == ("Order 17 is broken.", bot_id, "Robin")
    assert note["isSummary"] is True
    assert violations(connection.database()) == []


def test_without_a_last_message_the_system_says_one_line(operator: Api, user: Api, bot: Api, with_bot: str) -> None:
    session = hand_off(user, with_bot)
    assert session["status"] == "waiting"
    assert "assignment" not in session
    assert texts(operator, with_bot) == [QUEUED]


def test_a_free_person_gets_the_session_at_once(operator: Api, bot: Api, with_bot: str) -> None:
    ada = operator.create_agent("Ada")["id"]
    assert hand_off(bot, with_bot)["agentId"] == ada
    session = operator.session(with_bot)
    assert session["assignment"]["reason"] == "least_loaded"
    assert session["firstAssignedAt"] is not None
    assert_failure(bot.send(with_bot), 403, "FORBIDDEN")
    assert_failure(bot.get(f"/api/chat/session/{with_bot}"), 403, "FORBIDDEN")


def test_the_place_in_the_queue_goes_by_the_age(operator: Api, bot: Api, bot_id: str, with_bot: str) -> None:
    answers_first(operator, None)
    later = operator.start("u2")["sessionId"]
    hand_off(bot, with_bot)
    assert operator.session(with_bot)["queuePosition"] == 1
    assert operator.session(later)["queuePosition"] == 2
    answers_first(operator, bot_id)
    youngest = operator.start("u3")["sessionId"]
    hand_off(bot, youngest)
    assert operator.session(youngest)["queuePosition"] == 3


def test_a_bot_never_gets_back_what_it_handed_over(operator: Api, bot: Api, bot_id: str, with_bot: str) -> None:
    hand_off(bot, with_bot)
    body = assert_failure(operator.post(f"/api/chat/transfer/{with_bot}", {"agentId": bot_id}), 400, "INVALID_AGENT")
    assert body["details"][0]["field"] == "agentId"
    assert operator.session(with_bot)["status"] == "waiting"


def test_a_repeated_hand_over_says_nothing_twice(operator: Api, user: Api, bot: Api, with_bot: str) -> None:
    assert "tags" in hand_off(bot, with_bot, message="One moment.", tags=["refund"])
    again = hand_off(bot, with_bot, message="One moment.", tags=["refund"])
    assert again["status"] == "waiting"
    assert "tags" not in again, "A bot that is out sees no more than the user."
    for caller in (user, user, operator, operator):
        assert hand_off(caller, with_bot)["status"] == "waiting"
    assert texts(operator, with_bot) == ["One moment."]
    operator.create_agent("Ada")
    for caller in (bot, user):
        assert_failure(caller.post(f"/api/chat/handoff/{with_bot}", {}), 409, "WITH_A_PERSON")
    operator.end(with_bot)
    assert_failure(user.post(f"/api/chat/handoff/{with_bot}", {}), 409, "SESSION_ENDED")


def test_only_the_bot_its_user_and_operators_hand_over(
    apis: Apis, operator: Api, user: Api, bot: Api, with_bot: str
) -> None:
    ada = operator.create_agent("Ada", role="supervisor")["id"]
    for stranger in (apis.user("u2"), apis.agent(ada)):
        assert_failure(stranger.post(f"/api/chat/handoff/{with_bot}", {}), 403, "FORBIDDEN")
    for body in ({"summary": "x"}, {"tags": ["x"]}):
        assert_failure(user.post(f"/api/chat/handoff/{with_bot}", body), 403, "FORBIDDEN")
    assert_failure(bot.post(f"/api/chat/handoff/{with_bot}", {"summary": "x" * 2001}), 400, "INVALID_NOTE")
    assert_failure(bot.post(f"/api/chat/handoff/{with_bot}", {"tags": ["x"] * 11}), 400, "INVALID_TAGS")
    assert_failure(bot.post(f"/api/chat/handoff/{with_bot}", {"departmentId": "x"}), 404, "DEPARTMENT_NOT_FOUND")
    assert operator.session(with_bot)["status"] == "active"
    assert hand_off(operator, with_bot)["status"] == "active"


@pytest.mark.parametrize("way", ["the user", "an operator", "the time"])
def test_a_bot_that_comes_too_late_is_told_so(operator: Api, user: Api, bot: Api, with_bot: str, way: str) -> None:
    if way == "the time":
        ask(with_bot, "u1")
        assert late(with_bot)
    else:
        hand_off(user if way == "the user" else operator, with_bot)
    for body in ({}, {"message": "Too late.", "summary": "Order 17 is broken.", "tags": ["refund"]}):
        assert_failure(bot.post(f"/api/chat/handoff/{with_bot}", body), 409, "WITH_A_PERSON")
    if way == "the user":
        assert_failure(operator.post(f"/api/chat/handoff/{with_bot}", {"summary": "x"}), 409, "WITH_A_PERSON")
    assert texts(operator, with_bot)[-1] == QUEUED
    assert data_of(operator.get(f"/api/chat/notes/{with_bot}"))["notes"] == []
    assert operator.session(with_bot)["tags"] == []


def test_a_bot_whose_session_a_person_has_had_is_told_so(operator: Api, bot: Api, with_bot: str) -> None:
    ada = operator.create_agent("Ada")["id"]
    hand_off(bot, with_bot)
    operator.delete(f"/api/agents/{ada}")
    assert operator.session(with_bot)["status"] == "waiting"
    assert_failure(bot.post(f"/api/chat/handoff/{with_bot}", {}), 409, "WITH_A_PERSON")


def test_a_user_who_waits_already_loses_no_message(operator: Api, user: Api, bot: Api, with_bot: str) -> None:
    hand_off(bot, with_bot, message="One moment.")
    for _ in range(2):
        assert hand_off(user, with_bot, message="A person, please.")["status"] == "waiting"
    assert texts(operator, with_bot) == ["One moment.", "A person, please."]
    operator.end(with_bot)
    answers_first(operator, None)
    without = user.start("u1")["sessionId"]
    assert hand_off(user, without, message="A person, please.")["status"] == "waiting"
    assert texts(operator, without) == ["A person, please."]


def test_a_bot_hears_and_writes_no_notes(operator: Api, sockets: Sockets, bot: Api, bot_id: str, with_bot: str) -> None:
    socket = sockets.agent(bot_id)
    socket.join(with_bot)
    data_of(operator.post(f"/api/chat/notes/{with_bot}", {"text": "secret"}))
    operator.send(with_bot, "hello", senderId="u1", senderType="user")
    assert socket.wait_for("new_message")
    assert socket.heard("note_added") == []
    assert_failure(bot.get(f"/api/chat/notes/{with_bot}"), 403, "FORBIDDEN")
    assert_failure(bot.post(f"/api/chat/notes/{with_bot}", {"text": "x"}), 403, "FORBIDDEN")


def test_a_person_who_takes_over_fences_the_bot_too(apis: Apis, operator: Api, bot: Api, with_bot: str) -> None:
    ada = operator.create_agent("Ada", role="supervisor")["id"]
    session = data_of(apis.agent(ada).post(f"/api/chat/transfer/{with_bot}", {"agentId": ada}))
    assert (session["agentId"], session["assignment"]["reason"]) == (ada, "take_over")
    assert_failure(bot.send(with_bot), 403, "FORBIDDEN")
    assert texts(operator, with_bot) == [CONNECTED]


def test_nobody_speaks_for_a_bot_that_has_handed_over(operator: Api, bot_id: str, with_bot: str) -> None:
    as_bot = {"senderId": bot_id, "senderType": "agent"}
    data_of(operator.send(with_bot, "hello", **as_bot))
    hand_off(operator, with_bot)
    assert_failure(operator.send(with_bot, "hello again", **as_bot), 403, "FORBIDDEN")
    assert texts(operator, with_bot) == ["hello", QUEUED]


# Races


def draft(session_id: str, bot_id: str, client_message_id: str | None = None) -> Draft:
    return Draft(ObjectId(session_id), Caller(bot_id, "agent"), bot_id, "agent", "too late", client_message_id)


@pytest.mark.parametrize("knows_the_last_seq", [True, False])
@pytest.mark.parametrize("moment", ["before the write", "before the numbers", "before the right", "after a collision"])
def test_a_message_of_another_process_comes_before_the_hand_over_or_never(
    operator: Api,
    bot: Api,
    bot_id: str,
    with_bot: str,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    knows_the_last_seq: bool,
) -> None:
    log = MessageLog(on_stored=lambda stored: None)
    if knows_the_last_seq:
        log.append(draft(with_bot, bot_id))
    stored = texts(operator, with_bot)

    def over() -> None:
        hand_off(bot, with_bot)

    def collide_first() -> None:
        # The visitor's message takes the seq. The bot's is admitted again, and then the hand-over happens.
        operator.send(with_bot, "wait", senderId="u1", senderType="user")
        stored.append("wait")
        just_after(monkeypatch, log._admission, "admit", over)

    when: dict[str, Callable[[], object]] = {
        "before the write": lambda: just_before(monkeypatch, Message.collection().__class__, "insert_one", over),
        "before the numbers": lambda: just_before(monkeypatch, log, "_number", over),
        "before the right": lambda: just_before(monkeypatch, log._admission, "admit", over),
        "after a collision": lambda: just_before(monkeypatch, log, "_insert", collide_first),
    }
    when[moment]()
    with pytest.raises(ForbiddenError):
        log.append(draft(with_bot, bot_id))
    assert texts(operator, with_bot) == [*stored, QUEUED]


def test_a_message_behind_a_repeated_one_is_not_stored_after_the_hand_over(
    operator: Api, bot: Api, bot_id: str, with_bot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MessageLog(on_stored=lambda stored: None)
    log.append(draft(with_bot, bot_id, "first"))
    repeated, behind = draft(with_bot, bot_id, "first"), draft(with_bot, bot_id)
    just_before(monkeypatch, Message.collection().__class__, "insert_many", lambda: hand_off(bot, with_bot))
    log._write([repeated, behind])
    assert (repeated.message["seq"], repeated.created) == (1, False)
    assert isinstance(behind.error, ForbiddenError)
    assert texts(operator, with_bot) == ["too late", QUEUED]


@pytest.mark.parametrize("way", ["the bot", "the user", "a take-over", "the time"])
def test_racing_writers_store_nothing_after_the_answer(apis: Apis, operator: Api, bot_id: str, way: str) -> None:
    ada = operator.create_agent("Ada", role="supervisor", maxUsers=50)["id"]
    operator.patch(f"/api/agents/{ada}", {"isOnline": way == "a take-over"})
    for number in range(6):
        user_id = f"race-{number}"
        session_id = operator.start(user_id)["sessionId"]
        logs = [MessageLog(on_stored=lambda stored: None) for _ in range(2)]

        def write(log: MessageLog, session_id: str = session_id) -> None:
            for _ in range(30):
                try:
                    log.append(draft(session_id, bot_id))
                except ForbiddenError:
                    return

        def end_it(session_id: str = session_id, user_id: str = user_id) -> int:
            if way == "the bot":
                hand_off(apis.agent(bot_id), session_id)
            elif way == "the user":
                hand_off(apis.user(user_id), session_id)
            elif way == "a take-over":
                data_of(apis.agent(ada).post(f"/api/chat/transfer/{session_id}", {"agentId": ada}))
            else:
                ask(session_id, user_id)
                # Whichever comes first: the writers answer, or the time is up.
                while not late(session_id):
                    ask(session_id, user_id)
            return Message.collection().count_documents({"sessionId": ObjectId(session_id)})

        *_, count = run_together(*[lambda log=log: write(log) for log in logs], end_it)
        messages = list(Message.collection().find({"sessionId": ObjectId(session_id)}, sort=[("seq", 1)]))
        assert len(messages) == count
        assert [message["seq"] for message in messages] == list(range(1, count + 1))
        assert [message["senderType"] for message in messages].count("system") == 1
        assert messages[-1]["senderType"] == "system"
        operator.end(session_id)


def ask(session_id: str, user_id: str) -> None:
    log = MessageLog(on_stored=lambda stored: None)
    log.append(Draft(ObjectId(session_id), Caller(user_id, "user"), user_id, "user", "?", None))


def late(session_id: str) -> bool:
    """Let the time of the bot be up for the session, and tell whether it was taken from the bot."""
    session = Session.collection().find_one({"_id": ObjectId(session_id)})
    return handoffs._check(session, timedelta(0))


def test_a_kill_after_the_session_left_its_bot_is_made_up_for(
    operator: Api, bot: Api, with_bot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die() -> None:
        raise Killed

    just_before(monkeypatch, MessageLog, "append", die)
    with pytest.raises(Killed):
        hand_off(bot, with_bot, message="One moment.", summary="It is broken.")
    assert texts(operator, with_bot) == []
    outbox.reset()

    assert hand_off(bot, with_bot)["status"] == "waiting"
    assert texts(operator, with_bot) == ["One moment."]
    assert [note["text"] for note in data_of(operator.get(f"/api/chat/notes/{with_bot}"))["notes"]] == ["It is broken."]


def test_the_last_line_of_a_guest_is_stored_once_although_the_guest_becomes_a_user(
    apis: Apis, operator: Api, bot_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = data_of(apis.anonymous().post("/api/auth/token", {"guest": True}))
    visitor = apis.bearer(guest["token"])
    session_id = data_of(visitor.post("/api/chat/start-session", {"userId": guest["userId"]}))["sessionId"]

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as killed:
        killed.setattr(events, "happened", die)
        with pytest.raises(Killed):
            hand_off(visitor, session_id, message="A person, please.")
    outbox.reset()
    data_of(apis.user("u1").post("/api/auth/identify", {"guestToken": guest["token"]}))
    (message,) = data_of(operator.get(f"/api/chat/messages/{session_id}"))["messages"]
    assert (message["message"], message["senderId"]) == ("A person, please.", "u1")


def test_a_summary_does_not_survive_an_erasure(
    operator: Api, bot: Api, with_bot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die() -> None:
        raise Killed

    just_before(monkeypatch, MessageLog, "append", die)
    with pytest.raises(Killed):
        hand_off(bot, with_bot, message="Bye, Jane.", summary="Jane is ill.", tags=["ill"])
    outbox.reset()
    read_before = Session.collection().find_one({})
    data_of(operator.delete("/api/users/u1"))
    stored = Session.collection().find_one({})
    assert "Jane" not in str(stored)
    for session in (stored, read_before):
        outbox.reset()
        outbox.tell_untold(session)
        assert connection.database().notes.find_one({}) is None
        assert "tags" not in Session.collection().find_one({})["features"]


def test_a_summary_told_of_an_erased_session_is_not_stored(operator: Api, with_bot: str) -> None:
    data_of(operator.delete("/api/users/u1"))
    session = Session.collection().find_one({})
    handed_over = HandedOver(
        session=session, id=ObjectId(), at=now(), bot_id=session["botId"], summary="Jane is ill.", tags=["ill"]
    )
    assert events.happened(handed_over)
    assert connection.database().notes.find_one({}) is None
    assert "tags" not in Session.collection().find_one({})["features"]


def test_tags_of_staff_stay_and_those_of_the_bot_come_once(
    operator: Api, bot: Api, with_bot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[HandedOver] = []
    happened = events.happened

    def tag_first(event: Any) -> bool:
        if isinstance(event, HandedOver) and not told:
            told.append(event)
            operator.put(f"/api/chat/tags/{with_bot}", {"tags": ["VIP"]})
        return happened(event)

    monkeypatch.setattr(events, "happened", tag_first)
    hand_off(bot, with_bot, tags=["refund", "vip"])
    assert operator.session(with_bot)["tags"] == ["VIP", "refund"]
    operator.put(f"/api/chat/tags/{with_bot}", {"tags": ["VIP"]})
    assert events.happened(told[0])
    assert operator.session(with_bot)["tags"] == ["VIP"]


@pytest.mark.parametrize(
    ("path", "body"), [("tags", {"tags": ["late"]}), ("session", {"fields": {"late": "yes"}})], ids=["tags", "context"]
)
def test_a_bot_changes_nothing_after_the_hand_over(
    operator: Api, user: Api, bot: Api, with_bot: str, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any]
) -> None:
    just_before(monkeypatch, recording, "marks", lambda: hand_off(user, with_bot))
    change = bot.put if path == "tags" else bot.patch
    assert_failure(change(f"/api/chat/{path}/{with_bot}", body), 403, "FORBIDDEN")
    session = operator.session(with_bot)
    assert (session["tags"], session["context"]["fields"]) == ([], {})


# Time


def test_an_old_look_takes_no_session_from_its_bot(
    operator: Api, bot_id: str, user: Api, with_bot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_of(user.send(with_bot, "Hello?"))
    monkeypatch.setattr(handoffs, "LOOK_IS_GOOD_FOR", timedelta(seconds=-1))
    assert not late(with_bot)
    assert operator.session(with_bot)["agentId"] == bot_id


def test_a_bot_that_does_not_answer_loses_the_session(operator: Api, bot: Api, user: Api, with_bot: str) -> None:
    data_of(user.send(with_bot, "Hello?"))
    data_of(operator.send(with_bot, "We got your message."))
    data_of(user.send(with_bot, "Hello??"))
    assert handoffs.sweep(now() + timedelta(seconds=21)) == 0, "It looks at the clock again."
    asked = {"sessionId": ObjectId(with_bot), "seq": 1}
    Message.collection().update_one(asked, {"$set": {"timestamp": now() - timedelta(seconds=20)}})
    assert handoffs.sweep(now() + timedelta(seconds=21)) == 1
    assert texts(operator, with_bot) == ["Hello?", "We got your message.", "Hello??", QUEUED]
    assert operator.session(with_bot)["status"] == "waiting"
    assert_failure(bot.send(with_bot), 403, "FORBIDDEN")
    assert handoffs.sweep(now() + timedelta(hours=1)) == 0


def test_a_bot_that_answers_keeps_the_session(operator: Api, bot: Api, bot_id: str, user: Api, with_bot: str) -> None:
    data_of(user.send(with_bot, "Hello?"))
    data_of(bot.send(with_bot, "How can I help?"))
    Message.collection().update_many({}, {"$set": {"timestamp": now() - timedelta(seconds=100)}})
    assert handoffs.sweep(now() + timedelta(hours=1)) == 0
    assert operator.session(with_bot)["agentId"] == bot_id
    operator.end(with_bot)
    assert "botDueAt" not in Session.collection().find_one({"_id": ObjectId(with_bot)})


def test_people_are_measured_from_the_hand_over(apis: Apis, operator: Api, bot: Api, user: Api, with_bot: str) -> None:
    data_of(user.send(with_bot, "Hello?"))
    data_of(bot.send(with_bot, "How can I help?"))
    Session.collection().update_one(
        {"_id": ObjectId(with_bot)}, {"$set": {"createdAt": now() - timedelta(seconds=500)}}
    )
    hand_off(bot, with_bot)
    ada = operator.create_agent("Ada")["id"]
    data_of(apis.agent(ada).send(with_bot, "I am here."))
    ended = data_of(operator.end(with_bot))
    assert ended["statistics"]["averageResponseTime"] is None
    assert ended["statistics"]["totalMessages"] == 4
    outbox.flush()
    stored = Session.collection().find_one({"_id": ObjectId(with_bot)})
    assert stored["firstResponseMs"] < 100_000
    assert data_of(operator.get("/api/chat/stats"))["performance"]["averageWaitTime"] < 100


def test_a_bots_answers_are_not_those_of_people(operator: Api, bot: Api, user: Api, with_bot: str) -> None:
    data_of(user.send(with_bot, "Hello?"))
    data_of(bot.send(with_bot, "How can I help?"))
    assert data_of(operator.end(with_bot))["statistics"]["averageResponseTime"] is None
    outbox.flush()
    assert Session.collection().find_one({"_id": ObjectId(with_bot)})["firstResponseMs"] is None
