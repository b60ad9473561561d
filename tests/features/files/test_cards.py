"""A card shows a picture that was sent in its session before, and no other file."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api import Api, assert_failure, data_of
from tests.features.files.samples import picture
from tests.features.files.sending import read, sent


def card(operator: Api, session_id: str, file_id: str) -> Any:
    """Send a card with a picture, and return the response."""
    return operator.send(session_id, "Your parcel", content={"type": "card", "title": "Parcel", "fileId": file_id})


def test_a_card_shows_a_picture_of_its_session(operator: Api, user: Api, session_id: str) -> None:
    file = sent(user, session_id, picture(), "parcel.png", alt="A parcel")["attachment"]
    message = data_of(card(operator, session_id, file["id"].upper()))["message"]
    assert message["content"]["fileId"] == file["id"]
    assert message["picture"] == file
    assert "attachment" not in message
    assert data_of(user.get(f"/api/chat/messages/{session_id}"))["messages"][1] == message
    assert read(user, message["picture"]["url"]).status_code == 200

    transcript = user.get(f"/api/chat/transcript/{session_id}", format="json").json
    assert "url" not in transcript["messages"][1]["picture"]


def test_what_is_no_picture_of_the_session_is_refused(operator: Api, user: Api, session_id: str) -> None:
    text = sent(user, session_id, b"hello", "a.txt")["id"]
    image = sent(user, session_id, picture())["id"]
    of_card = data_of(card(operator, session_id, image))["message"]["id"]
    other = operator.start("u2")["sessionId"]
    for where, file_id in ((session_id, text), (session_id, of_card), (other, image)):
        body = assert_failure(card(operator, where, file_id), 400, "INVALID_CONTENT")
        assert body["details"][0]["field"] == "content.fileId"


@pytest.mark.features("privacy")
def test_the_picture_of_a_card_goes_with_its_sender(operator: Api, user: Api, session_id: str) -> None:
    image = sent(user, session_id, picture())["id"]
    url = data_of(card(operator, session_id, image))["message"]["picture"]["url"]
    assert operator.delete("/api/users?userId=u1").status_code == 200
    assert read(user, url).status_code == 404
