"""The choice of an agent: the last agent again, the agent to avoid, and races that must lose no session."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from bson import ObjectId

from chatsupport import command_notices
from chatsupport.background import Coalesced
from chatsupport.contract.people import AgentFields
from chatsupport.database import clock, connection
from chatsupport.documents import Agent, Session
from chatsupport.services.assignment import matching, reconciliation, serving, slots, transitions
from chatsupport.services.people import agents
from chatsupport.services.sessions import starting
from tests.api import Api, Apis, data_of
from tests.applications import AsCommand, MakeApp
from tests.concurrency import run_together
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


def test_an_agent_that_gets_work_while_it_holds_a_slot_for_nothing_does_not_count_as_idle(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben = (operator.create_agent(name)["id"] for name in ("Ada", "Ben"))
    meanwhile: list[str | None] = []
    # The first start of u1 has a slot of Ada's, and then gives it back.
    just_before(monkeypatch, starting, "_insert", lambda: meanwhile.extend(agent_of(operator, u) for u in ("u1", "u2")))

    assert agent_of(operator, "u1") == ben
    assert meanwhile == [ben, ada]
    assert agent_of(operator, "u3") == ben


def test_a_returning_user_gets_the_last_agent_even_if_another_is_less_busy(operator: Api) -> None:
    ada = operator.create_agent("Ada")["id"]
    assert visit(operator, "u1") == ada
    operator.start("u2")
    operator.create_agent("Ben")

    assert agent_of(operator, "u1") == ada


@pytest.mark.parametrize("reason", ["full", "offline", "away", "deleted"])
def test_a_returning_user_gets_another_agent_if_the_last_is_not_free(operator: Api, reason: str) -> None:
    ada = operator.create_agent("Ada", maxUsers=1)["id"]
    assert visit(operator, "u1") == ada
    if reason == "full":
        operator.start("u2")
    elif reason == "offline":
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
    elif reason == "away":
        Agent.collection().update_one({}, {"$set": {"isAway": True}})
    else:
        operator.delete(f"/api/agents/{ada}")
    ben = operator.create_agent("Ben")["id"]

    assert agent_of(operator, "u1") == ben


def test_a_waiting_user_gets_the_last_agent_if_that_one_is_free_too(operator: Api) -> None:
    ada = operator.create_agent("Ada", maxUsers=2)["id"]
    assert visit(operator, "u1") == ada
    operator.patch(f"/api/agents/{ada}", {"isOnline": False})
    session_id = operator.start("u1")["sessionId"]
    # Both accept sessions again at the same moment; Ben has waited longer.
    ben = operator.create_agent("Ben", isOnline=False)["id"]
    Agent.collection().update_many({}, {"$set": {"isOnline": True}})
    Agent.collection().update_one({"_id": ObjectId(ben)}, {"$set": {"idleSince": clock.now() - timedelta(hours=1)}})

    serving.drain_queue()

    assert operator.session(session_id)["agentId"] == ada


def test_without_sticky_agent_the_least_loaded_agent_is_chosen(make_app: MakeApp) -> None:
    operator = Apis(make_app(sticky_agent=False)).operator()
    ada = operator.create_agent("Ada")["id"]
    assert visit(operator, "u1") == ada
    operator.start("u2")
    ben = operator.create_agent("Ben")["id"]

    assert agent_of(operator, "u1") == ben


def test_a_session_that_must_avoid_the_only_free_agent_does_not_block_the_next(operator: Api) -> None:
    ada = operator.create_agent("Ada", maxUsers=1)["id"]
    ben = operator.create_agent("Ben", maxUsers=1)["id"]
    silent, _ = operator.start("u1"), operator.start("u2")
    session = Session.collection().find_one({"userId": "u1"})
    transitions.requeue(session, transitions.NO_REPLY, avoid=True, strictly=True)

    newcomer = operator.start("u3")

    assert newcomer["agentId"] == ada
    assert operator.session(silent["sessionId"])["queuePosition"] == 1
    operator.end(newcomer["sessionId"])
    assert operator.session(silent["sessionId"])["status"] == "waiting", "not straight back to the same one"
    operator.delete(f"/api/agents/{ben}")
    assert operator.session(silent["sessionId"])["agentId"] == ada, "nobody else is there any more"


def test_a_double_start_takes_one_slot(operator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    operator.create_agent(maxUsers=2)
    statuses: list[str] = []

    def meanwhile() -> None:
        statuses.extend(operator.start(user_id)["status"] for user_id in ("u1", "u2"))

    # The first start of u1 has found no session but not stored its own; the second one is faster.
    just_before(monkeypatch, starting, "_insert", meanwhile)

    assert data_of(operator.post("/api/chat/start-session", {"userId": "u1"}))["status"] == "active"

    # The second slot was the first start's, which gives it to the next in line.
    assert statuses == ["active", "waiting"]
    assert violations(connection.database()) == []
    assert Agent.objects.first().active_users == ["u1", "u2"]


def test_a_late_requeue_does_not_take_the_slot_of_the_next_assignment(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = operator.create_agent(maxUsers=1)["id"]
    session_id = operator.start("u1")["sessionId"]
    seen = Session.collection().find_one()

    def meanwhile() -> None:
        # The same session leaves the agent and comes back, while this process still sees it there as before.
        assert transitions.requeue(seen, transitions.AWAY)
        serving.drain_queue()

    just_before(monkeypatch, transitions.outbox, "added", meanwhile)

    assert transitions.requeue(seen, transitions.AWAY) is False

    assert operator.session(session_id)["agentId"] == ada
    assert violations(connection.database()) == []


def test_a_delayed_release_does_not_free_the_sessions_new_slot(operator: Api) -> None:
    """This once gave an agent with `maxUsers` 1 two people: the session held the slot, but the agent seemed free."""
    ada = operator.create_agent(maxUsers=1)["id"]
    session_id = operator.start("u1")["sessionId"]
    before = Session.collection().find_one()
    transitions.requeue(before, transitions.AWAY)
    serving.drain_queue()

    assert slots.release(before["agentId"], before["_id"], before["slotId"]) is False

    assert operator.session(session_id)["agentId"] == ada
    assert operator.start("u2")["status"] == "waiting"
    assert violations(connection.database()) == []


def test_a_process_stopped_during_an_end_frees_no_other_sessions_slot(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.create_agent(maxUsers=1)
    session_id = operator.start("u1")["sessionId"]

    def meanwhile() -> None:
        # The reconciler has freed the slot, and another session has it.
        slots.release(*slot_of(session_id))
        assert operator.start("u2")["status"] == "active"

    just_before(monkeypatch, slots, "release", meanwhile)
    operator.end(session_id)

    assert operator.start("u3")["status"] == "waiting"
    assert violations(connection.database()) == []


def slot_of(session_id: str) -> tuple[ObjectId, ObjectId, ObjectId]:
    session = Session.collection().find_one({"_id": ObjectId(session_id)})
    return session["agentId"], session["_id"], session["slotId"]


@pytest.mark.parametrize("leaves", ["end", "requeue", "transfer"])
def test_a_session_and_a_slot_without_slot_ids_still_work(operator: Api, leaves: str) -> None:
    ada = operator.create_agent("Ada", maxUsers=2)["id"]
    old, other = (operator.start(user_id)["sessionId"] for user_id in ("u1", "u2"))
    Agent.collection().update_one({}, {"$unset": {"slots": ""}})
    Session.collection().update_many({}, {"$unset": {"slotId": ""}})
    assert violations(connection.database()) == []
    ben = operator.create_agent("Ben", maxUsers=3)["id"]

    if leaves == "end":
        operator.end(old)
    else:
        operator.post(f"/api/chat/transfer/{old}", {"agentId": ben} if leaves == "transfer" else {})

    assert operator.session(old)["agentId"] == (ada if leaves == "end" else ben)
    assert operator.get(f"/api/agents/{ada}").json["data"]["activeUsers"] == ["u2"]
    assert violations(connection.database()) == []
    operator.start("u3")
    operator.end(other)
    assert violations(connection.database()) == []


@pytest.mark.parametrize("leaves", ["end", "requeue", "transfer"])
def test_a_session_moved_by_a_release_without_slot_ids_still_works(operator: Api, leaves: str) -> None:
    """As in a rolling deployment: that release leaves the previous slot's id in the session, and the slot's entry."""
    ada = operator.create_agent("Ada", maxUsers=3)["id"]
    moved, other = (operator.start(user_id)["sessionId"] for user_id in ("u1", "u2"))
    ben = operator.create_agent("Ben", maxUsers=2)["id"]
    agents, session = Agent.collection(), {"_id": ObjectId(moved)}
    agents.update_one({"name": "Ada"}, {"$pull": {"activeSessions": session["_id"], "activeUsers": "u1"}})
    agents.update_one({"name": "Ada"}, {"$set": {"load": 1}})
    operator.post(f"/api/chat/transfer/{other}", {"agentId": ben})  # This session's slot has an id.
    agents.update_one({"name": "Ben"}, {"$push": {"activeSessions": session["_id"], "activeUsers": "u1"}})
    agents.update_one({"name": "Ben"}, {"$set": {"load": 2, "hasRoom": False}})
    Session.collection().update_one(session, {"$set": {"agentId": ObjectId(ben)}})
    assert reconciliation.run() == 0

    if leaves == "end":
        operator.end(moved)
    else:
        operator.post(f"/api/chat/transfer/{moved}", {"agentId": ada} if leaves == "transfer" else {})

    assert operator.get(f"/api/agents/{ben}").json["data"]["activeUsers"] == ["u2"]
    operator.start("u3")
    assert violations(connection.database()) == []


def test_a_session_whose_agent_is_deleted_during_the_assignment_goes_to_the_next(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = operator.start("u1")["sessionId"]
    doomed = Agent.collection().insert_one(agents._document(AgentFields(name="Ada"))).inserted_id
    ben = Agent.collection().insert_one(agents._document(AgentFields(name="Ben"))).inserted_id

    def in_another_process() -> None:
        with pytest.MonkeyPatch.context() as there:
            there.setattr(serving, "drain_queue", Coalesced(serving._drain))
            operator.delete(f"/api/agents/{doomed}")

    # Exactly between the writes of the slot and of the session.
    just_before(monkeypatch, transitions, "give", in_another_process)

    serving.drain_queue()

    session = operator.session(session_id)
    assert (session["status"], session["agentId"]) == ("active", str(ben))


def test_a_session_that_ends_during_its_assignment_leaves_the_slot_to_the_next(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (operator.start(user_id)["sessionId"] for user_id in ("u1", "u2"))
    just_before(monkeypatch, transitions, "give", lambda: operator.end(first))

    operator.create_agent(maxUsers=1)

    assert [operator.session(session_id)["status"] for session_id in (first, second)] == ["ended", "active"]
    assert violations(connection.database()) == []


def status_of(operator: Api, *session_ids: str) -> list[str]:
    return [operator.session(session_id)["status"] for session_id in session_ids]


def test_the_first_in_line_is_not_passed_if_a_slot_comes_free_during_the_search(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.create_agent(maxUsers=1)
    active, first, second = (operator.start(user_id)["sessionId"] for user_id in ("u1", "u2", "u3"))
    slot = slot_of(active)
    Session.collection().update_one({"_id": ObjectId(active)}, {"$set": {"status": "ended"}})

    just_after(monkeypatch, matching, "claim_slot_for", lambda: slots.release(*slot))
    serving.drain_queue()

    assert "active" not in status_of(operator, second)
    serving.drain_queue()
    assert status_of(operator, first, second) == ["active", "waiting"]


def test_a_new_session_gives_its_slot_to_an_earlier_one(operator: Api) -> None:
    # Stored by a process that was killed before it looked for an agent, or is about to look.
    before = starting._insert(starting._new("u1", "user"))
    Agent.collection().insert_one(agents._document(AgentFields(name="Ada", max_users=1)))

    newcomer = operator.start("u2")

    assert status_of(operator, str(before["_id"]), newcomer["sessionId"]) == ["active", "waiting"]
    assert newcomer["queuePosition"] == 1
    assert operator.get("/api/agents").json["data"]["agents"][0]["activeUsers"] == ["u1"]
    assert violations(connection.database()) == []


def test_a_session_that_returns_to_the_front_gets_the_slot_being_taken(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = operator.create_agent("Ada", maxUsers=1)["id"]
    returning, waiting = (operator.start(user_id)["sessionId"] for user_id in ("u1", "u2"))
    Agent.collection().insert_one(agents._document(AgentFields(name="Ben", max_users=1)))
    session = Session.collection().find_one({"_id": ObjectId(returning)})

    def in_another_process() -> None:
        with pytest.MonkeyPatch.context() as there:
            there.setattr(serving, "drain_queue", Coalesced(serving._drain))
            transitions.requeue(session, transitions.AWAY)

    just_before(monkeypatch, transitions, "give", in_another_process)

    operator.patch(f"/api/agents/{ada}", {"isOnline": False})

    assert status_of(operator, returning, waiting) == ["active", "waiting"]
    assert violations(connection.database()) == []


def test_a_session_returned_by_an_agent_is_passed_only_for_that_agent(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = operator.create_agent("Ada", maxUsers=1)["id"]
    ben = operator.create_agent("Ben", maxUsers=1)["id"]
    silent, other = (operator.start(user_id)["sessionId"] for user_id in ("u1", "u2"))
    behind = operator.start("u3")["sessionId"]
    session = Session.collection().find_one({"_id": ObjectId(silent)})
    assert session["agentId"] == ObjectId(ada)
    Agent.collection().update_one({"_id": ObjectId(ada)}, {"$set": {"isOnline": False}})
    transitions.requeue(session, transitions.NO_REPLY, avoid=True, strictly=True)
    # Ada comes back just when no agent was found for the first in line; the next one gets Ben's slot.
    slot = slot_of(other)
    Session.collection().update_one({"_id": ObjectId(other)}, {"$set": {"status": "ended"}})
    just_before(monkeypatch, matching, "others_are_there", lambda: slots.release(*slot))

    serving.drain_queue()

    assert [operator.session(session_id)["agentId"] for session_id in (silent, behind)] == [ben, None]
    assert violations(connection.database()) == []


def test_concurrent_starts_ends_and_requeues_break_no_rule(operator: Api) -> None:
    team = [operator.create_agent(f"A{number}", maxUsers=2)["id"] for number in range(3)]
    open_sessions = [operator.start(f"u{number}")["sessionId"] for number in range(10)]

    run_together(
        *[partial(operator.end, session_id) for session_id in open_sessions[:4]],
        *[partial(operator.start, f"n{number}") for number in range(4)],
        *[partial(operator.post, f"/api/chat/transfer/{session_id}") for session_id in open_sessions[2:6]],
        *[partial(operator.patch, f"/api/agents/{team[0]}", {"isOnline": online}) for online in (False, True)],
        partial(operator.delete, f"/api/agents/{team[1]}"),
    )

    assert violations(connection.database()) == []
    rows = data_of(operator.get("/api/chat/sessions", status="waiting"))["sessions"]
    assert sorted(row["queuePosition"] for row in rows) == list(range(1, len(rows) + 1))


def test_a_session_of_an_agent_deleted_meanwhile_goes_to_another_within_a_second(
    operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    just_before(monkeypatch, starting, "_insert", lambda: operator.delete(f"/api/agents/{ada}"))
    session_id = operator.start("u1")["sessionId"]
    ben = operator.create_agent("Ben")["id"]

    transitions.requeue_late()

    assert operator.session(session_id)["agentId"] == ben
    assert violations(connection.database()) == []


def test_a_session_of_an_agent_deleted_by_a_command_waits_no_longer(
    operator: Api, ada: str, as_command: AsCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = command_notices.Reader()
    reader.look()

    def delete() -> None:
        as_command(lambda: operator.delete(f"/api/agents/{ada}"))

    just_before(monkeypatch, starting, "_insert", delete)
    session_id = operator.start("u1")["sessionId"]
    transitions.requeue_late()
    assert operator.session(session_id)["agentId"] == ada

    reader.look()
    transitions.requeue_late()

    assert operator.session(session_id)["status"] == "waiting"
    assert violations(connection.database()) == []


def test_sessions_of_a_deleted_agent_are_searched_until_no_assignment_can_be_in_progress(
    operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.delete(f"/api/agents/{ada}")
    transitions.requeue_late()
    assert ObjectId(ada) in transitions._deleted

    monkeypatch.setattr(slots, "LONGEST_WRITE", timedelta(0))
    transitions.requeue_late()
    assert not transitions._deleted
