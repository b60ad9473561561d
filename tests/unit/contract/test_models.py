"""Whatever JSON a client sends, a model returns typed values or raises the error of a field."""

from __future__ import annotations

import re
from typing import Annotated, Any

import pytest
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from chatsupport import json_codec
from chatsupport.contract.base import Code, Request, absent
from chatsupport.contract.chat import NewMessage, Page, SessionEnd, SessionFilter, StartSession, Transfer
from chatsupport.contract.fields import Text
from chatsupport.contract.people import AgentChanges, AgentFields, SignIn, TokenRequest
from chatsupport.contract.socket_events import InSession
from chatsupport.contract.text import is_visible, trimmed
from chatsupport.errors import InvalidInputError, NotFoundError
from tests.documents import bare_app

FIELDS = [
    "userId", "userType", "userHash", "message", "clientMessageId", "senderId", "senderType", "reason", "sessionId",
    "name", "maxUsers", "isOnline", "limit", "offset", "after", "before", "seq", "status", "agentId", "cursor",
    "address", "expiresInSeconds", "action",
]  # fmt: skip

near_misses = st.sampled_from(
    [
        "user", "agent", "system", "waiting", "active", "ended", "6b02a346410e8790f1f544d2", "1", "50", "100", "101",
        "0", "-1", " ", "\x00", "\ud800", "x" * 128, "x" * 129, "x" * 1001, "0-6b02a346410e8790f1f544d2",
        "9999999999999999-6b02a346410e8790f1f544d2", "-1-6b02a346410e8790f1f544d2",
        "192.0.2.1", "2001:db8::/32", "999.1.1.1", "::/129",
        0, 1, 2, 50, 51, 2**53, -1, {"$gt": ""},
    ]
)  # fmt: skip
texts = st.text(st.characters(exclude_categories=()), max_size=40)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(max_size=8) | near_misses
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)
objects = st.dictionaries(st.sampled_from(FIELDS) | texts, values, max_size=8)


def readers(base: type[Request] = Request) -> list[type[Request]]:
    """Return every model of a body, a query or an event."""
    derived = [model for model in base.__subclasses__() if model.__name__ != "Path"]
    return derived + [model for other in derived for model in readers(other)]


bare_app()
READERS = readers()

CODE = re.compile("INVALID_[A-Z_]+|MESSAGE_TOO_LONG|[A-Z]+_NOT_FOUND")


def outcome(model: type[Request], data: dict[str, Any]) -> str | None:
    """Return the code of the error that reading raises, or None."""
    try:
        model.parse(data)
    except (InvalidInputError, NotFoundError) as error:
        return error.code
    return None


@settings(max_examples=80, deadline=None)
@given(data=objects)
def test_any_object_is_read_or_refused_with_a_code(data: dict[str, Any]) -> None:
    for model in READERS:
        code = outcome(model, data)
        assert code is None or CODE.fullmatch(code), model.__name__
        assert code is None or code in [*model.codes(), *(error.code for error in model.not_found()), "INVALID_JSON"]


def test_all_models_are_found() -> None:
    assert {TokenRequest, NewMessage, Page, InSession} <= set(READERS)


@settings(max_examples=50, deadline=None)
@given(value=values)
def test_any_value_is_an_id_or_is_not_found(value: Any) -> None:
    assert outcome(InSession, {"sessionId": value}) in (None, "SESSION_NOT_FOUND", "INVALID_SESSION_ID")
    assert outcome(Transfer, {"agentId": value}) in (None, "AGENT_NOT_FOUND", "INVALID_AGENT")


@settings(max_examples=50, deadline=None)
@given(data=objects)
def test_every_accepted_value_can_be_stored_and_sent(data: dict[str, Any]) -> None:
    for model in (TokenRequest, StartSession, NewMessage, AgentFields):
        if outcome(model, data) is None:
            for text in vars(model.parse(data)).values():
                if isinstance(text, str) and text != data.get("userHash"):
                    assert "\x00" not in text
                    assert text == trimmed(text) != ""
                    assert json_codec.loads(json_codec.dumps(text)) == text


@settings(max_examples=50, deadline=None)
@given(text=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=1200))
def test_a_message_is_refused_exactly_if_it_is_invisible_or_too_long(text: str) -> None:
    length = len(trimmed(text))

    expected = "INVALID_MESSAGE" if not is_visible(text) else "MESSAGE_TOO_LONG" if length > 1000 else None

    assert outcome(NewMessage, {"message": text}) == expected


@settings(max_examples=50, deadline=None)
@given(body=st.binary(max_size=60) | texts.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_json_or_a_value_error(body: bytes) -> None:
    try:
        json_codec.loads(body)
    except ValueError:
        return


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_json_that_is_nested_too_deeply_is_a_value_error(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    for text in (deep, f'["\\ud800",{deep}]'):
        try:
            json_codec.loads(text)
        except ValueError:
            continue
        assert depth == 1_000


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", '["\\ud800",NaN]', '["\\ud800",Infinity]', "", "{"])
def test_invalid_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 any of them
        json_codec.loads(text)


def test_half_a_surrogate_pair_is_kept_for_the_field_to_refuse() -> None:
    assert json_codec.loads(b'{"a":"\\ud800"}') == json_codec.loads('{"a":"\\ud800"}') == {"a": "\ud800"}
    assert json_codec.loads('{"a":"\\ud83d\\ude00"}') == {"a": "😀"}


def test_a_page_is_the_first_50_by_default() -> None:
    page = Page.parse({})

    assert (page.limit, page.offset, page.after, page.before) == (50, 0, None, None)


def test_a_blank_reason_is_the_default_one() -> None:
    for data in ({}, {"reason": None}, {"reason": ""}, {"reason": "  "}):
        assert SessionEnd.parse(data).reason == "User ended session"
    assert SessionEnd.parse({"reason": " solved "}).reason == "solved"
    assert SessionEnd.parse({"reason": " " + "x" * 200 + " "}).reason == "x" * 200


def test_an_internal_reason_has_no_default() -> None:
    assert SessionEnd.parse({"internalReason": " "}).internal_reason is None
    assert SessionEnd.parse({"internalReason": " spam "}).internal_reason == "spam"
    for bad in (42, "x" * 201, "\x00"):
        with pytest.raises(InvalidInputError, match="internalReason"):
            SessionEnd.parse({"internalReason": bad})


def test_an_agent_has_two_places_and_is_online_by_default() -> None:
    agent = AgentFields.parse({"name": " Ada "})

    assert (agent.name, agent.max_users, agent.is_online) == ("Ada", 2, True)


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""}, {"name": "x" * 101}, {"name": 7}, {"name": None}, {}, {"maxUsers": 0}, {"maxUsers": 51},
        {"maxUsers": True}, {"maxUsers": 2.0}, {"maxUsers": "2"}, {"maxUsers": None}, {"isOnline": 1},
        {"isOnline": "true"}, {"isOnline": None},
    ],
)  # fmt: skip
def test_an_invalid_agent_is_refused(body: dict[str, Any]) -> None:
    data = body if "name" in body or not body else {"name": "Ada", **body}

    assert outcome(AgentFields, data) == "INVALID_AGENT"


def test_an_id_is_24_hex_digits() -> None:
    text = "6b02a346410e8790f1f544d2"

    assert InSession.parse({"sessionId": text}).session_id == ObjectId(text)
    assert Transfer.parse({"agentId": text.upper()}).agent_id == ObjectId(text)
    for wrong in (text[:-1], text + "0", "x" * 24, "x" * 12, ""):
        assert outcome(InSession, {"sessionId": wrong}) == "SESSION_NOT_FOUND"
        assert outcome(Transfer, {"agentId": wrong}) == "AGENT_NOT_FOUND"
    for wrong in (b"x" * 12, ObjectId(text), 7, {"$oid": text}):
        assert outcome(InSession, {"sessionId": wrong}) == "INVALID_SESSION_ID"
        assert outcome(Transfer, {"agentId": wrong}) == "INVALID_AGENT"


def test_every_wrong_field_is_named_and_the_first_gives_the_code() -> None:
    with pytest.raises(InvalidInputError) as refused:
        NewMessage.parse({"message": "x" * 1001, "clientMessageId": 7, "senderType": ["user"], "senderId": None})

    assert refused.value.code == "MESSAGE_TOO_LONG"
    assert refused.value.details == [
        {"field": "message", "message": "message must have at most 1000 characters."},
        {
            "field": "clientMessageId",
            "message": "clientMessageId must be a string of 1 to 64 characters, at least one of them visible, or null.",
        },
        {"field": "senderType", "message": "senderType must be one of user, agent, system, or null."},
    ]


def test_only_the_names_on_the_wire_are_read() -> None:
    message = NewMessage.parse({"message": " hello ", "text": "no", "client_message_id": "no", "sender_id": "no"})

    assert (message.text, message.client_message_id, message.sender_id) == ("hello", None, None)


def test_null_removes_only_fields_that_can_be_removed() -> None:
    changes = AgentChanges.parse({"email": None, "isOnline": False, "other": 1})

    assert changes.given == {"email", "is_online"}
    for name in ("name", "maxUsers", "isOnline", "role"):
        assert outcome(AgentChanges, {name: None}) in ("INVALID_AGENT", "INVALID_ROLE")


def test_no_error_repeats_what_was_sent() -> None:
    with pytest.raises(InvalidInputError) as refused:
        AgentFields.parse({"name": "Ada", "password": "tooshort", "email": "not an address"})

    assert "tooshort" not in str(refused.value.envelope("x")) + repr(refused.value.__context__)
    assert "not an address" not in str(refused.value.envelope("x"))


def test_only_the_name_of_a_request_is_logged() -> None:
    credentials = SignIn.parse({"email": "ada@example.com", "password": "correct horse"})

    assert f"{credentials} {credentials!r} {[credentials]}" == "SignIn(…) SignIn(…) [SignIn(…)]"


def test_an_id_that_names_nothing_is_reported_after_wrong_fields() -> None:
    assert outcome(SessionFilter, {"status": "x", "agentId": "x"}) == "INVALID_STATUS"
    assert outcome(SessionFilter, {"agentId": "x", "limit": "0"}) == "AGENT_NOT_FOUND"
    with pytest.raises(InvalidInputError) as refused:
        SessionFilter.parse({"status": "x", "agentId": "x"})
    assert [detail["field"] for detail in refused.value.details or ()] == ["status", "agentId"]


class Visitor(Request):
    """A person, nested in a body."""

    name: Annotated[str, Text(5)] | None = None
    tags: list[Annotated[str, Text(3)]] = absent()


class Context(Request):
    """A body with a nested object."""

    visitor: Annotated[Visitor, Code("INVALID_CONTEXT")] | None = None
    fields: Annotated[dict[str, bool], Code("INVALID_FIELDS")] = absent()


@pytest.mark.parametrize(
    ("data", "code", "field", "message"),
    [
        ({"visitor": 7}, "INVALID_CONTEXT", "visitor", "visitor must be an object, or null."),
        ({"visitor": {"name": "x" * 6}}, "INVALID_CONTEXT", "visitor.name",
         "visitor.name must have at most 5 characters."),
        ({"visitor": {"tags": ["a", 1]}}, "INVALID_CONTEXT", "visitor.tags.1",
         "visitor.tags.1 must be a string of 1 to 3 characters, at least one of them visible."),
        ({"fields": {"a": 1}}, "INVALID_FIELDS", "fields.a", "fields.a must be true or false."),
    ],
)  # fmt: skip
def test_a_nested_field_is_named_by_its_path(data: dict[str, Any], code: str, field: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        Context.parse(data)

    assert (refused.value.code, refused.value.details) == (code, [{"field": field, "message": message}])


def test_null_in_a_nested_object_differs_from_a_missing_field() -> None:
    context = Context.parse({"visitor": {"name": None}})

    assert context.visitor is not None
    assert context.visitor.given == {"name"}


def test_a_long_list_of_wrong_entries_gets_a_short_answer() -> None:
    with pytest.raises(InvalidInputError) as refused:
        Context.parse({"visitor": {"tags": [1] * 1000}})

    assert len(refused.value.details or ()) == 20
