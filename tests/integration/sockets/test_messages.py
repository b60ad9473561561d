"""Send, read and end by socket, with the same results as over REST."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api import Api, Apis, data_of
from tests.concurrency import run_together
from tests.sockets import Socket, Sockets, assert_refused, succeeded


def history(api: Api, session_id: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = data_of(api.get(f"/api/chat/messages/{session_id}"))["messages"]
    return messages


def test_a_message_reaches_everybody_in_the_session_including_the_sender(
    user_socket: Socket, agent_socket: Socket, operator: Api, session_id: str
) -> None:
    data = succeeded(user_socket.say(session_id, " hello ", clientMessageId="c1"))

    assert set(data) == {"message"}
    message = data["message"]
    assert (message["seq"], message["message"], message["clientMessageId"]) == (1, "hello", "c1")
    assert (message["senderId"], message["senderType"]) == ("u1", "user")
    assert user_socket.heard("new_message") == agent_socket.heard("new_message") == [message]
    assert history(operator, session_id) == [message]


def test_every_tab_gets_a_message_once(sockets: Sockets, user_socket: Socket, session_id: str) -> None:
    tab = sockets.user("u1")
    tab.join(session_id)
    tab.join(session_id)

    user_socket.say(session_id)

    assert len(user_socket.heard("new_message")) == len(tab.heard("new_message")) == 1


def test_a_message_over_rest_reaches_sockets(
    apis: Apis, user_socket: Socket, agent_socket: Socket, session_id: str
) -> None:
    message = data_of(apis.user("u1").send(session_id, "over REST"))["message"]

    assert user_socket.heard("new_message") == agent_socket.heard("new_message") == [message]


def test_rest_and_sockets_count_one_seq(
    apis: Apis, operator: Api, user_socket: Socket, agent_socket: Socket, session_id: str
) -> None:
    for number in range(3):
        user_socket.say(session_id, f"socket {number}")
        apis.user("u1").send(session_id, f"REST {number}")

    assert [message["seq"] for message in agent_socket.heard("new_message")] == [1, 2, 3, 4, 5, 6]
    assert agent_socket.heard("new_message") == history(operator, session_id)


def test_sockets_get_messages_in_the_order_of_their_seq(apis: Apis, agent_socket: Socket, session_id: str) -> None:
    operator = apis.operator()

    run_together(*[lambda: [operator.send(session_id) for _ in range(4)]] * 8)

    assert [message["seq"] for message in agent_socket.heard("new_message")] == list(range(1, 33))


def test_a_socket_may_send_without_joining(sockets: Sockets, agent_socket: Socket, session_id: str) -> None:
    outside = sockets.user("u1")

    message = succeeded(outside.say(session_id))["message"]

    assert agent_socket.heard("new_message") == [message]
    assert outside.heard("new_message") == []


def test_a_repeat_is_acknowledged_with_the_first_message_and_not_broadcast(
    apis: Apis, user_socket: Socket, agent_socket: Socket, session_id: str
) -> None:
    first = succeeded(user_socket.say(session_id, "first", clientMessageId="c1"))
    agent_socket.forget()

    assert succeeded(user_socket.say(session_id, "second", clientMessageId="c1")) == first
    assert apis.user("u1").send(session_id, clientMessageId="c1").status_code == 200
    assert agent_socket.heard("new_message") == []


def test_messages_are_checked_as_in_rest(user_socket: Socket, agent_socket: Socket, session_id: str) -> None:
    for fields, code in (
        ({"message": ""}, "INVALID_MESSAGE"),
        ({"message": "x" * 1001}, "MESSAGE_TOO_LONG"),
        ({"message": {"$gt": ""}}, "INVALID_MESSAGE"),
        ({"message": "x", "clientMessageId": 7}, "INVALID_CLIENT_MESSAGE_ID"),
        ({"message": "x", "senderId": 7}, "INVALID_SENDER_ID"),
        ({"message": "x", "senderType": "boss"}, "INVALID_SENDER_TYPE"),
        ({"message": "x", "senderId": "u2"}, "FORBIDDEN"),
        ({"message": "x", "senderType": "agent"}, "FORBIDDEN"),
        ({"message": "x", "userId": "u2"}, "FORBIDDEN"),
    ):
        assert_refused(user_socket.call("send_message", {"sessionId": session_id, **fields}), code)
    assert agent_socket.heard("new_message") == []
    succeeded(user_socket.say(session_id, "😀" * 1000))


def test_an_operators_socket_may_speak_for_others(sockets: Sockets, session_id: str) -> None:
    message = succeeded(sockets.operator().say(session_id, senderId="u1", senderType="user"))["message"]

    assert (message["senderId"], message["senderType"]) == ("u1", "user")


def test_the_others_are_told_how_far_somebody_has_read(
    sockets: Sockets, user_socket: Socket, agent_socket: Socket, session_id: str
) -> None:
    tab = sockets.user("u1")
    tab.join(session_id)
    for _ in range(3):
        agent_socket.say(session_id)

    assert succeeded(user_socket.call("mark_read", {"sessionId": session_id, "seq": 3})) == {
        "sessionId": session_id,
        "seq": 3,
    }

    assert agent_socket.heard("messages_read") == [{"sessionId": session_id, "userId": "u1", "seq": 3}]
    assert user_socket.heard("messages_read") == tab.heard("messages_read") == []


def test_an_invalid_seq_is_refused(user_socket: Socket, session_id: str, subtests: pytest.Subtests) -> None:
    for seq in [None, 0, -1, 1.5, "1", True, [], {}, {"$gt": 0}, 2**53]:
        with subtests.test(seq=seq):
            assert_refused(user_socket.call("mark_read", {"sessionId": session_id, "seq": seq}), "INVALID_CURSOR")


def test_an_end_by_socket_is_announced_to_everybody(
    user_socket: Socket, agent_socket: Socket, operator: Api, session_id: str
) -> None:
    ended = succeeded(user_socket.call("end_session", {"sessionId": session_id, "reason": " solved "}))

    event = {"sessionId": session_id, "reason": "solved", "endedAt": ended["endedAt"], "endedBy": "u1"}
    assert user_socket.heard("session_ended") == agent_socket.heard("session_ended") == [event]
    assert ended == data_of(operator.end(session_id))
    assert set(ended) == {"sessionId", "endedAt", "reason", "statistics"}


def test_an_end_over_rest_is_announced_to_sockets_once(apis: Apis, user_socket: Socket, session_id: str) -> None:
    apis.operator().end(session_id)
    apis.operator().end(session_id)
    user_socket.call("end_session", {"sessionId": session_id})

    (ended,) = user_socket.heard("session_ended")
    assert (ended["reason"], ended["endedBy"]) == ("User ended session", "system")


def test_an_ended_session_accepts_nothing_over_sockets(
    user_socket: Socket, agent_socket: Socket, session_id: str
) -> None:
    kept = succeeded(user_socket.say(session_id, clientMessageId="c1"))
    user_socket.call("end_session", {"sessionId": session_id})
    agent_socket.forget()

    assert_refused(user_socket.say(session_id), "SESSION_ENDED")
    assert succeeded(user_socket.say(session_id, clientMessageId="c1")) == kept
    assert agent_socket.heard("new_message") == []


def test_an_invalid_reason_ends_nothing(
    user_socket: Socket, operator: Api, session_id: str, subtests: pytest.Subtests
) -> None:
    for reason in ["x" * 201, 7, [], {"$ne": ""}, "a\x00"]:
        with subtests.test(reason=reason):
            assert_refused(
                user_socket.call("end_session", {"sessionId": session_id, "reason": reason}), "INVALID_REASON"
            )
            assert operator.session(session_id)["status"] == "active"
