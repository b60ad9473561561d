"""Departments: which agent may have which session, when a session overflows, and what it costs."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import monitoring

from chatsupport.database import connection
from chatsupport.database.clock import now
from chatsupport.documents import Agent, Department, Session
from chatsupport.documents.agent import NO_DEPARTMENT
from chatsupport.services.assignment import queue, reconciliation, reservations, serving, staffing, transitions
from chatsupport.services.sessions import starting
from tests.api import Api, Apis, assert_failure, data_of
from tests.applications import MakeApp
from tests.commands import COMMANDS, remember_for_long
from tests.interleaving import just_before
from tests.invariants import violations
from tests.sockets import Sockets

pytestmark = pytest.mark.features("departments")

UNKNOWN = "0123456789abcdef01234567"


class Desk:
    """Departments, agents and visitors, by short calls."""

    def __init__(self, operator: Api) -> None:
        self.operator = operator

    def department(self, name: str, **fields: Any) -> str:
        return str(data_of(self.operator.post("/api/departments", {"name": name, **fields}))["id"])

    def agent(self, name: str, departments: list[str] | None = None, **fields: Any) -> str:
        return str(self.operator.create_agent(name, departmentIds=departments, **{"maxUsers": 1, **fields})["id"])

    def visitor(self, user_id: str, department: str | None = None) -> str:
        body = {"userId": user_id, "departmentId": department}
        return str(data_of(self.operator.post("/api/chat/start-session", body))["sessionId"])

    def agent_of(self, session_id: str) -> str | None:
        agent_id: str | None = self.operator.session(session_id)["agentId"]
        return agent_id

    def place_of(self, session_id: str) -> int | None:
        place: int | None = self.operator.session(session_id)["queuePosition"]
        return place

    def why(self, session_id: str) -> str:
        return str(self.operator.session(session_id)["assignment"]["reason"])

    def transfer(self, session_id: str, **to: Any) -> Any:
        return self.operator.post(f"/api/chat/transfer/{session_id}", to)

    def waits_longer(self, session_id: str, seconds: float) -> None:
        """Let the session have begun to wait so many seconds earlier."""
        field = {"$subtract": ["$reservedAt", round(seconds * 1000)]}
        Session.collection().update_one({"_id": ObjectId(session_id)}, [{"$set": {"reservedAt": field}}])


@pytest.fixture
def desk(operator: Api) -> Desk:
    return Desk(operator)


@pytest.fixture(autouse=True)
def the_rules_hold(app: Any) -> Any:
    yield
    assert violations(connection.database()) == []


def test_only_agents_of_the_department_get_its_sessions(desk: Desk) -> None:
    sales, support = desk.department("Sales"), desk.department("Support")
    nobodys, of_sales = desk.agent("Nobody's", []), desk.agent("Of sales", [sales])

    first, second = desk.visitor("u1", support), desk.visitor("u2", sales)
    assert (desk.agent_of(first), desk.agent_of(second)) == (None, of_sales)
    assert desk.agent_of(desk.visitor("u3")) == nobodys
    assert desk.operator.session(second)["departmentId"] == sales
    assert desk.agent_of(first) is None

    everybodys = desk.agent("Everybody's")
    assert desk.agent_of(first) == everybodys


def test_the_least_loaded_agent_who_may_have_a_session_gets_it(desk: Desk) -> None:
    sales, support = desk.department("Sales"), desk.department("Support")
    desk.agent("Idle, of support", [support], maxUsers=9)
    busy = desk.agent("Busy", None, maxUsers=9)
    for number in range(2):
        desk.visitor(f"v{number}", sales)
    assert len(data_of(desk.operator.get(f"/api/agents/{busy}"))["activeUsers"]) == 2
    of_sales = desk.agent("Of sales", [support, sales], maxUsers=9)

    session_id = desk.visitor("u1", sales)
    assert desk.agent_of(session_id) == of_sales
    assignment = desk.operator.session(session_id)["assignment"]
    assert (assignment["reason"], assignment["load"]) == ("least_loaded", 0)


def test_a_free_agent_gets_the_longest_waiting_session_it_may_have(desk: Desk) -> None:
    sales, support, other = (desk.department(name) for name in ("Sales", "Support", "Other"))
    waiting = [desk.visitor(f"u{n}", d) for n, d in enumerate([other, support, sales, None, support])]

    of_both = desk.agent("Of both", [sales, support])
    assert [desk.agent_of(one) for one in waiting] == [None, of_both, None, None, None]
    for ended, served in ((1, 2), (2, 3), (3, 4)):
        desk.operator.end(waiting[ended])
        assert desk.agent_of(waiting[served]) == of_both
    assert desk.agent_of(waiting[0]) is None


def test_places_count_the_sessions_of_the_same_department(desk: Desk, apis: Apis) -> None:
    sales, support = desk.department("Sales"), desk.department("Support")
    ids = [desk.visitor(f"u{n}", d) for n, d in enumerate([sales, support, None, sales, None, support])]

    assert [desk.place_of(one) for one in ids] == [1, 1, 1, 2, 2, 2]
    listed = data_of(desk.operator.get("/api/chat/sessions"))["sessions"]
    assert [session["queuePosition"] for session in reversed(listed)] == [1, 1, 1, 2, 2, 2]
    listed = data_of(desk.operator.get("/api/chat/queue"))["sessions"]
    assert [(session["departmentId"], session["position"]) for session in listed[:4]] == [
        (sales, 1),
        (support, 1),
        (None, 1),
        (sales, 2),
    ]
    desk.operator.end(ids[0])
    assert desk.place_of(ids[3]) == 1


def test_a_session_overflows_to_every_agent_and_keeps_its_age(desk: Desk) -> None:
    sales, strict = desk.department("Sales", overflowAfter=60), desk.department("Strict")
    late, never, plain = desk.visitor("u1", sales), desk.visitor("u2", strict), desk.visitor("u3")
    nobodys = desk.agent("Nobody's", [])
    assert desk.agent_of(plain) == nobodys
    second = desk.visitor("u4")
    reservations.look()
    assert desk.place_of(late) == 1
    assert reservations.pause() == reservations.LOOK_SECONDS

    desk.waits_longer(late, 61)
    reservations.look()
    assert desk.agent_of(late) is None, "nobody is free"
    desk.operator.end(plain)
    assert (desk.agent_of(late), desk.why(late), desk.agent_of(second)) == (nobodys, "overflow", None)
    desk.operator.end(late)
    assert (desk.agent_of(second), desk.why(second)) == (nobodys, "least_loaded")
    assert desk.agent_of(never) is None


def test_a_new_overflow_time_holds_for_those_who_wait(desk: Desk) -> None:
    sales = desk.department("Sales")
    waiting, agent = desk.visitor("u1", sales), desk.agent("Nobody's", [])
    desk.waits_longer(waiting, 10)
    reservations.look()
    assert desk.agent_of(waiting) is None

    desk.operator.patch(f"/api/departments/{sales}", {"overflowAfter": 5})
    reservations.look()
    assert desk.agent_of(waiting) == agent
    reservations.look()
    assert reservations.pause() == reservations.IDLE_LOOK_SECONDS


def test_a_deleted_department_gives_its_sessions_to_everybody(desk: Desk) -> None:
    sales, support = desk.department("Sales"), desk.department("Support")
    of_sales = desk.agent("Of sales", [sales])
    active, waiting, other = desk.visitor("u1", sales), desk.visitor("u2", sales), desk.visitor("u3", support)
    nobodys = desk.agent("Nobody's", [])

    assert desk.operator.delete(f"/api/departments/{sales}").status_code == 200
    assert (desk.agent_of(waiting), desk.agent_of(other)) == (nobodys, None)
    assert [desk.operator.session(one)["departmentId"] for one in (active, waiting, other)] == [None, None, support]
    assert data_of(desk.operator.get(f"/api/agents/{of_sales}"))["departmentIds"] == []
    assert_failure(
        desk.operator.post("/api/chat/start-session", {"userId": "u9", "departmentId": sales}),
        404,
        "DEPARTMENT_NOT_FOUND",
    )


@pytest.mark.parametrize("at_the_start", [True, False])
def test_a_deletion_that_was_killed_is_completed(desk: Desk, at_the_start: bool) -> None:
    sales = desk.department("Sales")
    agent, of_sales = desk.agent("Nobody's", []), desk.agent("Of sales", [sales], isOnline=False)
    waiting = desk.visitor("u1", sales)
    if not at_the_start:
        reservations.look()

    Department.collection().delete_one({})
    reservations.look()
    assert desk.agent_of(waiting) == agent
    assert desk.operator.session(waiting)["departmentId"] is None
    assert data_of(desk.operator.get(f"/api/agents/{of_sales}"))["departmentIds"] == []


@pytest.mark.parametrize("at_the_start", [True, False])
def test_a_session_that_is_stored_after_the_deletion_of_its_department_leaves_it(
    desk: Desk, at_the_start: bool
) -> None:
    sales = desk.department("Sales")
    desk.agent("Anybody's")
    active = desk.visitor("u1", sales)
    if not at_the_start:
        reservations.look()
    desk.operator.delete(f"/api/departments/{sales}")
    if not at_the_start:
        reservations.look()

    # Another process had seen the department a moment before.
    Session.objects(id=active).update(department_id=ObjectId(sales))
    reservations.look()
    assert desk.operator.session(active)["departmentId"] is None


def test_an_unknown_department_starts_nothing(desk: Desk) -> None:
    for unknown in (UNKNOWN, "sales"):
        body = {"userId": "u1", "departmentId": unknown}
        assert_failure(desk.operator.post("/api/chat/start-session", body), 404, "DEPARTMENT_NOT_FOUND")
    wrong = {"userId": "u1", "departmentId": 5}
    assert_failure(desk.operator.post("/api/chat/start-session", wrong), 400, "INVALID_DEPARTMENT")
    assert Session.collection().count_documents({}) == 0


def test_a_transfer_to_a_department(desk: Desk) -> None:
    sales, support = desk.department("Sales"), desk.department("Support")
    of_sales, of_support = desk.agent("Of sales", [sales]), desk.agent("Of support", [support], maxUsers=2)
    session_id = desk.visitor("u1", sales)
    assert desk.agent_of(session_id) == of_sales

    moved = data_of(desk.transfer(session_id, departmentId=support))
    assert (moved["agentId"], moved["departmentId"]) == (of_support, support)
    assert data_of(desk.transfer(session_id, departmentId=None))["departmentId"] is None
    assert desk.agent_of(session_id) == of_sales, "the other agent goes first"
    assert_failure(desk.transfer(session_id, departmentId=UNKNOWN), 404, "DEPARTMENT_NOT_FOUND")
    assert_failure(desk.transfer(session_id, departmentId=7), 400, "INVALID_DEPARTMENT")


def test_an_agent_moves_its_own_session_to_another_department(desk: Desk) -> None:
    sales, support = desk.department("Sales"), desk.department("Support")
    agent, session_id = desk.agent("Ada"), desk.visitor("u1", sales)

    moved = data_of(desk.transfer(session_id, agentId=agent, departmentId=support))
    assert (moved["agentId"], moved["departmentId"], moved["status"]) == (agent, support, "active")
    assert data_of(desk.transfer(session_id, agentId=agent, departmentId=None))["departmentId"] is None
    entries = data_of(desk.operator.get("/api/audit", action="transfer"))["entries"]
    assert [entry["details"]["department_id"] for entry in entries] == ["none", support]

    desk.operator.patch(f"/api/agents/{agent}", {"departmentIds": [sales]})
    assert_failure(desk.transfer(session_id, agentId=agent, departmentId=support), 400, "INVALID_DEPARTMENT")


def test_a_transfer_of_a_session_that_has_changed_meanwhile_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales = desk.department("Sales")
    desk.agent("Ada")
    session_id = desk.visitor("u1")
    just_before(monkeypatch, transitions, "requeue", lambda: desk.operator.end(session_id))

    assert_failure(desk.transfer(session_id, departmentId=sales), 409, "SESSION_ENDED")


def test_a_session_that_is_stored_late_leaves_a_department_that_no_look_has_seen(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.agent("Ada")
    reservations.look()
    sales = desk.department("Sales")
    just_before(monkeypatch, starting, "_insert", lambda: desk.operator.delete(f"/api/departments/{sales}"))
    session_id = desk.visitor("u1", sales)

    reservations.look()

    session = Session.collection().find_one({"_id": ObjectId(session_id)}) or {}
    assert (session["status"], session.get("departmentId")) == ("active", None)


def test_staff_hear_that_a_department_was_deleted(desk: Desk, sockets: Sockets) -> None:
    sales = desk.department("Sales")
    agent = desk.agent("Ada")
    session_id, before = desk.visitor("u1", sales), now()
    socket = sockets.agent(agent)
    socket.join(session_id)

    desk.operator.delete(f"/api/departments/{sales}")

    assert socket.wait_for("session_updated")[0]["departmentId"] is None
    assert Session.objects.get(id=session_id).updated_at >= before


def test_departments_that_wait_are_read_with_as_many_commands_as_one(desk: Desk) -> None:
    for number in range(4):
        desk.visitor(f"u{number}", desk.department(f"department {number}"))
    desk.agent("Somebody", [desk.department("Another")])
    staffing.waiting_departments()

    with COMMANDS.counted() as sent:
        found = staffing.waiting_departments()

    assert [(one["waiting"], one["isStaffed"], one["isStarving"]) for one in found] == [(1, False, True)] * 4
    assert len(sent) == 3
    desk.agent("Everybody", maxUsers=1)
    desk.operator.end(desk.visitor("u9"))
    assert all(one["isStaffed"] for one in staffing.waiting_departments())


def test_a_waiting_session_changes_its_department(desk: Desk) -> None:
    sales, support = desk.department("Sales"), desk.department("Support")
    of_support = desk.agent("Of support", [support])
    session_id = desk.visitor("u1", sales)
    assert desk.place_of(session_id) == 1

    assert data_of(desk.transfer(session_id, departmentId=support))["agentId"] == of_support
    other = desk.visitor("u2", sales)
    assert data_of(desk.transfer(other))["departmentId"] == sales
    assert data_of(desk.transfer(other, departmentId=None))["departmentId"] is None
    desk.operator.end(session_id)
    assert desk.agent_of(other) == of_support


def test_a_transfer_to_an_agent_keeps_to_the_departments(desk: Desk, apis: Apis) -> None:
    sales, support = desk.department("Sales"), desk.department("Support")
    desk.agent("Of sales", [sales])
    of_support = desk.agent("Of support", [support])
    sue = desk.agent("Sue", None, role="supervisor", isOnline=True, maxUsers=2)
    session_id = desk.visitor("u1", sales)
    assert desk.agent_of(session_id) != sue

    failure = assert_failure(desk.transfer(session_id, agentId=of_support), 400, "INVALID_DEPARTMENT")
    assert failure["details"][0]["field"] == "agentId"
    assert_failure(desk.transfer(session_id, agentId=of_support, departmentId=sales), 400, "INVALID_DEPARTMENT")
    moved = data_of(desk.transfer(session_id, agentId=of_support, departmentId=support))
    assert (moved["agentId"], moved["departmentId"], moved["assignment"]["reason"]) == (of_support, support, "transfer")
    taken = data_of(apis.agent(sue).post(f"/api/chat/transfer/{session_id}", {"agentId": sue}))
    assert (taken["agentId"], taken["departmentId"], taken["assignment"]["reason"]) == (sue, support, "take_over")


def test_the_reason_is_for_staff_only(desk: Desk, apis: Apis) -> None:
    agent = desk.agent("Ada")
    session_id = desk.visitor("u1")
    assert desk.why(session_id) == "least_loaded"
    assert "assignment" not in apis.user("u1").session(session_id)
    assert apis.agent(agent).session(session_id)["assignment"]["load"] == 0
    desk.operator.end(session_id)
    desk.agent("Ben")

    again = desk.visitor("u1")
    assert (desk.agent_of(again), desk.why(again)) == (agent, "sticky")


def test_the_last_agent_is_not_preferred_for_a_department_of_others(desk: Desk) -> None:
    sales = desk.department("Sales")
    last = desk.agent("Last", [])
    session_id = desk.visitor("u1")
    assert desk.agent_of(session_id) == last
    desk.operator.end(session_id)

    waiting = desk.visitor("u1", sales)
    assert desk.agent_of(waiting) is None
    assert desk.agent_of(desk.visitor("u2")) == last


def test_a_session_that_returns_to_the_queue_waits_for_its_department(desk: Desk) -> None:
    sales = desk.department("Sales", overflowAfter=60)
    of_sales = desk.agent("Of sales", [sales])
    session_id = desk.visitor("u1", sales)
    desk.agent("Nobody's", [])

    desk.operator.delete(f"/api/agents/{of_sales}")
    reservations.look()
    assert desk.agent_of(session_id) is None
    stored = Session.collection().find_one({"_id": ObjectId(session_id)})
    assert stored is not None
    assert stored["reservedAt"] >= stored["queuedAt"]


def test_a_wider_list_of_departments_serves_the_queue(desk: Desk) -> None:
    sales = desk.department("Sales")
    agent, waiting = desk.agent("Ada", []), desk.visitor("u1", sales)
    assert desk.agent_of(waiting) is None

    desk.operator.patch(f"/api/agents/{agent}", {"departmentIds": [sales]})
    assert desk.agent_of(waiting) == agent


def test_the_reconciler_finds_a_free_agent_behind_a_starving_department(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "SECOND_LOOK_SECONDS", 0)
    sales = desk.department("Sales")
    desk.visitor("u1", sales)
    second = desk.visitor("u2")
    agent = desk.agent("Ada", [], isOnline=False)
    assert reconciliation.run() == 0

    Agent.collection().update_one({"_id": ObjectId(agent)}, {"$set": {"isOnline": True}})
    assert reconciliation.run() == 1
    assert desk.agent_of(second) == agent


def test_availability_of_a_department(desk: Desk, apis: Apis) -> None:
    sales, support = desk.department("Sales"), desk.department("Support")
    desk.agent("Of sales", [sales])
    for number in range(3):
        desk.visitor(f"u{number}", sales if number else support)
    anybody = apis.anonymous()

    def staffed(**query: str) -> bool:
        return bool(data_of(anybody.get("/api/chat/availability", **query))["isStaffed"])

    assert [staffed(departmentId=sales), staffed(departmentId=support), staffed()] == [True, False, True]
    waiting = data_of(desk.operator.get("/api/chat/availability", departmentId=sales))["waiting"]
    assert waiting == 1
    assert_failure(anybody.get("/api/chat/availability", departmentId=UNKNOWN), 404, "DEPARTMENT_NOT_FOUND")


def test_a_start_in_a_department_costs_what_any_start_costs(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    remember_for_long(monkeypatch)
    sales = desk.department("Sales")
    desk.agent("Ada", [sales], maxUsers=1)
    desk.visitor("u0")
    desk.operator.end(desk.visitor("u1", sales))
    with COMMANDS.counted() as sent:
        desk.visitor("u2", sales)
    assert sent == ["find sessions", "findAndModify sessions", "find agents", "count sessions"]


class Sent(monitoring.CommandListener):
    """Records the commands about agents and sessions, so that MongoDB can explain them."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.thread: int | None = None

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Note a command of the thread that is watched."""
        if threading.get_ident() == self.thread and event.command_name in ("findAndModify", "find", "aggregate"):
            kept = {name: value for name, value in event.command.items() if name in EXPLAINABLE}
            self.commands.append(kept)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to do."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to do."""

    @contextmanager
    def watched(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the commands that this thread sends in the block."""
        self.commands, self.thread = [], threading.get_ident()
        yield self.commands
        self.thread = None


EXPLAINABLE = (
    *("findAndModify", "find", "aggregate", "query", "filter", "pipeline"),
    *("sort", "hint", "limit", "update", "cursor"),
)
SENT = Sent()
monitoring.register(SENT)


def keys_examined(commands: list[dict[str, Any]]) -> int:
    """Return the largest number of keys and documents that MongoDB examines for one of these commands."""
    any_date = CodecOptions[Any](datetime_conversion=DatetimeConversion.DATETIME_AUTO)
    most = 0
    for command in commands:
        plan: Any = connection.database().command("explain", command, "executionStats", codec_options=any_date)
        parts = [part["$cursor"] for part in plan.get("stages", ()) if "$cursor" in part] or [plan]
        for part in parts:
            figures = part["executionStats"]
            most = max(most, figures["totalKeysExamined"] + figures["totalDocsExamined"])
    return most


def test_the_keys_that_a_choice_examines_do_not_grow_with_agents_and_sessions(desk: Desk) -> None:
    """All agents are free for departments that nobody waits for, and thousands wait for the others."""
    ids = [ObjectId(desk.department(str(number))) for number in range(20)]
    time = now()
    agent = {"maxUsers": 2, "activeUsers": [], "activeSessions": [], "slots": [], "isOnline": True, "isAway": False}
    agent |= {"hasRoom": True, "load": 0, "createdAt": time, "updatedAt": time, "name": "x", "role": "agent"}
    lists: list[list[ObjectId]] = [[], ids[:1], ids[1:5], ids[2:9]]
    Agent.collection().insert_many(
        {**agent, "departmentIds": [NO_DEPARTMENT, *lists[number % 4]], "idleSince": time + timedelta(seconds=number)}
        for number in range(2_000)
    )
    waiting = {"userType": "user", "status": "waiting", "queuePriority": 1, "createdAt": time, "updatedAt": time}
    Session.collection().insert_many(
        {**waiting, "userId": f"w{number}", "queuedAt": time - timedelta(seconds=number), "reservedAt": time}
        | {"departmentId": ids[10 + number % 10], "reservedFor": ids[10 + number % 10]}
        for number in range(2_000)
    )

    queue._has_plenty_of_room.keep(True, 60.0)
    with SENT.watched() as commands:
        assert desk.agent_of(desk.visitor("in a department with agents", str(ids[3]))) is not None
        desk.visitor("in one without", str(ids[9]))
        desk.visitor("in none")
        serving.drain_queue()
        served = desk.agent("Of the others", [str(one) for one in ids[10:]])
        reservations.look()
    assert len(data_of(desk.operator.get(f"/api/agents/{served}"))["activeUsers"]) == 1
    choices = [one for one in commands if not is_place(one)]
    assert len(choices) > 20
    assert keys_examined(choices) <= 2 * (len(ids) + 5)
    Session.collection().delete_many({})
    Agent.collection().delete_many({})


def is_place(command: dict[str, Any]) -> bool:
    """Tell whether a command counts the sessions before another one."""
    return "$count" in str(command.get("pipeline", ""))


class Oracle:
    """What should happen: every step looks at every session and every agent."""

    def __init__(self) -> None:
        self.agents: dict[str, dict[str, Any]] = {}
        self.waiting: dict[str, str | None] = {}
        """The waiting sessions, oldest first, with the departments for which they are kept."""
        self.agent_of: dict[str, str] = {}
        self._changes = itertools.count()

    def agent(self, agent_id: str, departments: list[str] | None, room: int) -> None:
        self.agents[agent_id] = {"departments": departments, "room": room, "load": 0, "since": next(self._changes)}

    def end(self, session_id: str) -> None:
        self.waiting.pop(session_id, None)
        if (agent_id := self.agent_of.pop(session_id, None)) is not None:
            self.agents[agent_id]["load"] -= 1
            self.agents[agent_id]["since"] = next(self._changes)

    def delete(self, department: str) -> None:
        self.waiting = {one: None if kept == department else kept for one, kept in self.waiting.items()}
        for agent in self.agents.values():
            if agent["departments"] is not None:
                agent["departments"] = [one for one in agent["departments"] if one != department]

    def serve(self) -> None:
        for session_id, kept_for in list(self.waiting.items()):
            able = [
                (agent["load"], agent["since"], agent_id)
                for agent_id, agent in self.agents.items()
                if agent["load"] < agent["room"]
                and (kept_for is None or agent["departments"] is None or kept_for in agent["departments"])
            ]
            if able:
                chosen = self.agents[min(able)[2]]
                chosen["load"] += 1
                chosen["since"] = next(self._changes)
                self.agent_of[session_id] = min(able)[2]
                del self.waiting[session_id]


@pytest.mark.parametrize("seed", range(3))
def test_every_session_goes_where_a_naive_search_says(make_app: MakeApp, seed: int) -> None:
    chance, desk = random.Random(seed), Desk(Apis(make_app(sticky_agent=False)).operator())
    oracle, departments = Oracle(), [desk.department(str(number)) for number in range(4)]

    def some() -> list[str] | None:
        return (
            None
            if chance.random() < 0.1
            else chance.sample(departments, chance.randrange(min(3, len(departments) + 1)))
        )

    for step in range(80):
        kind = chance.choices(["start", "end", "agent", "lists", "delete"], [40, 24, 8, 8, 1])[0]
        if kind == "start":
            department = chance.choice([None, *departments])
            oracle.waiting[desk.visitor(f"u{step}", department)] = department
        elif kind == "end" and (ids := [*oracle.waiting, *oracle.agent_of]):
            oracle.end(ended := chance.choice(ids))
            desk.operator.end(ended)
        elif kind == "agent":
            listed, room = some(), chance.randrange(1, 4)
            oracle.agent(desk.agent(f"agent {step}", listed, maxUsers=room), listed, room)
        elif kind == "lists" and oracle.agents:
            agent_id, listed = chance.choice(list(oracle.agents)), some()
            oracle.agents[agent_id]["departments"] = listed
            desk.operator.patch(f"/api/agents/{agent_id}", {"departmentIds": listed})
        elif kind == "delete" and len(departments) > 1:
            departments.remove(deleted := chance.choice(departments))
            oracle.delete(deleted)
            desk.operator.delete(f"/api/departments/{deleted}")
        oracle.serve()
        found = Session.collection().find({"status": "active"}, {"agentId": 1})
        assert {str(one["_id"]): str(one["agentId"]) for one in found} == oracle.agent_of, (seed, step, kind)
