"""What a process remembers of denials saves it look-ups, and never lets anybody in who is denied."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from chatsupport import __version__
from chatsupport.database.clock import now
from chatsupport.documents import Agent, Denial, Process
from chatsupport.services.people import denial_memory, denials, settling
from chatsupport.services.people.denial_memory import TRUSTED_SECONDS
from chatsupport.services.server import processes
from chatsupport.services.server.processes import ThisProcess
from tests.api import Api, Apis, assert_failure, data_of
from tests.commands import COMMANDS
from tests.interleaving import just_after, just_before

STATS = "/api/chat/stats"
Pass = Callable[[float], None]


@pytest.fixture(autouse=True)
def wait(server: None, monkeypatch: pytest.MonkeyPatch) -> Pass:
    """Have so many seconds pass for what is remembered. No other time passes, however slow the machine is."""
    passed, began = [0.0], denial_memory.elapsed()
    monkeypatch.setattr(denial_memory, "elapsed", lambda: began + passed[0])

    def wait(seconds: float) -> None:
        passed[0] += seconds

    return wait


@pytest.fixture(autouse=True)
def server(apis: Apis) -> None:
    """The application is a server that has looked for denials a moment ago."""
    processes.here.begin()
    processes.here.beat()
    denials.enforce_recent()


def look_ups(api: Api) -> int:
    """Return how many of the commands of a call ask for denials, or for an agent."""
    with COMMANDS.counted() as sent:
        assert api.get("/api/auth/none").status_code == 404
        api.get("/api/chat/messages/" + "f" * 24)
    return sum(command in ("find denials", "find agents") for command in sent)


def another() -> ThisProcess:
    """Return another server process of the same release."""
    other = ThisProcess()
    other.begin()
    other.beat()
    processes.here.beat()
    return other


def store(kind: str, user_id: str, **fields: Any) -> None:
    """Store a denial as another process does, whose order is lost."""
    person = {"userId": user_id, "userType": "user", "createdAt": now(), "updatedAt": now(), **fields}
    Denial.collection().insert_one({"_id": f"{kind}:user:{user_id}", **person})


def test_the_second_call_looks_nothing_up(apis: Apis, operator: Api) -> None:
    user, agent = apis.user("u1"), apis.agent(operator.create_agent()["id"])
    assert [look_ups(user) for _ in range(2)] == [1, 0]
    assert [look_ups(agent) for _ in range(2)] == [2, 0]


def test_somebody_whose_earlier_tokens_were_revoked_costs_no_look_up(apis: Apis, operator: Api) -> None:
    data_of(operator.post("/api/auth/revoke", {"userId": "u1"}))
    token = data_of(apis.anonymous().post("/api/auth/token", {"userId": "u1"}))["token"]
    assert look_ups(apis.bearer(token)) == 0


@pytest.mark.features("blocks")
def test_what_this_process_denies_it_forgets_at_once(apis: Apis, operator: Api) -> None:
    agent_id = operator.create_agent()["id"]
    blocked, revoked, agent, out = apis.user("u1"), apis.user("u2"), apis.agent(agent_id), apis.user("u3")
    for api in (blocked, revoked, agent, out):
        assert api.get(STATS).status_code == 200

    data_of(operator.post("/api/blocks", {"userId": "u1"}))
    data_of(operator.post("/api/auth/revoke", {"userId": "u2"}))
    data_of(operator.delete(f"/api/agents/{agent_id}"))
    data_of(out.post("/api/auth/logout"))

    assert_failure(blocked.get(STATS), 403, "BLOCKED")
    for api in (revoked, agent, out):
        assert_failure(api.get(STATS), 401, "INVALID_TOKEN")


def test_what_another_process_denies_is_known_after_the_next_look(apis: Apis) -> None:
    user = apis.user("u1")
    assert user.get(STATS).status_code == 200
    store("block", "u1")
    assert user.get(STATS).status_code == 200, "the other process still waits, so nobody was told of the block"

    denials.enforce_recent()

    assert_failure(user.get(STATS), 403, "BLOCKED")


def test_without_a_look_nothing_is_trusted_for_long(apis: Apis, wait: Pass) -> None:
    user = apis.user("u1")
    assert user.get(STATS).status_code == 200
    store("block", "u1")

    wait(TRUSTED_SECONDS)

    assert_failure(user.get(STATS), 403, "BLOCKED")


def ask_for_token(apis: Apis, user_id: str) -> Any:
    return apis.anonymous().post("/api/auth/token", {"userId": user_id})


def test_after_a_survey_new_callers_need_no_look_up(apis: Apis) -> None:
    store("block", "u2")
    denials.survey()

    with COMMANDS.counted() as sent:
        token = data_of(ask_for_token(apis, "u1"))["token"]
    assert sent == []
    assert look_ups(apis.bearer(token)) == 0
    assert_failure(ask_for_token(apis, "u2"), 403, "BLOCKED")


def test_a_denial_after_a_survey_holds(apis: Apis) -> None:
    denials.survey()
    store("block", "u1")
    assert ask_for_token(apis, "u1").status_code == 201, (
        "the other process still waits, so nobody was told of the block"
    )
    denials.enforce_recent()
    assert_failure(ask_for_token(apis, "u1"), 403, "BLOCKED")


def test_a_denial_during_a_survey_is_not_overlooked(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny() -> None:
        store("block", "u1")
        denials.enforce_recent()

    just_before(monkeypatch, denials.memory, "remember_all", deny)
    denials.survey()

    assert_failure(ask_for_token(apis, "u1"), 403, "BLOCKED")


def test_very_many_denials_are_not_surveyed(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denials, "MOST_SURVEYED", 1)
    for user_id in ("u1", "u2"):
        store("block", user_id)
    denials.survey()

    assert_failure(ask_for_token(apis, "u1"), 403, "BLOCKED")
    with COMMANDS.counted() as sent:
        assert ask_for_token(apis, "u3").status_code == 201
    assert sent == ["find denials"]


def test_a_denial_during_a_look_up_is_not_remembered_as_none(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny() -> None:
        store("block", "u1")
        denials.enforce_recent()

    just_after(monkeypatch, denials, "_look_up", deny)
    user = apis.user("u1")
    assert user.get(STATS).status_code == 200, "the look-up was before the block"

    assert_failure(user.get(STATS), 403, "BLOCKED")


def test_an_agent_that_was_deleted_behind_our_back_is_refused_soon(apis: Apis, operator: Api, wait: Pass) -> None:
    agent_id = operator.create_agent()["id"]
    assert apis.agent(agent_id).get(STATS).status_code == 200
    Agent.objects(id=agent_id).delete()

    wait(denial_memory.KEPT_SECONDS)
    denials.enforce_recent()

    assert_failure(apis.agent(agent_id).get(STATS), 401, "INVALID_TOKEN")


def test_only_where_there_are_other_processes_a_denial_waits_for_them(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "SETTLED_SECONDS", 2.0)
    agents = [operator.create_agent(name)["id"] for name in "ab"]

    def seconds() -> float:
        began = time.monotonic()
        assert operator.delete(f"/api/agents/{agents.pop()}").status_code == 200
        return time.monotonic() - began

    assert seconds() < 2.0
    another()
    assert seconds() >= 2.0


def test_beside_a_process_of_another_release_nothing_is_trusted(apis: Apis) -> None:
    user = apis.user("u1")
    another()
    assert [look_ups(user) for _ in range(2)] == [1, 0]
    Process.objects(id__ne=processes.here._id).update(version=f"{__version__}.1", beat_at=now() + timedelta(seconds=1))
    processes.here.beat()
    assert [look_ups(user) for _ in range(2)] == [1, 1]
