"""One message, followed from its request to its acknowledgement."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from chatsupport import events
from chatsupport.events import MessageStored
from chatsupport.observability import tracing
from chatsupport.services.messages import message_log
from tests.api import Api, Apis, assert_failure
from tests.applications import MakeApp
from tests.concurrency import eventually, run_together
from tests.log_lines import Lines
from tests.sockets import Sockets, assert_refused, succeeded


def test_a_message_over_rest_can_be_followed(make_app: MakeApp, log: Lines) -> None:
    app = make_app(log_level="DEBUG")
    session_id = Apis(app).operator().start("u1")["sessionId"]

    response = Apis(app).anonymous(**{**Apis(app).user("u1").headers, "X-Request-ID": "follow-me"}).send(session_id)

    assert (response.status_code, response.headers["X-Request-ID"]) == (201, "follow-me")
    (line,) = eventually(lambda: log.of("message"))
    assert (line["request_id"], line["session_id"], line["seq"]) == ("follow-me", session_id, 1)
    assert (line["operation"], line["batch_size"], line["level"]) == ("chat.send_message", 1, "DEBUG")
    steps = ["submitted_ms", "taken_ms", "admitted_ms", "inserted_ms", "broadcast_ms", "acknowledged_ms"]
    times = [line[step] for step in steps]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] < 10_000
    batch = eventually(lambda: log.of("batch"))[0]
    assert (batch["batch"], batch["request_ids"]) == (line["batch"], ["follow-me"])
    assert batch["commands"] >= 2
    assert batch["writing_ms"] > 0
    assert batch["reading_ms"] > 0
    (request,) = [entry for entry in log.of("request") if entry["path"].startswith("/api/chat/send-message")]
    assert request["request_id"] == "follow-me"


def test_a_message_over_a_socket_can_be_followed(make_app: MakeApp, log: Lines) -> None:
    app = make_app(log_level="DEBUG")
    session_id = Apis(app).operator().start("u1")["sessionId"]
    user = Sockets(app).user("u1")

    message = succeeded(user.say(session_id, "not for the log"))["message"]

    (line,) = eventually(lambda: log.of("message"))
    assert (line["operation"], line["session_id"], line["seq"]) == ("send_message", session_id, message["seq"])
    assert line["caller"] == "user:u1"
    (event,) = eventually(
        lambda: [entry for entry in log.of("socket_event") if entry["request_id"] == line["request_id"]]
    )
    assert event["status"] == 200
    assert eventually(lambda: log.of("batch"))[0]["request_ids"] == [line["request_id"]]
    assert "not for the log" not in json.dumps(log.lines)


def test_the_lines_of_messages_written_together_name_the_same_batch(make_app: MakeApp, log: Lines) -> None:
    app = make_app(log_level="DEBUG")
    operator = Apis(app).operator()
    ids = [operator.start(f"u{number}")["sessionId"] for number in range(6)]
    users = [Sockets(app).user(f"u{number}") for number in range(6)]
    calls: list[Callable[[], Any]] = [
        lambda user=user, session_id=session_id: succeeded(user.say(session_id))  # type: ignore[misc]
        for user, session_id in zip(users, ids, strict=True)
    ]

    run_together(*calls)

    # Those that are told of their messages need not wait for the lines about them.
    assert eventually(lambda: sum(line["batch_size"] for line in log.of("batch")) == 6)
    assert eventually(lambda: len(log.of("message")) == 6)
    messages, batches = log.of("message"), {line["batch"]: line for line in log.of("batch")}
    assert len({line["request_id"] for line in messages}) == 6
    for line in messages:
        assert line["request_id"] in batches[line["batch"]]["request_ids"]
        assert line["batch_size"] == batches[line["batch"]]["batch_size"]


def test_a_failure_carries_the_id_of_its_lines(make_app: MakeApp, log: Lines) -> None:
    app = make_app(log_level="DEBUG")
    operator = Apis(app).operator()
    session_id = operator.start("u1")["sessionId"]
    operator.end(session_id)
    user = Sockets(app).user("u1")

    by_socket = assert_refused(user.say(session_id), "SESSION_ENDED")["requestId"]
    by_rest = assert_failure(Apis(app).user("u1").send(session_id), 409, "SESSION_ENDED")["requestId"]

    assert eventually(
        lambda: (
            [line["code"] for line in log.of("socket_event") if line["request_id"] == by_socket] == ["SESSION_ENDED"]
        )
    )
    assert [line["code"] for line in log.of("request") if line["request_id"] == by_rest] == ["SESSION_ENDED"]
    assert eventually(lambda: len(log.of("batch")) == 2)
    assert sorted(line["request_ids"] for line in log.of("batch")) == sorted([[by_socket], [by_rest]])
    assert not log.of("message")


def test_a_failed_broadcast_is_logged_with_the_request(
    app: Flask, operator: Api, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = operator.start("u1")["sessionId"]

    def fail(stored: MessageStored) -> None:
        raise RuntimeError("no way out")

    monkeypatch.setitem(events._bound, MessageStored, [fail])
    response = operator.send(session_id)

    assert response.status_code == 201
    (line,) = [line for line in log.lines if line["message"] == "A reaction failed"]
    assert line["request_id"] == response.headers["X-Request-ID"]


def test_a_failed_batch_is_logged_with_its_requests(
    app: Flask, operator: Api, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = operator.start("u1")["sessionId"]

    def fail(batch: list[Any]) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(message_log.log._admission, "admit", fail)
    error = assert_failure(operator.send(session_id), 500, "INTERNAL_ERROR")

    (line,) = eventually(lambda: [line for line in log.lines if line["message"] == "A batch of messages failed"])
    assert line["request_ids"] == [error["requestId"]]


def test_a_reused_thread_does_not_keep_the_last_request(app: Flask, operator: Api) -> None:
    operator.get("/api/chat/stats")

    assert tracing.current() is None
