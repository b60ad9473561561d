"""Transcripts: who gets them, in which form, and that nobody is fooled by what somebody wrote."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from chatsupport.contract import schemas
from chatsupport.documents import Message
from chatsupport.features.transcripts import service
from chatsupport.features.transcripts.models import Transcript
from chatsupport.services.people.guest_names import guest_name
from tests.api import Api, Apis, assert_failure, data_of

FORMATS = ("text", "html", "json")


def transcript(caller: Api, session_id: str, **query: Any) -> Any:
    response = caller.get(f"/api/chat/transcript/{session_id}", **query)
    assert response.status_code == 200, response.json
    return response


@pytest.fixture
def chat(user: Api, apis: Apis, operator: Api, ada: str, session_id: str) -> str:
    """The id of a session in which u1, Ada and a system have written."""
    user.send(session_id, "Where is\nmy parcel?")
    apis.agent(ada).send(session_id, "On its <b>way</b> & near")
    operator.send(session_id, "Delivered")
    Message.objects(session_id=session_id).update(timestamp=datetime(2026, 7, 1, 10, tzinfo=timezone.utc))
    return session_id


def test_a_transcript_as_text(user: Api, chat: str) -> None:
    response = transcript(user, chat)

    head, _, body = response.text.partition("\n\n")
    assert head.splitlines()[0] == f"Chat: {chat}"
    assert head.splitlines()[-1] == "Time zone: UTC"
    assert body == (
        "[2026-07-01 10:00:00+00:00] u1\n    Where is\n    my parcel?\n\n"
        "[2026-07-01 10:00:00+00:00] Ada\n    On its <b>way</b> & near\n\n"
        "[2026-07-01 10:00:00+00:00] System\n    Delivered\n\n"
    )
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Content-Disposition"] == f'attachment; filename="chat-{chat}.txt"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_html_is_escaped_and_runs_nothing(user: Api, chat: str) -> None:
    user.send(chat, "</dd><script>alert(1)</script>")
    response = transcript(user, chat, format="html")

    assert '<dd dir="auto">On its &lt;b&gt;way&lt;/b&gt; &amp; near</dd>' in response.text
    assert "<script" not in response.text
    assert response.headers["Content-Disposition"].endswith('.html"')
    assert response.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_a_transcript_as_json_matches_its_description(user: Api, operator: Api, chat: str) -> None:
    for caller in (user, operator):
        data = json.loads(transcript(caller, chat, format="json").text)
        described = {**schemas.of(Transcript), "components": {"schemas": schemas.components([Transcript])}}
        assert not list(Draft202012Validator(described).iter_errors(data))
    assert [message["senderName"] for message in data["messages"]] == ["u1", "Ada", "System"]
    assert [message["seq"] for message in data["messages"]] == [1, 2, 3]
    assert data["session"]["id"] == chat


@pytest.mark.features("context")
def test_times_are_in_the_visitors_zone_and_the_visitors_name_is_used(user: Api, chat: str) -> None:
    user.patch(f"/api/chat/session/{chat}", {"timezone": "Asia/Kolkata", "visitor": {"name": "Grace <b>"}})

    text = transcript(user, chat).text
    assert "Time zone: Asia/Kolkata" in text
    assert "[2026-07-01 15:30:00+05:30] Grace <b>" in text
    assert "Grace &lt;b&gt;" in transcript(user, chat, format="html").text


def test_a_guest_has_the_name_that_the_console_shows(apis: Apis, operator: Api, ada: str) -> None:
    guest = data_of(apis.anonymous().post("/api/auth/token", {"guest": True}))
    user = apis.bearer(guest["token"])
    session_id = user.start(guest["userId"])["sessionId"]
    user.send(session_id, "Hi")

    assert f"] {guest_name(guest['userId'])}\n" in transcript(user, session_id).text


def test_openapi_describes_the_json(operator: Api) -> None:
    document = json.loads(operator.get("/api/openapi.json").text)
    answer = document["paths"]["/api/chat/transcript/{session_id}"]["get"]["responses"]["200"]
    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Transcript"}
    assert "senderName" in document["components"]["schemas"]["TranscriptMessage"]["properties"]


@pytest.mark.features("notes")
def test_transcripts_have_no_notes(user: Api, operator: Api, chat: str) -> None:
    operator.post(f"/api/chat/notes/{chat}", {"text": "Secret"})

    for kind in FORMATS:
        for caller in (user, operator):
            assert "Secret" not in transcript(caller, chat, format=kind).text


def test_no_message_can_imitate_another(user: Api, chat: str) -> None:
    user.send(chat, "Hi\n[2026-07-01 10:00:00+00:00] Ada\r\nYou get\u2028\x1b[2Ka refund\x85!")

    lines = re.split("[\r\n\u2028\x85]", transcript(user, chat).text)
    assert sum(line.startswith("[") for line in lines) == 4
    for kind in ("text", "html"):
        assert "\x1b" not in transcript(user, chat, format=kind).text


def test_a_long_chat_is_read_in_parts(user: Api, chat: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PAGE", 2)
    for number in range(4):
        user.send(chat, f"More {number}")

    messages = json.loads(transcript(user, chat, format="json").text)["messages"]
    assert [message["seq"] for message in messages] == list(range(1, 8))


def test_a_chat_without_messages(user: Api, session_id: str) -> None:
    assert json.loads(transcript(user, session_id, format="json").text)["messages"] == []
    for kind in FORMATS:
        assert transcript(user, session_id, format=kind).text


def test_of_an_ended_one_with_a_deleted_agent(user: Api, operator: Api, ada: str, chat: str) -> None:
    user.end(chat)
    operator.delete(f"/api/agents/{ada}")

    text = transcript(user, chat).text
    assert "Ended: " in text
    assert "] Agent\n" in text


def test_who_may(apis: Apis, operator: Api, ada: str, ben: str, chat: str) -> None:
    for caller in (apis.agent(ada), operator):
        transcript(caller, chat)
    for stranger in (apis.user("u2"), apis.agent(ben)):
        assert_failure(stranger.get(f"/api/chat/transcript/{chat}"), 403, "FORBIDDEN")
    assert_failure(operator.get(f"/api/chat/transcript/{'0' * 24}"), 404, "SESSION_NOT_FOUND")
    assert_failure(apis.anonymous().get(f"/api/chat/transcript/{chat}"), 401, "AUTH_REQUIRED")


@pytest.mark.parametrize("kind", ["pdf", "", "TEXT", "../text", "\x00"])
def test_other_formats_are_refused(user: Api, chat: str, kind: str) -> None:
    assert_failure(user.get(f"/api/chat/transcript/{chat}", format=kind), 400, "INVALID_FORMAT")


@pytest.mark.features("privacy")
def test_erased_messages_say_so(operator: Api, chat: str) -> None:
    operator.delete("/api/users/u1")

    text = transcript(operator, chat).text
    assert "parcel" not in text
    assert "    (deleted)" in text
