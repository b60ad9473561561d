"""The log says where the time of a slow operation went, and not what it was about."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from chatsupport import broadcasts
from chatsupport.database import connection
from chatsupport.database.embedded import EmbeddedMongo
from chatsupport.documents import Session
from chatsupport.observability import tracing
from chatsupport.observability.tracing import lines
from chatsupport.services.assignment import staffing
from chatsupport.services.messages import backlog
from chatsupport.services.server import overview
from chatsupport.services.shared import rate_limits
from tests.api import Apis
from tests.applications import MakeApp
from tests.freezing import freeze, thaw
from tests.log_lines import Line, Lines
from tests.sockets import Sockets, succeeded

SLEEP = {"$where": "sleep(600) || true"}
"""A condition that takes MongoDB 60 ms for each document."""


@pytest.fixture(autouse=True)
def _a_new_second(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("operation", "command"):
        monkeypatch.setattr(lines, f"_{kind}s", lines._Budget(kind))


@pytest.fixture
def slow_mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The test's own MongoDB, which may be frozen."""
    server = EmbeddedMongo(tmp_path_factory.mktemp("mongodb-slow"))
    yield server.start()
    server.stop()


def delay(monkeypatch: pytest.MonkeyPatch, owner: Any, method: str, seconds: float) -> None:
    """Slow down one step of a message."""
    step = getattr(owner, method)

    def delayed(*arguments: Any) -> Any:
        time.sleep(seconds)
        return step(*arguments)

    monkeypatch.setattr(owner, method, delayed)


def slow_message(log: Lines) -> Line:
    """Return the line about the slow message. On a busy machine, what came before may have been slow too."""
    (line,) = [line for line in log.of("slow") if line["operation"] == "send_message"]
    return line


def of_request(lines: list[Line], request_id: str) -> Line:
    """Return the only line about this request."""
    (line,) = [line for line in lines if line.get("request_id") == request_id]
    return line


def parts_of(line: Line) -> dict[str, float]:
    """Return the times of a slow message's steps. Together they are not longer than the whole."""
    assert line["level"] == "WARNING"
    parts = {name: line[name] for name in line if name.endswith("_ms")}
    assert sum(parts.values()) <= line["ms"] + 1
    return parts


@pytest.mark.parametrize(
    ("owner", "method", "part"),
    [
        (backlog.Backlog, "_write_all", "waiting_ms"),
        (broadcasts, "session_room", "broadcasting_ms"),
        (rate_limits, "check_caller", "before_ms"),
    ],
    ids=["waiting", "broadcasting", "before"],
)
def test_the_log_says_where_the_time_of_a_slow_message_went(
    make_app: MakeApp, log: Lines, monkeypatch: pytest.MonkeyPatch, owner: Any, method: str, part: str
) -> None:
    app = make_app(slow_ms=700)
    session_id = Apis(app).operator().start("u1")["sessionId"]
    user = Sockets(app).user("u1")
    delay(monkeypatch, owner, method, 1.0)

    succeeded(user.say(session_id))

    line = slow_message(log)
    assert line["session_id"] == session_id
    parts = parts_of(line)
    assert max(parts, key=lambda name: parts[name]) == part, parts
    assert line["ms"] >= parts[part] >= 990


def test_the_log_says_that_a_message_waited_for_the_database(slow_mongo: str, make_app: MakeApp, log: Lines) -> None:
    app = make_app(slow_ms=700, mongodb_uri=slow_mongo)
    session_id = Apis(app).operator().start("u1")["sessionId"]
    user = Sockets(app).user("u1")
    process_id = connection.database().command("serverStatus")["pid"]

    freeze(process_id)
    threading.Timer(1.5, thaw, (process_id,)).start()
    succeeded(user.say(session_id))

    line = slow_message(log)
    parts = parts_of(line)
    assert parts["reading_ms"] + parts["connecting_ms"] >= 700, parts
    # Background writes belong to no batch.
    assert {entry.get("batch") for entry in log.of("slow_command")} - {None} <= {line["batch"]}


def test_a_slow_request_and_its_slow_command_are_logged(
    make_app: MakeApp, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(slow_ms=500)
    operator = Apis(app).operator()
    operator.start("u1")
    find = Session.collection().find_one
    monkeypatch.setattr(overview, "statistics", lambda caller: {"found": find(SLEEP) is not None})
    monkeypatch.setattr(staffing, "waiting_departments", list)
    log.lines.clear()

    response = operator.get("/api/chat/stats")

    request_id = response.headers["X-Request-ID"]
    command = of_request(log.of("slow_command"), request_id)
    assert (command["command"], command["collection"], command["succeeded"]) == ("find", "sessions", True)
    assert command["level"] == "WARNING"
    assert command["ms"] >= 500
    assert "sleep" not in json.dumps(command)
    line = of_request(log.of("slow"), request_id)
    assert (line["operation"], line["commands"]) == ("chat.get_statistics", 1)
    assert line["reading_ms"] >= 500
    assert line["reading_ms"] + line["elsewhere_ms"] + line["connecting_ms"] <= line["ms"] + 0.5


def test_a_command_that_failed_slowly_is_logged_too(app: Flask, log: Lines) -> None:
    tracing.configure(50)
    Session(user_id="u1", status="waiting").save()
    log.lines.clear()

    with pytest.raises(Exception, match="boom"):
        Session.collection().find_one({"$where": "sleep(60); throw 'boom'"})

    (command,) = [line for line in log.of("slow_command") if not line["succeeded"]]
    assert command["command"] == "find"
    assert "boom" not in json.dumps(command)


def test_fast_operations_are_not_logged_and_logging_can_be_switched_off(make_app: MakeApp, log: Lines) -> None:
    for slow_ms in (0, 60_000):
        app = make_app(slow_ms=slow_ms)
        Session(user_id="u1", status="waiting").save()
        assert Session.collection().find_one(SLEEP) is not None
        Apis(app).operator().get("/api/chat/stats")

    assert not log.of("slow")
    assert not log.of("slow_command")


def test_when_all_are_slow_the_first_few_are_logged_and_the_rest_are_counted(
    make_app: MakeApp, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [100.0]
    monkeypatch.setattr(lines.time, "monotonic", lambda: seconds[0])
    tracing.configure(1)

    def end_slowly() -> None:
        operation = tracing.Operation("test")
        operation.started -= 1
        tracing.finish(operation)

    for _ in range(lines.MAX_LINES + 5):
        end_slowly()
    assert len(log.of("slow")) == lines.MAX_LINES
    seconds[0] += 1
    end_slowly()

    assert log.of("slow")[-1]["left_out"] == 5
    assert "left_out" not in log.of("slow")[0]
