"""No operation sends the database more than its budget: a command costs 0.2 ms, whatever it asks.

The look-up of denials, one a request, is counted with it.
"""

from __future__ import annotations

import pytest

from chatsupport.services.assignment import queue
from tests.api import Api, Apis
from tests.commands import COMMANDS


@pytest.fixture
def visitor(apis: Apis, operator: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    """A visitor. One agent is there, with one slot; what is looked up once in a while was looked up."""
    monkeypatch.setattr(queue, "PLENTY_SECONDS", 60.0)
    operator.create_agent("Ada", maxUsers=1)
    operator.end(apis.user("somebody").start("somebody")["sessionId"])
    return apis.user("u1")


def test_a_start_with_a_free_agent(visitor: Api) -> None:
    with COMMANDS.counted() as sent:
        assert visitor.start("u1")["status"] == "active"

    assert len(sent) <= 7, sent


def test_a_start_into_the_queue(apis: Apis, visitor: Api) -> None:
    visitor.start("u1")
    waiting = apis.user("u2")

    with COMMANDS.counted() as sent:
        assert waiting.start("u2")["status"] == "waiting"

    assert len(sent) <= 8, sent


def test_an_end(visitor: Api) -> None:
    session_id = visitor.start("u1")["sessionId"]

    with COMMANDS.counted() as sent:
        visitor.end(session_id)

    assert len(sent) <= 7, sent


def test_an_end_that_serves_the_next(apis: Apis, visitor: Api) -> None:
    session_id = visitor.start("u1")["sessionId"]
    apis.user("u2").start("u2")

    with COMMANDS.counted() as sent:
        visitor.end(session_id)

    assert len(sent) <= 12, sent


def test_a_message(visitor: Api) -> None:
    session_id = visitor.start("u1")["sessionId"]
    visitor.send(session_id)

    with COMMANDS.counted() as sent:
        visitor.send(session_id)

    assert len(sent) <= 1, sent


def test_a_read(visitor: Api) -> None:
    session_id = visitor.start("u1")["sessionId"]

    with COMMANDS.counted() as sent:
        visitor.get(f"/api/chat/session/{session_id}")

    assert len(sent) <= 4, sent


def test_a_page_of_history(visitor: Api) -> None:
    session_id = visitor.start("u1")["sessionId"]
    visitor.send(session_id)

    with COMMANDS.counted() as sent:
        visitor.get(f"/api/chat/messages/{session_id}")

    assert len(sent) <= 4, sent
