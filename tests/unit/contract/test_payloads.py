"""Whatever JSON a client sends, a payload function returns typed values or raises the field's error, nothing else."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from pkgutil import iter_modules
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from chatsupport import json_codec, payloads
from chatsupport.errors import AgentNotFoundError, InvalidInputError, NotFoundError, SessionNotFoundError
from chatsupport.payloads.text import is_visible, trimmed

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


def readers() -> list[Callable[[Mapping[str, Any]], Any]]:
    """Return every function that reads a whole body, query or event."""
    modules = [
        importlib.import_module(f"chatsupport.payloads.{found.name}") for found in iter_modules(payloads.__path__)
    ]
    functions = [function for module in modules for _, function in inspect.getmembers(module, inspect.isfunction)]
    return [
        function
        for function in dict.fromkeys(functions)
        if [parameter.annotation for parameter in inspect.signature(function).parameters.values()] == ["Payload"]
    ]


READERS = readers()

CODE = re.compile("INVALID_[A-Z_]+|MESSAGE_TOO_LONG|[A-Z]+_NOT_FOUND")


def outcome(read: Callable[..., Any], *arguments: Any) -> str | None:
    """Return the code of the error that reading raises, None where it raises none."""
    try:
        read(*arguments)
    except (InvalidInputError, NotFoundError) as error:
        return error.code
    return None


@settings(max_examples=80, deadline=None)
@given(data=objects)
def test_any_object_is_read_or_refused_with_a_code(data: dict[str, Any]) -> None:
    for read in READERS:
        code = outcome(read, data)
        assert code is None or CODE.fullmatch(code), read.__name__


def test_the_readers_are_found() -> None:
    assert {payloads.token_request, payloads.new_message, payloads.page, payloads.session_id_in} <= set(READERS)


@settings(max_examples=50, deadline=None)
@given(value=values)
def test_any_value_is_an_id_or_is_not_found(value: Any) -> None:
    assert outcome(payloads.session_id, value) in (None, "SESSION_NOT_FOUND")
    assert outcome(payloads.agent_id, value) in (None, "AGENT_NOT_FOUND")


@settings(max_examples=50, deadline=None)
@given(data=objects)
def test_what_is_read_can_be_stored_and_sent(data: dict[str, Any]) -> None:
    for read in (payloads.token_request, payloads.start_session, payloads.new_message, payloads.agent_fields):
        if outcome(read, data) is None:
            for text in vars(read(data)).values():
                if isinstance(text, str) and text != data.get("userHash"):
                    assert "\x00" not in text
                    assert text == trimmed(text) != ""
                    assert json_codec.loads(json_codec.dumps(text)) == text


@settings(max_examples=50, deadline=None)
@given(text=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=1200))
def test_a_message_is_refused_exactly_when_there_is_nothing_to_see_or_too_much(text: str) -> None:
    length = len(trimmed(text))

    expected = "INVALID_MESSAGE" if not is_visible(text) else "MESSAGE_TOO_LONG" if length > 1000 else None

    assert outcome(payloads.new_message, {"message": text}) == expected


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
def test_what_is_no_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 any of them
        json_codec.loads(text)


def test_half_a_surrogate_pair_is_kept_for_the_field_to_refuse() -> None:
    assert json_codec.loads(b'{"a":"\\ud800"}') == json_codec.loads('{"a":"\\ud800"}') == {"a": "\ud800"}
    assert json_codec.loads('{"a":"\\ud83d\\ude00"}') == {"a": "😀"}


def test_a_page_is_the_first_50_by_default() -> None:
    page = payloads.page({})

    assert (page.limit, page.offset, page.after, page.before) == (50, 0, None, None)


def test_a_blank_reason_is_the_default_one() -> None:
    for data in ({}, {"reason": None}, {"reason": ""}, {"reason": "  "}):
        assert payloads.session_end(data).reason == "User ended session"
    assert payloads.session_end({"reason": " solved "}).reason == "solved"
    assert payloads.session_end({"reason": " " + "x" * 200 + " "}).reason == "x" * 200


def test_an_internal_reason_has_no_default() -> None:
    assert payloads.session_end({"internalReason": " "}).internal_reason is None
    assert payloads.session_end({"internalReason": " spam "}).internal_reason == "spam"
    for bad in (42, "x" * 201, "\x00"):
        with pytest.raises(InvalidInputError, match="internalReason"):
            payloads.session_end({"internalReason": bad})


def test_an_agent_has_two_places_and_is_online_by_default() -> None:
    agent = payloads.agent_fields({"name": " Ada "})

    assert (agent.name, agent.max_users, agent.is_online) == ("Ada", 2, True)


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""}, {"name": "x" * 101}, {"name": 7}, {"name": None}, {}, {"maxUsers": 0}, {"maxUsers": 51},
        {"maxUsers": True}, {"maxUsers": 2.0}, {"maxUsers": "2"}, {"maxUsers": None}, {"isOnline": 1},
        {"isOnline": "true"}, {"isOnline": None},
    ],
)  # fmt: skip
def test_what_is_no_agent_is_refused(body: dict[str, Any]) -> None:
    data = body if "name" in body or not body else {"name": "Ada", **body}

    assert outcome(payloads.agent_fields, data) == "INVALID_AGENT"


def test_an_id_is_24_hex_digits() -> None:
    text = "6b02a346410e8790f1f544d2"

    assert payloads.session_id(text) == payloads.agent_id(text) == ObjectId(text)
    for wrong in (text[:-1], text + "0", "x" * 24, "x" * 12, b"x" * 12, ObjectId(text), None, 7, {"$oid": text}):
        with pytest.raises(SessionNotFoundError):
            payloads.session_id(wrong)
        with pytest.raises(AgentNotFoundError):
            payloads.agent_id(wrong)
