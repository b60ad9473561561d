"""No operation sends the database more commands than its budget: a command costs 0.2 ms, whatever it asks.

This is a server that has been running for a while: what it looks up once in a while, it has looked up, and its callers
have called before.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chatsupport.services.assignment import queue
from chatsupport.services.people import denial_memory, denials, departments
from chatsupport.services.server import overview, processes
from chatsupport.services.shared import access, outbox
from tests.api import Api, Apis, assert_failure, data_of
from tests.commands import COMMANDS, remember_for_long
from tests.concurrency import eventually, waiting_callers
from tests.sockets import Sockets


@pytest.fixture(autouse=True)
def warmed_up(apis: Apis, operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session of u1 with Ada, one of u2 that waits, and one that has ended; the users have called a moment ago."""
    remember_for_long(monkeypatch)
    queue._has_plenty_of_room.forget()
    monkeypatch.setattr(denial_memory, "TRUSTED_SECONDS", 60.0)
    monkeypatch.setattr(departments, "TRUSTED_SECONDS", 60.0)
    monkeypatch.setattr(processes, "ALONE_SECONDS", 60.0)
    departments.read()
    processes.here.begin()
    processes.here.beat()
    denials.enforce_recent()
    for number in range(1, 6):
        assert apis.user(f"u{number}").get("/api/chat/session/current").status_code == 200
    assert apis.anonymous().post("/api/auth/token", {"userId": "u1"}).status_code == 201
    operator.start("u2")
    operator.end(operator.start("u3")["sessionId"])


def test_reading_a_session_costs_one_and_its_place_one_more(apis: Apis, session_id: str) -> None:
    user, waiting = apis.user("u1"), apis.user("u2")
    with COMMANDS.counted() as sent:
        session = user.session(session_id)
    assert sent == ["aggregate sessions"]
    assert (session["agent"]["name"], session["lastSeq"]) == ("Ada", 0)

    with COMMANDS.counted() as sent:
        assert waiting.get("/api/chat/session/current").status_code == 200
    assert sent == ["aggregate sessions", "count sessions"]


def test_a_page_of_messages_costs_one(user: Api, session_id: str) -> None:
    assert user.send(session_id).status_code == 201
    with COMMANDS.counted() as sent:
        page = user.get(f"/api/chat/messages/{session_id}")
    assert sent == ["aggregate sessions"]
    assert page.json is not None
    assert page.json["data"]["pagination"]["total"] == 1


def test_reads_at_the_same_time_share_commands(
    apis: Apis, operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, stranger = apis.user("u1"), apis.user("u2")
    others = [(apis.user(f"v{number}"), operator.start(f"v{number}")["sessionId"]) for number in range(5)]
    for caller, each in others:
        caller.send(each, f"from {each}")
    reads: list[int] = []
    read, all_wait = access._read, threading.Event()

    def slowly(joined: Any, session_ids: Any) -> Any:
        reads.append(len(session_ids))
        assert all_wait.wait(40)
        return read(joined, session_ids)

    monkeypatch.setattr(access, "_read", slowly)
    monkeypatch.setattr(access, "_shared", OrderedDict())
    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(user.get, f"/api/chat/messages/{session_id}")
        assert eventually(lambda: reads)
        (shared,) = access._shared.values()
        pages = [pool.submit(caller.get, f"/api/chat/messages/{each}") for caller, each in others]
        refused = pool.submit(stranger.get, f"/api/chat/messages/{session_id}")
        assert eventually(lambda: waiting_callers(shared) == 6)
        all_wait.set()

        assert data_of(first.result())["messages"] == []
        texts = [data_of(page.result())["messages"][0]["message"] for page in pages]
        assert texts == [f"from {each}" for _, each in others]
        assert_failure(refused.result(), 403, "FORBIDDEN")
    assert reads == [1, 6]


def test_connecting_and_joining_cost_one(sockets: Sockets, session_id: str) -> None:
    for fields in ({}, {"after": 0}):
        with COMMANDS.counted() as sent:
            joined = sockets.user("u1").join(session_id, **fields)
        assert sent == ["aggregate sessions"]
        assert joined["agent"]["name"] == "Ada"


@pytest.mark.parametrize(("is_alone", "look_ups"), [(True, []), (False, ["find sessions"])])
def test_connecting_and_joining_cost_an_agent_two_or_three_if_there_are_more_processes(
    apis: Apis,
    sockets: Sockets,
    session_id: str,
    operator: Api,
    monkeypatch: pytest.MonkeyPatch,
    is_alone: bool,
    look_ups: list[str],
) -> None:
    ada = operator.session(session_id)["agentId"]
    assert apis.agent(ada).get(f"/api/agents/{ada}").status_code == 200
    if not is_alone:
        monkeypatch.setattr(processes.here, "is_alone", lambda: False)
    with COMMANDS.counted() as sent:
        sockets.agent(ada).join(session_id)
    assert sent == ["findAndModify agents", *look_ups, "aggregate sessions"]


def test_a_start_costs_four_with_a_free_agent_or_without(apis: Apis, operator: Api) -> None:
    newcomer, late = apis.user("u4"), apis.user("u5")
    with COMMANDS.counted() as sent:
        assert late.start("u5")["queuePosition"] == 2
    assert sent == ["find sessions", "findAndModify sessions", "find agents", "count sessions"]

    operator.create_agent("Ben", maxUsers=3)
    with COMMANDS.counted() as sent:
        assert newcomer.start("u4")["status"] == "active"
    assert sent == ["find sessions", "findAndModify agents", "find sessions", "findAndModify sessions"]


def test_a_start_of_an_open_session_costs_two_with_an_agent_and_three_while_it_waits(apis: Apis) -> None:
    for user_id, agent_or_place in (("u1", ["find agents"]), ("u2", ["count sessions", "find agents"])):
        with COMMANDS.counted() as sent:
            apis.user(user_id).start(user_id)
        assert sent == ["find sessions", *agent_or_place]


@pytest.mark.features("departments")
def test_departments_cost_a_start_nothing(apis: Apis, operator: Api) -> None:
    sales = data_of(operator.post("/api/departments", {"name": "Sales"}))["id"]
    start = {"departmentId": sales, "userId": "u4"}
    waits = {**start, "userId": "u5"}
    assert apis.user("u5").get("/api/chat/session/current").status_code == 200
    with COMMANDS.counted() as sent:
        assert data_of(apis.user("u5").post("/api/chat/start-session", waits))["queuePosition"] == 1
    assert len(sent) == 4

    operator.create_agent("Ben", departmentIds=[sales], maxUsers=9)
    with COMMANDS.counted() as sent:
        assert data_of(apis.user("u4").post("/api/chat/start-session", start))["status"] == "active"
    assert len(sent) == 4


def test_an_end_costs_three_and_serving_the_next_in_line_three_more(apis: Apis, user: Api, session_id: str) -> None:
    waiting = apis.user("u2")
    waiting_id = waiting.start("u2")["sessionId"]
    for sender, each in ((user, session_id), (waiting, waiting_id)):
        assert sender.send(each).status_code == 201
    end = ["findAndModify sessions", "update agents", "aggregate messages"]

    with COMMANDS.counted() as sent:
        assert user.end(session_id).status_code == 200
    assert sent == [*end, "find sessions", "findAndModify agents", "findAndModify sessions"]
    assert waiting.session(waiting_id)["status"] == "active"

    with COMMANDS.counted() as sent:
        assert waiting.end(waiting_id).status_code == 200
    assert sent == end, "nobody waits any more"

    full = waiting.start("u2")["sessionId"]
    waits = apis.user("u3").start("u3")["sessionId"]
    assert apis.user("u3").send(waits).status_code == 201
    with COMMANDS.counted() as sent:
        assert apis.user("u3").end(waits).status_code == 200
    assert sent == ["findAndModify sessions", "find messages"], "it has freed no slot"
    assert waiting.session(full)["status"] == "active"


def test_an_end_looks_for_no_messages_if_nobody_can_have_written(apis: Apis, user: Api, session_id: str) -> None:
    second = apis.user("u2")
    user.end(session_id)
    second.end(second.start("u2")["sessionId"])
    with_agent = user.start("u1")["sessionId"]
    waiting_id = apis.user("u3").start("u3")["sessionId"]

    with COMMANDS.counted() as sent:
        ended = data_of(apis.user("u3").end(waiting_id))
    assert sent == ["findAndModify sessions"]
    assert (ended["statistics"]["totalMessages"], ended["statistics"]["averageResponseTime"]) == (0, None)

    with COMMANDS.counted() as sent:
        assert data_of(user.end(with_agent))["statistics"]["totalMessages"] == 0
    assert sent == ["findAndModify sessions", "update agents", "find sessions"]


def test_the_figures_of_an_end_are_stored_by_the_write_that_removes_its_mark(
    operator: Api, user: Api, session_id: str
) -> None:
    user.send(session_id)
    statistics = user.end(session_id).json["data"]["statistics"]  # type: ignore[index]
    outbox.flush()

    with COMMANDS.counted() as sent:
        again = user.end(session_id).json["data"]["statistics"]  # type: ignore[index]
    assert statistics == again
    assert again["totalMessages"] == 1
    assert sent == ["findAndModify sessions", "find sessions"]


def test_health_costs_nothing_within_a_second(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "HEALTH_SECONDS", 60.0)
    overview._found.forget()
    anybody = apis.anonymous()
    assert anybody.get("/api/health").status_code == 200
    with COMMANDS.counted() as sent:
        assert anybody.get("/api/health").status_code == 200
    assert sent == []


def test_a_token_costs_nothing_within_half_a_minute(apis: Apis) -> None:
    with COMMANDS.counted() as sent:
        assert apis.anonymous().post("/api/auth/token", {"userId": "u1"}).status_code == 201
    assert sent == []


@pytest.mark.parametrize("visitor", [{"guest": True}, {"userId": "newcomer"}])
def test_an_arrival_costs_five(apis: Apis, sockets: Sockets, operator: Api, visitor: dict[str, Any]) -> None:
    operator.create_agent("Ben")
    denials.survey()
    with COMMANDS.counted() as sent:
        issued = data_of(apis.anonymous().post("/api/auth/token", visitor))
        session = apis.bearer(issued["token"]).start({**issued, **visitor}["userId"])
        sockets.attempt({"token": issued["token"]}).join(session["sessionId"])
    assert sent == [
        "find sessions",
        "findAndModify agents",
        "find sessions",
        "findAndModify sessions",
        "aggregate sessions",
    ]


def test_a_message_costs_its_sender_no_command_besides_the_logs(user: Api, session_id: str) -> None:
    user.send(session_id)
    with COMMANDS.counted() as sent:
        user.send(session_id)
    assert sent == []


@pytest.mark.features("settings")
def test_a_start_with_a_bot_costs_no_more(apis: Apis, operator: Api, bot_id: str) -> None:
    user = apis.user("u4")
    with COMMANDS.counted() as sent:
        started = user.start("u4")
    assert started["agentId"] == bot_id
    assert sent == ["find sessions", "findAndModify agents", "findAndModify sessions"]
