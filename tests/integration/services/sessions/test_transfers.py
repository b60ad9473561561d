"""Transfers of sessions, and their effects on the former agent."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from chatsupport.database import connection
from chatsupport.services.assignment import serving, slots
from chatsupport.services.sessions import joins
from chatsupport.services.shared import access
from tests.api import Api, Apis, assert_failure, data_of
from tests.concurrency import eventually, run_together
from tests.interleaving import just_after, just_before
from tests.invariants import violations
from tests.sockets import Sockets, assert_refused

UNKNOWN = "6b02a346410e8790f1f544d2"


def transfer(api: Api, session_id: str, agent_id: Any = None) -> TestResponse:
    return api.post(f"/api/chat/transfer/{session_id}", {} if agent_id is None else {"agentId": agent_id})


def held(operator: Api, agent_id: str) -> list[str]:
    users: list[str] = data_of(operator.get(f"/api/agents/{agent_id}"))["activeUsers"]
    return users


def test_a_session_is_transferred_to_another_agent(
    apis: Apis, operator: Api, ada: str, ben: str, session_id: str
) -> None:
    response = transfer(apis.agent(ada), session_id, ben)

    session = data_of(response)
    assert (session["id"], session["status"], session["agentId"]) == (session_id, "active", ben)
    assert session["agent"] == {"id": ben, "name": "Ben", "isOnline": True}
    assert (held(operator, ada), held(operator, ben)) == ([], ["u1"])
    assert violations(connection.database()) == []


def test_the_former_agent_has_no_access_any_more(apis: Apis, ada: str, ben: str, session_id: str) -> None:
    former, new = apis.agent(ada), apis.agent(ben)
    assert_failure(new.get(f"/api/chat/session/{session_id}"), 403, "FORBIDDEN")

    transfer(former, session_id, ben)

    assert_failure(former.get(f"/api/chat/session/{session_id}"), 403, "FORBIDDEN")
    assert_failure(former.get(f"/api/chat/messages/{session_id}"), 403, "FORBIDDEN")
    assert_failure(former.send(session_id), 403, "FORBIDDEN")
    assert_failure(former.end(session_id), 403, "FORBIDDEN")
    assert_failure(transfer(former, session_id), 403, "FORBIDDEN")
    assert new.session(session_id)["agentId"] == ben


def test_the_sockets_are_told_and_the_former_agents_leave_the_room(
    app: Flask, operator: Api, ada: str, ben: str, session_id: str
) -> None:
    sockets = Sockets(app)
    user, tabs, new = sockets.user("u1"), [sockets.agent(ada) for _ in range(2)], sockets.agent(ben)
    for socket in (user, *tabs):
        socket.join(session_id)

    transfer(operator, session_id, ben)

    unassigned = {"sessionId": session_id, "agentId": ada, "reason": "transferred"}
    for socket in (user, *tabs):
        assert socket.wait_for("session_unassigned") == [unassigned]
    assert new.wait_for("session_assigned")[0]["id"] == session_id
    assert user.wait_for("agent_assigned")[0]["agentId"] == ben
    left = eventually(lambda: [event for event in user.heard("user_left") if event["userId"] == ada])
    assert [event["reason"] for event in left] == ["unassigned"]
    assert user.say(session_id)["success"]
    assert user.wait_for("new_message")
    for tab in tabs:
        assert tab.is_connected
        assert tab.heard("new_message") == []
        assert_refused(tab.call("join_session", {"sessionId": session_id}), "FORBIDDEN")
        assert_refused(tab.call("typing_start", {"sessionId": session_id}), "FORBIDDEN")


@pytest.mark.parametrize("moment", ["find_session", "joined"])
def test_an_agent_that_joins_while_it_loses_the_session_is_refused(
    app: Flask, operator: Api, ada: str, ben: str, session_id: str, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    sockets = Sockets(app)
    agent, user = sockets.agent(ada), sockets.user("u1")
    user.join(session_id)
    owner = access if moment == "find_session" else joins
    just_after(monkeypatch, owner, moment, lambda: transfer(operator, session_id, ben))

    assert_refused(agent.call("join_session", {"sessionId": session_id}), "FORBIDDEN")

    assert user.say(session_id)["success"]
    assert user.wait_for("new_message")
    assert agent.heard("new_message") == []
    assert user.heard("user_joined") == []


def test_a_session_goes_to_the_front_of_the_queue_and_to_another_agent(
    apis: Apis, operator: Api, ada: str, ben: str, session_id: str
) -> None:
    assert data_of(transfer(apis.agent(ada), session_id))["agentId"] == ben


def test_a_session_waits_in_the_queue_if_no_other_agent_has_room(
    apis: Apis, operator: Api, ada: str, session_id: str
) -> None:
    operator.patch(f"/api/agents/{ada}", {"isOnline": False})
    newcomer = operator.start("u2")["sessionId"]

    session = data_of(transfer(apis.agent(ada), session_id))

    assert (session["status"], session["agentId"], session["queuePosition"]) == ("waiting", None, 1)
    assert operator.session(newcomer)["queuePosition"] == 2
    assert held(operator, ada) == []


def test_a_session_waits_in_the_queue_if_no_other_agent_is_present(apis: Apis, ada: str, session_id: str) -> None:
    assert data_of(transfer(apis.agent(ada), session_id))["agentId"] == ada
    assert violations(connection.database()) == []


def test_a_full_agent_and_an_absent_one_cannot_get_a_session(
    apis: Apis, operator: Api, ada: str, ben: str, session_id: str
) -> None:
    operator.start("u2")
    assert held(operator, ben) == ["u2"]

    assert_failure(transfer(apis.agent(ada), session_id, ben), 409, "AGENT_AT_CAPACITY")
    operator.patch(f"/api/agents/{ben}", {"maxUsers": 2, "isOnline": False})
    assert_failure(transfer(apis.agent(ada), session_id, ben), 409, "AGENT_BUSY")
    connection.database().agents.update_one({"name": "Ben"}, {"$set": {"isOnline": True, "isAway": True}})
    assert_failure(transfer(apis.agent(ada), session_id, ben), 409, "AGENT_BUSY")

    assert operator.session(session_id)["agentId"] == ada
    assert (held(operator, ada), held(operator, ben)) == (["u1"], ["u2"])


def test_invalid_transfers_are_refused(apis: Apis, operator: Api, ada: str, ben: str, session_id: str) -> None:
    assert_failure(transfer(apis.agent(ada), session_id, UNKNOWN), 404, "AGENT_NOT_FOUND")
    assert_failure(transfer(apis.agent(ada), session_id, "nobody"), 404, "AGENT_NOT_FOUND")
    assert_failure(transfer(apis.agent(ada), session_id, {"$ne": ""}), 400, "INVALID_AGENT")
    assert_failure(transfer(operator, UNKNOWN, ben), 404, "SESSION_NOT_FOUND")
    for stranger in (apis.agent(ben), apis.user("u1"), apis.user("u2")):
        assert_failure(transfer(stranger, session_id, ben), 403, "FORBIDDEN")
    operator.end(session_id)
    assert_failure(transfer(apis.agent(ada), session_id, ben), 409, "SESSION_ENDED")
    assert_failure(transfer(operator, session_id), 409, "SESSION_ENDED")


def test_an_operator_may_give_a_waiting_session_to_an_agent(operator: Api, ada: str, ben: str, session_id: str) -> None:
    operator.start("u2")
    first, second = (operator.start(f"w{number}")["sessionId"] for number in (1, 2))
    carl = operator.create_agent("Carl", isOnline=False)["id"]
    assert_failure(transfer(operator, second, carl), 409, "AGENT_BUSY")
    operator.patch(f"/api/agents/{ben}", {"maxUsers": 50, "isOnline": False})

    assert data_of(transfer(operator, second))["status"] == "waiting"
    connection.database().agents.update_one({"name": "Carl"}, {"$set": {"isOnline": True}})
    assert data_of(transfer(operator, second, carl))["agentId"] == carl

    serving.drain_queue()  # No process knows yet that Carl is online.
    assert operator.session(first)["agentId"] == carl
    assert violations(connection.database()) == []


def test_a_repeated_request_changes_nothing(operator: Api, ben: str, session_id: str) -> None:
    first = data_of(transfer(operator, session_id, ben))

    assert data_of(transfer(operator, session_id, ben))["agentId"] == first["agentId"] == ben
    assert held(operator, ben) == ["u1"]


def test_transfers_racing_each_other_and_the_end(operator: Api, ada: str, ben: str, session_id: str) -> None:
    carl = operator.create_agent("Carl", maxUsers=1)["id"]
    calls = [partial(transfer, operator, session_id, agent_id) for agent_id in (ben, carl, ada, None)]

    for _ in range(5):
        answers = run_together(*calls)
        assert {answer.status_code for answer in answers} <= {200, 409}
        assert violations(connection.database()) == []
    *answers, ended = run_together(*calls, partial(operator.end, session_id))

    assert ended.status_code == 200
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert operator.session(session_id)["status"] == "ended"
    assert [held(operator, agent_id) for agent_id in (ada, ben, carl)] == [[], [], []]


def test_a_session_that_ends_just_before_it_moves_leaves_its_slot_to_the_next(
    operator: Api, ada: str, ben: str, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.patch(f"/api/agents/{ada}", {"maxUsers": 1})
    started: list[str] = []

    def meanwhile() -> None:
        operator.end(session_id)
        started.extend(operator.start(f"w{number}")["status"] for number in (1, 2))

    just_after(monkeypatch, slots, "claim", meanwhile)

    assert_failure(transfer(operator, session_id, ben), 409, "SESSION_ENDED")

    assert started == ["active", "waiting"], "Ben's slot was taken by the transfer"
    assert (held(operator, ada), held(operator, ben)) == (["w1"], ["w2"])
    assert violations(connection.database()) == []


def test_a_target_that_is_deleted_just_before_the_session_moves(
    operator: Api, ada: str, ben: str, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    just_before(monkeypatch, slots, "holds", lambda: operator.delete(f"/api/agents/{ben}"))

    assert data_of(transfer(operator, session_id, ben))["agentId"] == ada
    assert violations(connection.database()) == []
