"""Who gets whom: the last agent again, the agent to be avoided, and races that must lose nobody."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from bson import ObjectId

from chatsupport.database import clock, connection
from chatsupport.documents import Agent, Session
from chatsupport.services import assignment, queue, sessions, slots
from tests.api import Api, Apis, data_of
from tests.concurrency import run_together
from tests.integration.conftest import MakeApp
from tests.interleaving import just_after, just_before
from tests.invariants import violations


def agent_of(operator: Api, user_id: str) -> str | None:
    agent_id: str | None = operator.start(user_id)["agentId"]
    return agent_id


def visit(operator: Api, user_id: str) -> str | None:
    """Start and end a session; return its agent."""
    session = operator.start(user_id)
    operator.end(session["sessionId"])
    return session["agentId"]  # type: ignore[no-any-return]


def test_a_returning_user_gets_the_last_agent_though_another_is_less_busy(operator: Api) -> None:
    ada = operator.create_agent("Ada")["id"]
    assert visit(operator, "u1") == ada
    operator.start("u2")
    operator.create_agent("Ben")

    assert agent_of(operator, "u1") == ada


@pytest.mark.parametrize("reason", ["full", "offline", "away", "deleted"])
def test_a_returning_user_gets_another_agent_where_the_last_is_not_free(operator: Api, reason: str) -> None:
    ada = operator.create_agent("Ada", maxUsers=1)["id"]
    assert visit(operator, "u1") == ada
    if reason == "full":
        operator.start("u2")
    elif reason == "offline":
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
    elif reason == "away":
        Agent._get_collection().update_one({}, {"$set": {"isAway": True}})
    else:
        operator.delete(f"/api/agents/{ada}")
    ben = operator.create_agent("Ben")["id"]

    assert agent_of(operator, "u1") == ben


def test_a_returning_user_that_has_to_wait_gets_the_last_agent_where_both_are_free_then(operator: Api) -> None:
    ada = operator.create_agent("Ada", maxUsers=2)["id"]
    assert visit(operator, "u1") == ada
    operator.patch(f"/api/agents/{ada}", {"isOnline": False})
    session_id = operator.start("u1")["sessionId"]
    # Both take sessions again at the same moment; Ben has waited longer.
    ben = operator.create_agent("Ben", isOnline=False)["id"]
    Agent._get_collection().update_many({}, {"$set": {"isOnline": True}})
    Agent._get_collection().update_one(
        {"_id": ObjectId(ben)}, {"$set": {"idleSince": clock.now() - timedelta(hours=1)}}
    )

    assignment.drain_queue()

    assert operator.session(session_id)["agentId"] == ada


def test_without_sticky_agent_the_least_loaded_one_is_taken(make_app: MakeApp) -> None:
    operator = Apis(make_app(sticky_agent=False)).operator()
    ada = operator.create_agent("Ada")["id"]
    assert visit(operator, "u1") == ada
    operator.start("u2")
    ben = operator.create_agent("Ben")["id"]

    assert agent_of(operator, "u1") == ben


def test_one_that_must_not_have_the_only_free_agent_does_not_block_the_next(operator: Api) -> None:
    ada = operator.create_agent("Ada", maxUsers=1)["id"]
    ben = operator.create_agent("Ben", maxUsers=1)["id"]
    silent, _ = operator.start("u1"), operator.start("u2")
    session = Session._get_collection().find_one({"userId": "u1"})
    assignment.requeue(session, assignment.NO_REPLY, avoid=True, strictly=True)

    newcomer = operator.start("u3")

    assert newcomer["agentId"] == ada
    assert operator.session(silent["sessionId"])["queuePosition"] == 1
    operator.end(newcomer["sessionId"])
    assert operator.session(silent["sessionId"])["status"] == "waiting", "not straight back to the same one"
    operator.delete(f"/api/agents/{ben}")
    assert operator.session(silent["sessionId"])["agentId"] == ada, "nobody else is there any more"


def test_a_slot_that_a_double_start_gives_back_goes_to_who_waits(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.create_agent(maxUsers=2)
    statuses: list[str] = []

    def meanwhile() -> None:
        statuses.extend(operator.start(user_id)["status"] for user_id in ("u1", "u2"))

    # The first start of u1 has taken a slot but not stored its session; the second one is faster.
    just_after(monkeypatch, assignment, "claim_slot_for", meanwhile)

    operator.start("u1")

    assert statuses == ["active", "waiting"]
    assert violations(connection.database()) == []
    assert Agent.objects.first().active_users == ["u1", "u2"]


def test_a_late_requeue_does_not_take_the_slot_of_the_next_assignment(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = operator.create_agent(maxUsers=1)["id"]
    session_id = operator.start("u1")["sessionId"]
    seen = Session._get_collection().find_one()
    claimed: list[assignment.Document | None] = []

    def meanwhile() -> None:
        # The same session leaves the agent and is on its way back to it, when this one still thinks it is there.
        assert assignment.requeue(seen, assignment.AWAY)
        claimed.append(slots.claim(seen["_id"], seen["userId"]))

    just_before(monkeypatch, assignment, "now", meanwhile)

    assert assignment.requeue(seen, assignment.AWAY) is False

    assert claimed[0] is not None
    assert assignment.assign(seen, claimed[0])
    assert operator.session(session_id)["agentId"] == ada
    assert violations(connection.database()) == []


def test_a_session_whose_agent_is_deleted_before_it_is_told_goes_to_the_next(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    doomed = operator.create_agent("Ada")["id"]
    ben = operator.create_agent("Ben", isOnline=False)["id"]
    Agent._get_collection().update_one({"_id": ObjectId(ben)}, {"$set": {"isOnline": True, "load": 1}})
    # Exactly between the slot and the session.
    just_before(monkeypatch, sessions, "_insert_active", lambda: operator.delete(f"/api/agents/{doomed}"))

    session = operator.start("u1")

    assert (session["status"], session["agentId"]) == ("active", ben)


def test_who_ends_while_being_served_leaves_the_slot_to_the_next(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (operator.start(user_id)["sessionId"] for user_id in ("u1", "u2"))
    just_before(monkeypatch, assignment, "assign", lambda: operator.end(first))

    operator.create_agent(maxUsers=1)

    assert [operator.session(session_id)["status"] for session_id in (first, second)] == ["ended", "active"]
    assert violations(connection.database()) == []


def test_starts_ends_and_requeues_at_once_break_no_rule(operator: Api) -> None:
    agents = [operator.create_agent(f"A{number}", maxUsers=2)["id"] for number in range(3)]
    open_sessions = [operator.start(f"u{number}")["sessionId"] for number in range(10)]

    run_together(
        *[partial(operator.end, session_id) for session_id in open_sessions[:4]],
        *[partial(operator.start, f"n{number}") for number in range(4)],
        *[partial(operator.post, f"/api/chat/transfer/{session_id}") for session_id in open_sessions[2:6]],
        *[partial(operator.patch, f"/api/agents/{agents[0]}", {"isOnline": online}) for online in (False, True)],
        partial(operator.delete, f"/api/agents/{agents[1]}"),
    )

    assert violations(connection.database()) == []
    rows = data_of(operator.get("/api/chat/sessions", status="waiting"))["sessions"]
    assert sorted(row["queuePosition"] for row in rows) == sorted(queue.places().values())
