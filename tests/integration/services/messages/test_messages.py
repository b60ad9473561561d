"""Send messages over REST: the stored message, its sender, and repeats."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chatsupport.database.clock import now
from chatsupport.documents import Message
from tests.api import Api, Apis, assert_failure, data_of, make_token
from tests.concurrency import run_together


def test_sending_answers_the_whole_shape(user: Api, session_id: str) -> None:
    response = user.send(session_id, "  hello\n", clientMessageId="c1", anything="else")

    data = data_of(response)
    assert response.status_code == 201
    assert data.pop("messageId") == data["message"]["id"]
    assert len(data["message"].pop("id")) == 24
    assert data["message"].pop("timestamp").endswith("Z")
    assert data == {
        "sessionId": session_id,
        "sessionStatus": "active",
        "message": {
            "sessionId": session_id,
            "seq": 1,
            "senderId": "u1",
            "senderType": "user",
            "message": "hello",
            "clientMessageId": "c1",
        },
    }


def test_a_message_without_a_client_message_id_has_none(user: Api, session_id: str) -> None:
    assert "clientMessageId" not in data_of(user.send(session_id))["message"]


def test_messages_are_numbered_1_2_3_in_each_session(operator: Api, session_id: str) -> None:
    other_id = operator.start("u2")["sessionId"]

    seqs = [data_of(operator.send(session_id))["message"]["seq"] for _ in range(3)]
    other_seqs = [data_of(operator.send(other_id))["message"]["seq"] for _ in range(2)]

    assert (seqs, other_seqs) == ([1, 2, 3], [1, 2])
    assert data_of(operator.send(session_id))["message"]["seq"] == 4


def test_a_refused_message_takes_no_number(user: Api, session_id: str) -> None:
    user.send(session_id)
    assert_failure(user.send(session_id, ""), 400, "INVALID_MESSAGE")
    assert_failure(user.send(session_id, senderId="u2"), 403, "FORBIDDEN")

    assert data_of(user.send(session_id))["message"]["seq"] == 2


def test_a_waiting_visitor_may_already_write(apis: Apis, operator: Api) -> None:
    session_id = operator.start("u1")["sessionId"]

    assert data_of(apis.user("u1").send(session_id))["sessionStatus"] == "waiting"


def test_a_message_has_up_to_1000_code_points_after_trimming(
    user: Api, session_id: str, subtests: pytest.Subtests
) -> None:
    for text in [
        "x",
        "x" * 1000,
        "😀" * 1000,
        "e\u0301" * 500,
        " " + "x" * 1000 + "\n",
        "<b>&amp;</b>",
        "a\nb\tc",
        "$ne",
        "\u202eabc",
    ]:
        with subtests.test(text=str(text)[:20]):
            assert data_of(user.send(session_id, text))["message"]["message"] == text.strip()
            assert data_of(user.get(f"/api/chat/messages/{session_id}"))["messages"][-1]["message"] == text.strip()


def test_1001_code_points_are_too_long(user: Api, session_id: str, subtests: pytest.Subtests) -> None:
    for text in ["x" * 1001, "😀" * 1001, "e\u0301" * 500 + "x", "x" * 20_000]:
        with subtests.test(text=str(text)[:20]):
            assert_failure(user.send(session_id, text), 400, "MESSAGE_TOO_LONG")
            assert user.session(session_id)["messageCount"] == 0


def test_an_invalid_text_is_no_message(user: Api, session_id: str, subtests: pytest.Subtests) -> None:
    for text in ["", "  \n\t ", "a\x00b", None, 7, True, [], ["hi"], {}, {"$gt": ""}]:
        with subtests.test(text=str(text)[:20]):
            assert_failure(user.send(session_id, text), 400, "INVALID_MESSAGE")


def test_half_a_surrogate_pair_is_no_message(user: Api, session_id: str) -> None:
    path, body = f"/api/chat/send-message/{session_id}", r'{"message": "a\ud83d"}'

    response = user.client.post(path, data=body, content_type="application/json", headers=user.headers)

    assert_failure(response, 400, "INVALID_MESSAGE")


def test_a_repeated_client_message_id_stores_nothing_new(user: Api, session_id: str) -> None:
    first = data_of(user.send(session_id, "first", clientMessageId="c1"))
    user.send(session_id, "between")

    response = user.send(session_id, "second try", clientMessageId=" c1 ")

    assert response.status_code == 200
    assert data_of(response)["message"] == first["message"]
    assert data_of(response)["messageId"] == first["messageId"]
    assert user.session(session_id)["messageCount"] == 2


def test_the_same_client_message_id_of_another_sender_is_another_message(
    apis: Apis, operator: Api, user: Api, agent: dict[str, Any], session_id: str
) -> None:
    senders = (
        user,
        apis.agent(agent["id"]),
        operator,
        apis.anonymous(Authorization=f"Bearer {make_token('u1', 'system')}"),
    )

    responses = [sender.send(session_id, clientMessageId="c1") for sender in senders]

    assert [response.status_code for response in responses] == [201, 201, 201, 201]
    assert [data_of(response)["message"]["seq"] for response in responses] == [1, 2, 3, 4]


def test_the_same_client_message_id_in_another_session_is_another_message(operator: Api, session_id: str) -> None:
    other_id = operator.start("u2")["sessionId"]

    for target in (session_id, other_id):
        assert operator.send(target, clientMessageId="c1").status_code == 201


def test_repeats_sent_at_once_are_one_message(user: Api, session_id: str) -> None:
    responses = run_together(*[lambda: user.send(session_id, clientMessageId="c1")] * 12)

    assert sorted(response.status_code for response in responses) == [200] * 11 + [201]
    assert len({data_of(response)["messageId"] for response in responses}) == 1
    assert Message.objects.count() == 1


def test_a_repeat_after_the_end_returns_the_first(user: Api, session_id: str) -> None:
    first = data_of(user.send(session_id, clientMessageId="c1"))
    user.end(session_id)

    response = user.send(session_id, clientMessageId="c1")

    assert response.status_code == 200
    assert data_of(response)["messageId"] == first["messageId"]
    assert_failure(user.send(session_id, clientMessageId="c2"), 409, "SESSION_ENDED")
    assert_failure(user.send(session_id), 409, "SESSION_ENDED")


def test_an_idempotency_key_is_the_client_message_id_of_a_message_without_one(apis: Apis, session_id: str) -> None:
    operator = apis.operator()
    keyed = Api(operator.client, {**operator.headers, "Idempotency-Key": "k1"})

    first = data_of(keyed.send(session_id, "first"))
    again = keyed.send(session_id, "first", clientMessageId=None)
    own = data_of(keyed.send(session_id, "second", clientMessageId="c1"))

    assert first["message"]["clientMessageId"] == "k1"
    assert again.status_code == 200
    assert data_of(again)["message"] == first["message"]
    assert own["message"]["clientMessageId"] == "c1"
    too_long = Api(operator.client, {**operator.headers, "Idempotency-Key": "x" * 65})
    assert_failure(too_long.send(session_id), 400, "INVALID_CLIENT_MESSAGE_ID")


def test_a_client_message_id_has_up_to_64_characters(user: Api, session_id: str, subtests: pytest.Subtests) -> None:
    for client_message_id in ["x", "x" * 64, "3f2b8c1e-0000-4000-8000-000000000000", "ü😀"]:
        with subtests.test(client_message_id=client_message_id):
            sent = data_of(user.send(session_id, clientMessageId=client_message_id))

            assert sent["message"]["clientMessageId"] == client_message_id


def test_an_invalid_client_message_id_is_refused(user: Api, session_id: str, subtests: pytest.Subtests) -> None:
    for client_message_id in ["", "  ", "x" * 65, "a\x00", 7, False, [], {}, {"$gt": ""}]:
        with subtests.test(client_message_id=client_message_id):
            assert_failure(user.send(session_id, clientMessageId=client_message_id), 400, "INVALID_CLIENT_MESSAGE_ID")


def test_an_end_reports_the_mean_response_time(operator: Api, session_id: str) -> None:
    start = now()
    for seconds, sender_type in ((0, "user"), (2, "user"), (3, "system"), (4, "agent"), (5, "agent"), (9, "user")):
        sent = data_of(operator.send(session_id, senderType=sender_type))
        Message.objects(id=sent["messageId"]).update(timestamp=start + timedelta(seconds=seconds))

    statistics = data_of(operator.end(session_id))["statistics"]

    # The user's messages at 0 and 2 were answered at 4. The one at 9 was not, and the system's message is no answer.
    assert statistics["averageResponseTime"] == 3.0
    assert statistics["totalMessages"] == 6
    assert 0 <= statistics["duration"] < 60_000
    assert data_of(operator.end(session_id))["statistics"] == statistics
