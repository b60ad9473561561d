"""Messages with choices and cards: stored, shown in history and to the room, refused where they are wrong."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api import Api, Apis, assert_failure, data_of
from tests.sockets import Socket

CHOICES = {"type": "quick_replies", "options": [{"title": "Yes", "value": "yes"}, {"title": "No", "value": "no"}]}
CARD = {
    "type": "card",
    "title": "Your parcel",
    "text": "It comes today.",
    "buttons": [{"title": "Follow it", "url": "https://example.com/parcel?id=1"}],
}


@pytest.mark.parametrize("content", [CHOICES, CARD, {"type": "card", "title": "x"}])
def test_content_is_stored_and_shown(
    apis: Apis, operator: Api, ada: str, session_id: str, user_socket: Socket, content: dict[str, Any]
) -> None:
    sent = data_of(apis.agent(ada).send(session_id, "Did it come?", content={**content, "more": 1}))["message"]
    assert (sent["message"], sent["content"]) == ("Did it come?", content)
    assert data_of(operator.get(f"/api/chat/messages/{session_id}"))["messages"] == [sent]
    assert user_socket.wait_for("new_message") == [sent]

    user_socket.say(session_id, "Yes", replyTo=sent["seq"])
    answer = data_of(operator.get(f"/api/chat/messages/{session_id}"))["messages"][1]
    assert (answer["message"], answer["replyTo"]) == ("Yes", 1)
    assert "content" not in answer


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("text", "content"),
        ({}, "content.type"),
        ({"type": "video"}, "content.type"),
        ({"type": "quick_replies"}, "content"),
        ({"type": "quick_replies", "options": []}, "content"),
        ({"type": "quick_replies", "options": CHOICES["options"] * 6}, "content.options"),
        ({"type": "quick_replies", "options": [{"title": "x" * 41, "value": "x"}]}, "content.options.0.title"),
        ({"type": "quick_replies", "options": [{"title": "x", "value": "x" * 201}]}, "content.options.0.value"),
        ({"type": "quick_replies", "options": [{"title": {"$gt": ""}, "value": "x"}]}, "content.options.0.title"),
        ({"type": "card"}, "content"),
        ({"type": "card", "title": " "}, "content.title"),
        ({**CARD, "text": "x" * 501}, "content.text"),
        ({**CARD, "buttons": CARD["buttons"] * 4}, "content.buttons"),
        ({**CARD, "buttons": [{"title": "x", "url": "http://example.com"}]}, "content.buttons.0.url"),
        ({**CARD, "buttons": [{"title": "x", "url": "javascript:alert(1)"}]}, "content.buttons.0.url"),
        ({**CARD, "buttons": [{"title": "x", "url": "https://a@example.com"}]}, "content.buttons.0.url"),
        ({**CARD, "fileId": "x"}, "content.fileId"),
        ({**CARD, "fileId": "0" * 24}, "content.fileId"),
    ],
)
def test_wrong_content_is_refused(operator: Api, session_id: str, content: Any, field: str) -> None:
    body = assert_failure(operator.send(session_id, "x", content=content), 400, "INVALID_CONTENT")
    assert body["details"][0]["field"] == field


@pytest.mark.parametrize("reply_to", [0, -1, "1", 1.5, 2**53, True])
def test_a_wrong_reply_is_refused(operator: Api, session_id: str, reply_to: Any) -> None:
    assert_failure(operator.send(session_id, "x", replyTo=reply_to), 400, "INVALID_CONTENT")


def test_users_send_no_content(operator: Api, user: Api, session_id: str) -> None:
    assert_failure(user.send(session_id, "x", content=CHOICES), 403, "FORBIDDEN")
    assert_failure(operator.send(session_id, "x", content=CHOICES, senderId="u1", senderType="user"), 403, "FORBIDDEN")


@pytest.mark.features("privacy")
def test_an_erasure_removes_content(operator: Api, ada: str, session_id: str) -> None:
    data_of(operator.send(session_id, "x", content=CARD, senderId=ada, senderType="agent"))
    assert operator.delete("/api/users?userId=u1").status_code == 200
    (message,) = data_of(operator.get(f"/api/chat/messages/{session_id}"))["messages"]
    assert message["erased"] is True
    assert "content" not in message
