"""The agents' API: rights, refusals, and the effects on sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from chatsupport.database import connection
from chatsupport.documents import Agent
from chatsupport.services.assignment import transitions
from tests.api import Api, Apis, assert_failure, data_of
from tests.concurrency import eventually, run_together
from tests.invariants import violations
from tests.sockets import Sockets

BY_NAME = "{ name: 1, _id: 1 }"
UNKNOWN = "6b02a346410e8790f1f544d2"
BAD_FIELDS = [
    {"name": ""},
    {"name": "   "},
    {"name": None},
    {"name": 7},
    {"name": ["Ada"]},
    {"name": {"$gt": ""}},
    {"name": "a" * 101},
    {"name": "A\x00da"},
    {"maxUsers": 0},
    {"maxUsers": -1},
    {"maxUsers": 51},
    {"maxUsers": 2.0},
    {"maxUsers": 2.5},
    {"maxUsers": "2"},
    {"maxUsers": True},
    {"maxUsers": None},
    {"maxUsers": 2**62},
    {"isOnline": None},
    {"isOnline": 1},
    {"isOnline": "true"},
]


def waiting_places(operator: Api, session_ids: list[str]) -> list[int | None]:
    return [operator.session(session_id)["queuePosition"] for session_id in session_ids]


def test_a_new_agent_has_the_whole_shape_and_the_defaults(operator: Api) -> None:
    response = operator.post("/api/agents", {"name": "  Ada  "})

    agent = data_of(response)
    assert response.status_code == 201
    assert operator.get(f"/api/agents/{agent['id']}").json["data"] == agent
    assert len(agent.pop("id")) == 24
    assert agent.pop("createdAt").endswith("Z")
    assert agent == {
        "name": "Ada",
        "kind": "human",
        "maxUsers": 2,
        "activeUsers": [],
        "isOnline": True,
        "isAway": False,
        "email": None,
        "role": "agent",
        "departmentIds": None,
    }


@pytest.mark.parametrize("name", ["$name", "{}", "O'Brien ☕", "a" * 100])
def test_a_name_is_stored_unchanged(operator: Api, name: str) -> None:
    agent = operator.create_agent("Ada")

    assert operator.create_agent(name)["name"] == name
    assert data_of(operator.patch(f"/api/agents/{agent['id']}", {"name": name}))["name"] == name


def test_all_agents_are_listed_by_name(operator: Api) -> None:
    for name in ("Cleo", "Ada", "Ben"):
        operator.create_agent(name)

    agents = data_of(operator.get("/api/agents"))["agents"]

    assert [agent["name"] for agent in agents] == ["Ada", "Ben", "Cleo"]
    assert agents[0] == data_of(operator.get(f"/api/agents/{agents[0]['id']}"))


def test_the_list_goes_from_page_to_page_by_name(operator: Api) -> None:
    names = ["Ben", "Ada", "Ada", "Zoë", "Ada", "王芳", "A d/a?&"]
    ids = {operator.create_agent(name)["id"] for name in names}

    pages, cursor = [], None
    while cursor or not pages:
        page = data_of(operator.get("/api/agents", limit=2, **({"cursor": cursor} if cursor else {})))
        assert page["hasMore"] == (page["nextCursor"] is not None)
        pages.append(page["agents"])
        cursor = page["nextCursor"]

    assert [len(page) for page in pages] == [2, 2, 2, 1]
    shown = [agent for page in pages for agent in page]
    assert [agent["name"] for agent in shown] == sorted(names)
    assert {agent["id"] for agent in shown} == ids


def test_an_agent_deleted_between_two_pages_hides_no_other(operator: Api) -> None:
    for name in ("Ada", "Ben", "Cleo"):
        operator.create_agent(name)
    first = data_of(operator.get("/api/agents", limit=1))

    operator.delete(f"/api/agents/{first['agents'][0]['id']}")

    rest = data_of(operator.get("/api/agents", limit=2, cursor=first["nextCursor"]))
    assert [agent["name"] for agent in rest["agents"]] == ["Ben", "Cleo"]
    assert (rest["hasMore"], rest["nextCursor"]) == (False, None)


def test_a_page_of_agents_reads_one_more_than_it_shows(
    operator: Api, profile: Callable[[], list[dict[str, Any]]]
) -> None:
    for name in ["Ada"] * 20 + ["Ben"] * 20:
        operator.create_agent(name)
    cursor, before = None, len(profile())
    for _ in range(5):
        cursor = data_of(operator.get("/api/agents", limit=5, **({"cursor": cursor} if cursor else {})))["nextCursor"]

    reads = [entry for entry in profile()[before:] if entry["ns"].endswith(".agents")]
    assert len(reads) == 5
    assert {read["planSummary"].replace("IXSCAN ", "") for read in reads} <= {BY_NAME, f"{BY_NAME}, {BY_NAME}"}
    # If the query has two parts, the first agent with another name is examined too.
    assert all(read["docsExamined"] <= 5 + 1 + 1 for read in reads)


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "2.0", "x", ""])
def test_a_bad_limit_of_the_list_is_refused(operator: Api, limit: str) -> None:
    assert_failure(operator.get("/api/agents", limit=limit), 400, "INVALID_LIMIT")


@pytest.mark.parametrize("cursor", ["", "x", UNKNOWN, f"{UNKNOWN}-A", f"{UNKNOWN}-_w==", f"{UNKNOWN}-Q_!", "-QWRh"])
def test_a_bad_cursor_of_the_list_is_refused(operator: Api, cursor: str) -> None:
    response = operator.get("/api/agents", cursor=cursor)

    assert_failure(response, 400, "INVALID_CURSOR")
    assert "nextCursor" in response.json["message"]


def test_a_bad_field_is_refused_and_changes_nothing(operator: Api, subtests: pytest.Subtests) -> None:
    agent = operator.create_agent("Ada")

    for fields in BAD_FIELDS:
        with subtests.test(fields=fields):
            assert_failure(operator.post("/api/agents", {"name": "Ben", **fields}), 400, "INVALID_AGENT")
            assert_failure(operator.patch(f"/api/agents/{agent['id']}", fields), 400, "INVALID_AGENT")
    assert data_of(operator.get("/api/agents"))["agents"] == [agent]


def test_an_agent_needs_a_name(operator: Api) -> None:
    assert_failure(operator.post("/api/agents", {}), 400, "INVALID_AGENT")


def test_a_patch_changes_only_the_fields_it_names(operator: Api) -> None:
    agent = operator.create_agent("Ada", maxUsers=3)
    path = f"/api/agents/{agent['id']}"

    assert data_of(operator.patch(path, {"name": "Eve"})) == {**agent, "name": "Eve"}
    assert data_of(operator.patch(path, {"maxUsers": 50})) == {**agent, "name": "Eve", "maxUsers": 50}
    changed = {**agent, "name": "Eve", "maxUsers": 50, "isOnline": False}
    assert data_of(operator.patch(path, {"isOnline": False})) == changed
    assert data_of(operator.patch(path, {})) == changed
    assert data_of(operator.patch(path, {"load": 9, "isAway": True, "activeUsers": ["x"], "id": UNKNOWN})) == changed


@pytest.mark.parametrize("agent_id", [UNKNOWN, "nope", "$ne", "a" * 500, "0"])
def test_an_unknown_agent_is_not_found(operator: Api, agent_id: str) -> None:
    path = f"/api/agents/{agent_id}"

    for response in (operator.get(path), operator.patch(path, {"isOnline": True}), operator.delete(path)):
        assert_failure(response, 404, "AGENT_NOT_FOUND")


def test_an_agent_may_only_read_itself_and_set_whether_it_is_online(apis: Apis, operator: Api) -> None:
    agent = operator.create_agent("Ada")
    ada, path = apis.agent(agent["id"]), f"/api/agents/{agent['id']}"

    assert data_of(ada.get(path)) == agent
    assert data_of(ada.patch(path, {"isOnline": False}))["isOnline"] is False
    for fields in ({"name": "Eve"}, {"maxUsers": 50}, {"isOnline": True, "maxUsers": 50}):
        assert_failure(ada.patch(path, fields), 403, "FORBIDDEN")
    assert_failure(ada.delete(path), 403, "FORBIDDEN")
    assert_failure(ada.get("/api/agents"), 403, "FORBIDDEN")
    assert_failure(ada.post("/api/agents", {"name": "Eve"}), 403, "FORBIDDEN")
    assert data_of(operator.get("/api/agents"))["agents"] == [{**agent, "isOnline": False}]


def test_another_agent_and_a_user_may_do_nothing(apis: Apis, operator: Api) -> None:
    agent, other = operator.create_agent("Ada"), operator.create_agent("Ben")
    path = f"/api/agents/{agent['id']}"

    # A user whose id is the agent's is still a user.
    for stranger in (apis.agent(other["id"]), apis.user("u1"), apis.user(agent["id"])):
        assert_failure(stranger.get(path), 403, "FORBIDDEN")
        assert_failure(stranger.patch(path, {"isOnline": False}), 403, "FORBIDDEN")
        assert_failure(stranger.delete(path), 403, "FORBIDDEN")
        assert_failure(stranger.get("/api/agents"), 403, "FORBIDDEN")
        assert_failure(stranger.post("/api/agents", {"name": "Eve"}), 403, "FORBIDDEN")
    assert_failure(apis.anonymous().get(path), 401, "AUTH_REQUIRED")
    assert data_of(operator.get("/api/agents"))["agents"] == [agent, other]


def test_with_fewer_slots_than_sessions_an_agent_keeps_them_and_gets_no_new_ones(operator: Api) -> None:
    agent = operator.create_agent("Ada", maxUsers=3)
    path = f"/api/agents/{agent['id']}"
    first, second, third = (operator.start(f"u{number}")["sessionId"] for number in (1, 2, 3))
    waiting = operator.start("w1")["sessionId"]

    lowered = data_of(operator.patch(path, {"maxUsers": 1}))

    assert (lowered["maxUsers"], lowered["activeUsers"]) == (1, ["u1", "u2", "u3"])
    for ended, status in ((first, "waiting"), (second, "waiting"), (third, "active")):
        operator.end(ended)
        assert operator.session(waiting)["status"] == status
    assert data_of(operator.get(path))["activeUsers"] == ["w1"]


def test_more_slots_or_going_online_serve_the_queue_in_order(operator: Api) -> None:
    agent = operator.create_agent("Ada", maxUsers=1, isOnline=False)
    path = f"/api/agents/{agent['id']}"
    waiting = [operator.start(f"u{number}")["sessionId"] for number in range(4)]

    assert data_of(operator.patch(path, {"isOnline": True}))["activeUsers"] == ["u0"]
    assert data_of(operator.patch(path, {"maxUsers": 3}))["activeUsers"] == ["u0", "u1", "u2"]
    assert waiting_places(operator, waiting) == [None, None, None, 1]
    assert violations(connection.database()) == []


def test_going_offline_keeps_the_sessions_and_gives_no_new_ones(operator: Api) -> None:
    agent = operator.create_agent("Ada", maxUsers=2)
    session_id = operator.start("u1")["sessionId"]

    operator.patch(f"/api/agents/{agent['id']}", {"isOnline": False})

    assert operator.session(session_id)["agentId"] == agent["id"]
    assert operator.send(session_id).status_code == 201
    assert operator.start("u2")["status"] == "waiting"


def test_deleting_an_agent_returns_its_sessions_to_the_front_in_order(operator: Api) -> None:
    agent = operator.create_agent("Ada", maxUsers=3)
    had = [operator.start(f"u{number}")["sessionId"] for number in range(3)]
    new = operator.start("w1")["sessionId"]

    deleted = operator.delete(f"/api/agents/{agent['id']}")

    assert data_of(deleted) == {"id": agent["id"]}
    assert waiting_places(operator, [*had, new]) == [1, 2, 3, 4]
    session = operator.session(had[0])
    assert (session["status"], session["agentId"], session["agent"]) == ("waiting", None, None)
    operator.create_agent("Ben", maxUsers=2)
    assert waiting_places(operator, [*had, new]) == [None, None, 1, 2]


def test_deleting_an_agent_hands_its_sessions_to_free_agents(operator: Api) -> None:
    agent = operator.create_agent("Ada", maxUsers=2)
    sessions = [operator.start(f"u{number}")["sessionId"] for number in range(2)]
    other = operator.create_agent("Ben", maxUsers=2)

    operator.delete(f"/api/agents/{agent['id']}")

    assert {operator.session(session_id)["agentId"] for session_id in sessions} == {other["id"]}
    assert violations(connection.database()) == []


def test_a_deleted_agents_token_is_invalid_at_once(apis: Apis, operator: Api) -> None:
    agent = operator.create_agent("Ada")
    ada, session_id = apis.agent(agent["id"]), operator.start("u1")["sessionId"]
    assert ada.session(session_id)["agentId"] == agent["id"]

    operator.delete(f"/api/agents/{agent['id']}")

    assert_failure(ada.get(f"/api/chat/session/{session_id}"), 401, "INVALID_TOKEN")
    assert_failure(ada.get(f"/api/agents/{agent['id']}"), 401, "INVALID_TOKEN")


def test_a_deleted_agents_sockets_are_closed(app: Flask, operator: Api) -> None:
    agent, other = operator.create_agent("Ada"), operator.create_agent("Ben")
    sockets = Sockets(app)
    tabs, bystander = [sockets.agent(agent["id"]) for _ in range(2)], sockets.agent(other["id"])

    operator.delete(f"/api/agents/{agent['id']}")

    assert eventually(lambda: not any(tab.is_connected for tab in tabs))
    assert bystander.is_connected


def test_deleting_an_agent_during_many_starts_loses_no_session(operator: Api) -> None:
    doomed = operator.create_agent("Ada", maxUsers=10)
    operator.create_agent("Ben", maxUsers=3)

    def start(number: int) -> Any:
        return lambda: operator.start(f"u{number}")

    *started, deleted = run_together(
        *[start(number) for number in range(8)], lambda: operator.delete(f"/api/agents/{doomed['id']}")
    )

    assert deleted.status_code == 200
    transitions.requeue_late()  # As every process does within a second: a slot may have been taken before the deletion.
    assert violations(connection.database()) == []
    states = [operator.session(session["sessionId"]) for session in started]
    assert sorted(state["status"] for state in states) == ["active"] * 3 + ["waiting"] * 5
    assert Agent.objects.count() == 1


def test_a_new_name_is_announced_in_open_chats(app: Flask, apis: Apis, operator: Api) -> None:
    agent_id = operator.create_agent("Ada", maxUsers=1)["id"]
    session_id = apis.user("u1").start("u1")["sessionId"]
    apis.user("u2").start("u2")
    visitor, stranger, agent = Sockets(app).user("u1"), Sockets(app).user("u2"), Sockets(app).agent(agent_id)

    operator.patch(f"/api/agents/{agent_id}", {"name": "Adele"})
    operator.patch(f"/api/agents/{agent_id}", {"name": "Adele", "isOnline": True})

    for socket in (visitor, agent):
        (session,) = socket.wait_for("session_updated")
        assert (session["id"], session["agent"]["name"]) == (session_id, "Adele")
    assert stranger.heard("session_updated") == []
