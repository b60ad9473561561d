"""What features add to sessions is read, kept, shown and described with what is the core's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import pytest

from chatsupport import session_parts
from chatsupport.contract import schemas
from chatsupport.contract.base import Answer, Code, Request, absent, example
from chatsupport.contract.chat import CurrentSession, Session, SessionPage, StartSession
from chatsupport.errors import InvalidInputError
from chatsupport.identity import API_KEY_CALLER
from chatsupport.services.sessions.starting import Start
from chatsupport.session_parts import Document, SessionPart


class StartMood(Request):
    mood: Annotated[str | None, Code("INVALID_MOOD_OF_A_TEST")] = None

    model_config = example(mood="calm")


class Mood(Answer):
    word: str


class ShownMood(Answer):
    mood: Mood = absent("How somebody feels.")


def on_start(start: Start) -> dict[str, str] | None:
    mood = start.wanted.more(StartMood).mood
    return None if mood is None else {"word": mood}


def show(session: Document, for_staff: bool) -> Document:
    return {"mood": session["features"]["mood"]} if for_staff else {}


@pytest.fixture(autouse=True)
def mood() -> Iterator[None]:
    before = dict(session_parts._parts)
    part = SessionPart(fields={StartSession: StartMood, Session: ShownMood}, on_start=on_start, show=show)
    session_parts.bind({"mood": part, "silent": SessionPart()})
    yield
    session_parts.bind(before)


def start(**fields: object) -> Start:
    return Start(caller=API_KEY_CALLER, wanted=StartSession.parse({"userId": "u1", **fields}))


def test_a_start_takes_the_fields_of_features() -> None:
    assert session_parts.kept_from(start(mood="calm")) == {"mood": {"word": "calm"}}
    assert session_parts.kept_from(start()) == {}
    assert StartSession(user_id="u1").more(StartMood).mood is None


def test_a_wrong_field_has_its_own_code() -> None:
    with pytest.raises(InvalidInputError) as refused:
        start(mood=3)

    assert refused.value.code == "INVALID_MOOD_OF_A_TEST"
    assert StartSession.codes() == [
        "INVALID_USER_ID",
        "INVALID_USER_TYPE",
        "INVALID_DEPARTMENT",
        "INVALID_MOOD_OF_A_TEST",
    ]


def test_each_sees_what_the_feature_shows() -> None:
    session = {"features": {"mood": {"word": "calm"}}}

    assert session_parts.shown_of(session, for_staff=True) == {"mood": {"word": "calm"}}
    assert session_parts.shown_of(session, for_staff=False) == {}


def test_the_fields_are_described_wherever_the_model_is() -> None:
    described = schemas.components([StartSession, CurrentSession, SessionPage])

    assert schemas.of(StartSession)["example"] == {"userId": "visitor-1", "mood": "calm"}
    for model in ("Session", "ListedSession"):
        assert described[model]["properties"]["mood"]["$ref"] == "#/components/schemas/Mood"
        assert "mood" not in described[model]["required"]
    assert "ShownMood" not in described
