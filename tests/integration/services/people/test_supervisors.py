"""Supervisors see every session, take sessions over and manage agents, but only while they are supervisors."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from bson import ObjectId

from chatsupport.database import connection
from chatsupport.documents import Agent
from chatsupport.errors import ForbiddenError
from chatsupport.identity import AGENT, Caller
from chatsupport.services.messages import message_log
from chatsupport.services.messages.drafts import Draft
from chatsupport.services.shared import access
from tests.api import Api, Apis, assert_failure, data_of
from tests.invariants import violations


@pytest.fixture
def session_id(operator: Api, ada: str) -> str:
    session = operator.start("u1")
    assert session["agentId"] == ada
    return str(session["sessionId"])


@pytest.fixture
def grace(apis: Apis, operator: Api, session_id: str) -> Api:
    """A supervisor with room for one."""
    return apis.agent(operator.create_agent("Grace", role="supervisor", maxUsers=1)["id"])


def id_of_supervisor() -> str:
    supervisor = Agent.collection().find_one({"role": "supervisor"})
    return str(supervisor["_id"])


def test_a_supervisor_may_do_everything_in_any_session_that_its_agent_may(
    apis: Apis, operator: Api, grace: Api, session_id: str
) -> None:
    own_id = id_of_supervisor()

    assert grace.session(session_id)["userId"] == "u1"
    message = data_of(grace.send(session_id, "let me help"))["message"]
    assert (message["senderId"], message["senderType"]) == (own_id, "agent")
    history = data_of(grace.get(f"/api/chat/messages/{session_id}"))
    assert [row["message"] for row in history["messages"]] == ["let me help"]
    assert grace.end(session_id).status_code == 200
    assert operator.session(session_id)["status"] == "ended"


def test_a_supervisor_speaks_for_nobody_else(grace: Api, ada: str, session_id: str) -> None:
    assert_failure(grace.send(session_id, senderId=ada, senderType="agent"), 403, "FORBIDDEN")


def test_a_plain_agent_may_do_none_of_that(apis: Apis, operator: Api, session_id: str, ada: str) -> None:
    ben = apis.agent(operator.create_agent("Ben")["id"])

    for response in (
        ben.get(f"/api/chat/session/{session_id}"),
        ben.get(f"/api/chat/messages/{session_id}"),
        ben.send(session_id),
        ben.end(session_id),
        ben.post(f"/api/chat/transfer/{session_id}"),
        ben.get("/api/chat/sessions", agentId=ada),
        ben.get("/api/agents"),
        ben.get(f"/api/agents/{ada}"),
        ben.patch(f"/api/agents/{ada}", {"isOnline": False}),
        ben.delete(f"/api/agents/{ada}"),
    ):
        assert_failure(response, 403, "FORBIDDEN")


@pytest.mark.features("consoles")
def test_a_user_with_a_supervisors_id_is_just_a_user(apis: Apis, grace: Api, session_id: str) -> None:
    user = apis.user(id_of_supervisor())

    assert_failure(user.get(f"/api/chat/session/{session_id}"), 403, "FORBIDDEN")
    assert_failure(user.get("/api/chat/queue"), 403, "FORBIDDEN")
    assert_failure(user.get("/api/agents"), 403, "FORBIDDEN")


def test_a_supervisor_may_take_over_sessions_while_it_has_room(
    apis: Apis, operator: Api, grace: Api, session_id: str, ada: str
) -> None:
    own_id = id_of_supervisor()

    taken = data_of(grace.post(f"/api/chat/transfer/{session_id}", {"agentId": own_id}))

    assert (taken["agentId"], taken["status"]) == (own_id, "active")
    other = operator.start("u2")
    assert other["agentId"] == ada
    full = grace.post(f"/api/chat/transfer/{other['sessionId']}", {"agentId": own_id})
    assert_failure(full, 409, "AGENT_AT_CAPACITY")
    waiting = operator.start("u3")
    assert waiting["status"] == "waiting"
    grace.end(session_id)
    assert not violations(connection.database())


def test_a_supervisor_takes_a_waiting_session_out_of_turn(apis: Apis, operator: Api, ada: str) -> None:
    operator.start("u1")
    operator.patch(f"/api/agents/{ada}", {"isOnline": False})
    first, second = (operator.start(user)["sessionId"] for user in ("u2", "u3"))
    grace_id = operator.create_agent("Grace", role="supervisor", maxUsers=1, isOnline=False)["id"]
    busy = apis.agent(grace_id).post(f"/api/chat/transfer/{second}", {"agentId": grace_id})
    assert_failure(busy, 409, "AGENT_BUSY")
    other_id = operator.create_agent("Hedy", role="supervisor", maxUsers=2)["id"]
    assert operator.session(first)["agentId"] == other_id
    assert operator.session(second)["agentId"] == other_id


def test_a_supervisor_lists_all_sessions_and_those_of_anybody(
    apis: Apis, operator: Api, grace: Api, session_id: str, ada: str
) -> None:
    own = operator.start("u2")["sessionId"]

    assert {row["id"] for row in data_of(grace.get("/api/chat/sessions"))["sessions"]} == {session_id, own}
    mine = data_of(grace.get("/api/chat/sessions", agentId=id_of_supervisor()))["sessions"]
    assert [row["id"] for row in mine] == [own]
    assert [row["id"] for row in data_of(grace.get("/api/chat/sessions", agentId=ada))["sessions"]] == [session_id]


def test_an_agent_lists_its_own_ended_sessions(apis: Apis, operator: Api, session_id: str, ada: str) -> None:
    operator.end(session_id)

    ended = data_of(apis.agent(ada).get("/api/chat/sessions", status="ended"))["sessions"]

    assert [row["id"] for row in ended] == [session_id]


@pytest.mark.features("audit", "blocks", "privacy")
def test_a_supervisor_manages_agents_but_has_no_operator_rights(grace: Api, ada: str) -> None:
    made = data_of(grace.post("/api/agents", {"name": "Ben", "email": "ben@example.com", "password": "0123456789"}))
    assert data_of(grace.patch(f"/api/agents/{made['id']}", {"password": "9876543210", "role": "supervisor"}))
    assert {row["name"] for row in data_of(grace.get("/api/agents"))["agents"]} == {"Ada", "Ben", "Grace"}
    assert grace.delete(f"/api/agents/{made['id']}").status_code == 200
    for response in (
        grace.post("/api/auth/revoke", {"userId": "u1"}),
        grace.get("/api/blocks"),
        grace.post("/api/blocks", {"userId": "u1"}),
        grace.get("/api/audit"),
        grace.get("/api/users/u1/export"),
        grace.delete("/api/users/u1"),
    ):
        assert_failure(response, 403, "FORBIDDEN")


@pytest.mark.parametrize("how", ["demoted", "deleted"])
def test_access_ends_with_the_role(apis: Apis, operator: Api, grace: Api, session_id: str, how: str) -> None:
    path = f"/api/agents/{id_of_supervisor()}"
    assert (grace.patch(path, {"role": "agent"}) if how == "demoted" else operator.delete(path)).status_code == 200

    status, code = (403, "FORBIDDEN") if how == "demoted" else (401, "INVALID_TOKEN")
    assert_failure(grace.get(f"/api/chat/session/{session_id}"), status, code)
    assert_failure(grace.send(session_id), status, code)
    assert_failure(grace.get("/api/agents"), status, code)


@pytest.mark.features("consoles")
def test_agents_and_operators_see_the_queue_and_only_some_see_ids(
    apis: Apis, operator: Api, grace: Api, session_id: str, ada: str
) -> None:
    operator.start("u2")
    waiting = [operator.start(f"w{number}")["sessionId"] for number in range(3)]

    overview = data_of(apis.agent(ada).get("/api/chat/queue"))

    assert overview["total"] == 3
    assert isinstance(overview["longestWait"], int)
    assert [(row["userId"], row["position"]) for row in overview["sessions"]] == [("w0", 1), ("w1", 2), ("w2", 3)]
    assert all(set(row) == {"userId", "departmentId", "position", "waitingSince"} for row in overview["sessions"])
    for caller in (grace, operator):
        assert [row["sessionId"] for row in data_of(caller.get("/api/chat/queue"))["sessions"]] == waiting


@pytest.mark.features("consoles")
def test_an_empty_queue(grace: Api) -> None:
    assert data_of(grace.get("/api/chat/queue")) == {"total": 0, "longestWait": 0, "departments": [], "sessions": []}


def test_a_role_is_looked_up_only_if_access_would_be_refused(
    operator: Api, session_id: str, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[list[str]] = []
    monkeypatch.setattr(access, "supervisors_among", lambda ids: looked_up.append(list(ids)) or set())
    session = {"userId": "u1", "userType": "user", "agentId": ada}

    access.check(Caller(ada, AGENT), session)
    access.check(Caller("u1", "user"), session)
    access.check(Caller("system", "system"), session)
    assert not looked_up
    with pytest.raises(access.ForbiddenError):
        access.check(Caller("u2", "user"), session)
    assert not looked_up
    with pytest.raises(access.ForbiddenError):
        access.check(Caller("a" * 24, AGENT), session)
    assert looked_up == [["a" * 24]]


def test_a_batch_of_messages_costs_one_look_up_of_roles_and_refuses_only_strangers(
    operator: Api, session_id: str, grace: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_id = operator.start("u2")["sessionId"]
    stranger_id, supervisor_id = operator.create_agent("Ben", isOnline=False)["id"], id_of_supervisor()
    agent_id = operator.session(session_id)["agentId"]
    asked: list[set[str]] = []
    look_up = access.supervisors_among

    def counted(agent_ids: Iterable[str]) -> set[str]:
        asked.append(set(agent_ids))
        return look_up(asked[-1])

    monkeypatch.setattr(access, "supervisors_among", counted)
    own = [draft(session_id, agent_id), draft(session_id, supervisor_id), draft(session_id, stranger_id)]
    batch = [*own, draft(other_id, stranger_id), draft(other_id, supervisor_id), draft(other_id, "u2", "user")]

    message_log.MessageLog(on_stored=lambda stored: None)._write(batch)

    assert asked == [{supervisor_id, stranger_id}]
    assert [sent.error is None for sent in batch] == [True, True, False, False, True, True]
    assert all(isinstance(sent.error, ForbiddenError) for sent in batch if sent.error is not None)


def draft(session_id: str, sender_id: str, sender_type: str = AGENT) -> Draft:
    return Draft(ObjectId(session_id), Caller(sender_id, sender_type), sender_id, sender_type, "hello", None)
