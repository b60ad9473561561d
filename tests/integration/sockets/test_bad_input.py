"""Any emitted payload gets an envelope, and the socket stays usable."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from chatsupport.services.messages import sending
from chatsupport.services.presence import typing
from tests.api import Api
from tests.concurrency import eventually
from tests.documents import client_events
from tests.sockets import Socket, Sockets, assert_refused, succeeded

EVENTS = client_events()

VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 2**63, 1e300, "", " ", "x", "\x00", "$ne", "6b02a346410e8790f1f544d", "x" * 10_000,
    [], ["x"], [[]], {}, {"$gt": ""}, {"$ne": None}, {"sessionId": {}},
]  # fmt: skip

# Binary parts come beside the JSON, and are refused.
NO_OBJECTS: list[Any] = ["x", 7, 1.5, True, False, [], [{}], [["x"]], b"", b"bytes", {"sessionId": b"x"}, {"": [b"x"]}]


@pytest.fixture
def user(sockets: Sockets) -> Socket:
    return sockets.user("u1")


def assert_answered(answer: Any, *sent: Any) -> None:
    """Check an envelope of success, or of a failure that is the client's."""
    assert isinstance(answer, dict), sent
    if answer["success"]:
        succeeded(answer)
    else:
        assert_refused(answer, answer["code"])
        assert answer["code"] not in ("INTERNAL_ERROR", "DATABASE_UNAVAILABLE"), sent
        assert "Traceback" not in str(answer), sent


def assert_usable(socket: Socket, session_id: str) -> None:
    assert socket.is_connected
    succeeded(socket.say(session_id, "still here"))


def test_any_session_id_gets_an_answer(user: Socket, session_id: str) -> None:
    rest = {"message": "hello", "seq": 1}
    for event, value in product(EVENTS, VALUES):
        answer = user.call(event, {"sessionId": value, **rest})
        expected = "SESSION_NOT_FOUND" if isinstance(value, str) else "INVALID_SESSION_ID"
        assert answer["code"] == expected, (event, value, answer)
    for event in EVENTS:
        assert_refused(user.call(event, rest), "INVALID_SESSION_ID")
        assert_refused(user.call(event, {"sessionId": "6b02a346410e8790f1f544d2", **rest}), "SESSION_NOT_FOUND")
    assert_usable(user, session_id)


@pytest.mark.parametrize("event", EVENTS)
def test_any_value_in_any_field_gets_an_answer(sockets: Sockets, user: Socket, session_id: str, event: str) -> None:
    # An ended session accepts nothing, so events that end one are not sent to an existing session.
    target = "6b02a346410e8790f1f544d2" if event == "end_session" else session_id
    operator = sockets.operator()
    for caller, fields in (
        (user, ("message", "clientMessageId", "seq", "after", "reason")),
        (operator, ("senderId", "senderType", "userId", "userType")),
    ):
        for field, value in product(fields, VALUES):
            payload = {"sessionId": target, "message": "hello", "seq": 1, field: value}
            assert_answered(caller.call(event, payload), field, value)
    assert_usable(user, session_id)


def test_a_payload_that_is_not_an_object_is_refused(user: Socket, session_id: str) -> None:
    for event, payload in product(EVENTS, NO_OBJECTS):
        answer = user.call(event, payload)
        assert answer["code"] == "INVALID_JSON", (event, payload, answer)
    for event in EVENTS:
        assert_answered(user.call(event), event)
        assert_answered(user.call(event, None), event)
    assert_usable(user, session_id)


def test_arguments_beyond_the_payload_are_ignored(user: Socket, session_id: str) -> None:
    payload = {"sessionId": session_id, "message": "hello"}

    assert succeeded(user.call("send_message", payload, {"message": "other"}, 7, None))["message"]["seq"] == 1


def test_without_a_callback_a_failure_is_an_error_event(user: Socket) -> None:
    user.emit("join_session", {"sessionId": "x"})

    (error,) = user.heard("error")
    assert_refused(error, "SESSION_NOT_FOUND")
    assert error["event"] == "join_session"


def test_with_a_callback_a_failure_is_no_error_event(user: Socket) -> None:
    assert_refused(user.call("join_session", {"sessionId": "x"}), "SESSION_NOT_FOUND")

    assert user.heard("error") == []


def test_without_a_callback_a_success_is_not_acknowledged(user: Socket, session_id: str) -> None:
    assert user.emit("join_session", {"sessionId": session_id}) is None
    assert user.emit("send_message", {"sessionId": session_id, "message": "hello"}) is None

    assert [message["seq"] for message in user.heard("new_message")] == [1]
    assert user.heard("error") == []


def test_an_error_event_goes_to_nobody_else(sockets: Sockets, user: Socket, session_id: str) -> None:
    tab = sockets.user("u1")
    for socket in (user, tab):
        socket.join(session_id)

    user.emit("send_message", {"sessionId": session_id})

    assert len(user.heard("error")) == 1
    assert tab.heard("error") == []


def test_an_unknown_event_gets_the_names_of_the_known_ones(
    user: Socket, session_id: str, subtests: pytest.Subtests
) -> None:
    for event in (
        "nope",
        "",
        "JOIN_SESSION",
        "__proto__",
        "message",
        "error",
        "connect",
        "disconnect",
        "*",
        "x" * 5_000,
    ):
        with subtests.test(event=event[:30]):
            assert set(EVENTS) <= set(assert_refused(user.call(event, {}), "NOT_FOUND")["details"])
            user.forget()
            user.emit(event, {"sessionId": session_id})
            (error,) = user.heard("error")
            assert_refused(error, "NOT_FOUND")
            assert error["event"] == event[:64]
    assert_usable(user, session_id)


def test_packets_without_an_event_do_no_harm(user: Socket, session_id: str, subtests: pytest.Subtests) -> None:
    deep = "[" * 900 + "]" * 900
    for packet in (
        "2", "2[]", "2{}", '2"x"', "27", "2[null]", "2[7]", "2[true]", '2[["join_session"]]', '2[{"a":1}]', "2[1e999]",
        "20[]", "20{}", "20[null]", '2999999["join_session"]', '2["\\ud800"]', '2["\\ud800",{"sessionId":"\\udfff"}]',
        f'2["send_message",{{"sessionId":"{session_id}","message":"\\ud800"}}]', f'2["join_session",{deep}]',
        f'2["join_session",{{"sessionId":{deep}}}]', "3", "30[]", "37[1]", '2["join_session",null,null]',
    ):  # fmt: skip
        with subtests.test(packet=packet[:40]):
            user.raw(packet)
            assert_usable(user, session_id)


def test_half_a_surrogate_pair_is_refused_with_the_name_of_its_field(user: Socket, session_id: str) -> None:
    user.raw(f'2["send_message",{{"sessionId":"{session_id}","message":"a\\ud800"}}]')
    user.raw('2["join_session",{"sessionId":"\\ud800"}]')

    assert [error["code"] for error in user.heard("error")] == ["INVALID_MESSAGE", "SESSION_NOT_FOUND"]


def test_somebody_elses_session_is_forbidden(sockets: Sockets, operator: Api, session_id: str) -> None:
    other_agent = operator.create_agent("Zoe", isOnline=False)
    payload = {"sessionId": session_id, "message": "hello", "seq": 1}
    member, strangers = sockets.user("u1"), [sockets.user("u2"), sockets.agent(other_agent["id"])]
    member.join(session_id)
    member.forget()

    for event, stranger in product(EVENTS, strangers):
        assert_refused(stranger.call(event, payload), "FORBIDDEN")
    operator.send(session_id)

    assert [packet["name"] for packet in member.client.queue] == ["new_message"]
    assert all(stranger.heard("new_message") == [] for stranger in strangers)
    assert operator.session(session_id)["status"] == "active"


def test_an_internal_error_reveals_nothing(
    user: Socket, session_id: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(sending, "submit", lambda *_: {}["secret"])
        answer = assert_refused(user.say(session_id), "INTERNAL_ERROR")
        user.emit("send_message", {"sessionId": session_id, "message": "hello"})

    assert set(answer) == {"success", "code", "message", "requestId"}
    assert_refused(user.heard("error")[0], "INTERNAL_ERROR")
    assert "secret" not in str(answer) + str(user.heard("error"))
    assert caplog.text.count("KeyError: 'secret'") == 2
    assert_usable(user, session_id)


def test_an_error_after_a_message_is_stored_does_not_hold_back_the_acknowledgement(
    user: Socket, session_id: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(typing, "stop", lambda *_: {}["a defect"])
        stored = succeeded(user.say(session_id, "stored"))["message"]

    assert stored["message"] == "stored"
    assert eventually(lambda: "KeyError: 'a defect'" in caplog.text)
    assert_usable(user, session_id)


def test_a_strangers_wrong_event_is_refused_as_a_right_one_is(sockets: Sockets, operator: Api) -> None:
    other = operator.start("somebody else")["sessionId"]
    wrong = {"sessionId": other, "message": "", "seq": "x", "reason": 5, "after": "x", "visitor": 5}
    for event in EVENTS:
        assert_refused(sockets.user("u9").call(event, wrong), "FORBIDDEN")
