"""Hypothesis makes right and wrong payloads for every event: each gets an envelope, and the socket stays usable."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chatsupport.contract.socket_events import RECEIVED
from tests.api import Apis
from tests.documents import client_events, openapi_document
from tests.sockets import Socket, Sockets, succeeded

PAYLOADS = 1_000
LONGEST_CPU_SECONDS = 25.0
"""Limited by number and not by time, because other tests run on the machine too."""
OPERATORS: list[Any] = [{"$gt": ""}, {"$ne": None}, {"$where": "sleep(9)"}, {"$regex": ".*"}, {"__proto__": {}}]
EVENTS = client_events()
FIELDS = sorted(
    {str(field.validation_alias) for event in RECEIVED.values() for field in event.body.model_fields.values()}
)
CODES = openapi_document()["components"]["schemas"]["Failure"]["properties"]["code"]["enum"]
# Everything that the wire can carry: JSON with numbers of any size, NUL, and halves of surrogate pairs.
TEXTS = st.one_of(
    st.text(st.characters(codec=None), max_size=40),
    st.sampled_from(["", " ", "\x00", "\ud800", "x" * 1001, "x" * 129, "$where", "__proto__", "null", "0"]),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)
VALUES = st.one_of(
    SCALARS,
    st.sampled_from(OPERATORS),
    st.recursive(
        SCALARS,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
        max_leaves=6,
    ),
)


def payloads(session_id: str) -> st.SearchStrategy[list[Any]]:
    """Make the arguments of an event: mostly one object with some of the fields and some right values."""
    right = st.fixed_dictionaries(
        {"sessionId": st.just(session_id)},
        optional={
            "message": st.text(min_size=1, max_size=20),
            "seq": st.integers(1, 5),
            "after": st.integers(0, 5),
            "clientMessageId": st.text(min_size=1, max_size=8),
        },
    )
    wrong = st.dictionaries(st.sampled_from(FIELDS) | TEXTS, VALUES, max_size=5)
    mixed = st.builds(lambda first, then: {**first, **then}, right, wrong)
    # Of ten, one is right, three have something wrong in them, three have nothing right, and three are not an object.
    return st.integers(0, 9).flatmap(
        lambda number: (
            st.lists(VALUES, max_size=3)
            if number < 3
            else (right if number == 3 else mixed if number < 7 else wrong).map(lambda item: [item])
        )
    )


def assert_envelope(answer: Any, event: str, arguments: list[Any]) -> None:
    assert isinstance(answer, dict), (event, arguments, answer)
    if answer["success"] is True:
        assert set(answer) == {"success", "message", "data"}
        return
    assert set(answer) - {"details"} == {"success", "code", "message", "requestId"}
    assert answer["code"] in CODES, answer
    assert answer["code"] != "INTERNAL_ERROR", (event, arguments, answer)


@pytest.mark.timeout(300)
def test_any_payload_of_any_event_gets_an_envelope(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    operator, sockets = Apis(app).operator(), Sockets(app)
    witness, started, sent = sockets.user("witness"), time.process_time(), 0
    kept = operator.start("witness")["sessionId"]
    witness.join(kept)
    for event in [*EVENTS, "no_such_event"]:
        session_id = operator.start("u1")["sessionId"]
        socket = sockets.user("u1")
        socket.join(session_id)
        sent += fuzz(event, socket, session_id, PAYLOADS // (len(EVENTS) + 1) + 1)
        # It still works.
        assert socket.is_connected
        again = operator.start("u1")["sessionId"]
        socket.join(again)
        assert succeeded(socket.say(again, "still here"))["message"]["message"] == "still here"
        socket.close()

    assert sent >= PAYLOADS
    assert time.process_time() - started < LONGEST_CPU_SECONDS
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert succeeded(witness.say(kept))["message"]["seq"] == 1
    assert [message["message"] for message in witness.heard("new_message")] == ["hello"]


def fuzz(event: str, socket: Socket, session_id: str, count: int) -> int:
    """Send some payloads of one event, and return their number."""
    sent = [0]

    # Several payloads for each example, because making an example costs more than sending it.
    @settings(
        max_examples=count // 10 + 1,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(payloads(session_id), min_size=10, max_size=10))
    def send(batch: list[list[Any]]) -> None:
        for arguments in batch:
            assert_envelope(socket.call(event, *arguments), event, arguments)
            sent[0] += 1
        # And without a callback.
        socket.emit(event, *batch[0])
        socket.forget()

    send()
    return sent[0]
