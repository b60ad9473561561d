"""/, /api/health and /api/chat/stats: their shapes, and true numbers."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from chatsupport import __version__
from chatsupport.database.clock import now
from chatsupport.documents import Counters, Session
from chatsupport.services.server import overview, totals
from tests.api import Api, Apis, data_of
from tests.applications import MakeApp


def forget_totals() -> None:
    """Delete the totals, as a restored backup without them does."""
    totals.reset()
    Counters.objects.delete()


def stats(api: Api) -> dict[str, Any]:
    return data_of(api.get("/api/chat/stats"))


def test_the_index_describes_the_api(apis: Apis) -> None:
    response = apis.anonymous().get("/")

    data = data_of(response)
    assert response.status_code == 200
    assert set(data) == {"message", "version", "documentation", "timestamp", "endpoints"}
    assert data["timestamp"].endswith("Z")
    assert data["documentation"] == "/api/docs"
    assert (data["message"], data["version"]) == ("Chat Support System API", __version__)
    assert {"GET /api/health", "POST /api/auth/token", "GET /api/chat/messages/:session_id"} <= set(data["endpoints"])


@pytest.mark.parametrize("app_env", ["development", "testing", "production"])
def test_health_reports_the_state(make_app: MakeApp, app_env: str) -> None:
    apis = Apis(make_app(app_env=app_env))
    apis.operator().create_agent(maxUsers=1)
    for user_id in ("u1", "u2", "u3"):
        apis.operator().start(user_id)

    response = apis.anonymous().get("/api/health")

    data = data_of(response)
    assert response.status_code == 200
    assert data.pop("timestamp").endswith("Z")
    assert data.pop("uptime") > 0
    assert data["services"].pop("clock")["status"] == "right"
    assert data["services"].pop("indexes") == {"status": "ready", "missing": []}
    assert data == {
        "status": "healthy",
        "environment": app_env,
        "version": __version__,
        "services": {"database": "connected", "sessions": {"active": 1, "total": 3}},
    }


def test_statistics_of_an_empty_system_are_zero(operator: Api) -> None:
    data = stats(operator)

    assert data["sessions"] == {"active": 0, "waiting": 0, "ended": 0, "total": 0}
    assert data["messages"] == {"total": 0, "averagePerSession": 0}
    assert data["agents"] == []
    assert data["performance"] == {"averageSessionDuration": 0, "averageWaitTime": 0, "systemLoad": "0%"}


def test_statistics_count_sessions_and_messages(operator: Api) -> None:
    operator.create_agent(maxUsers=2)
    ids = [operator.start(f"u{number}")["sessionId"] for number in range(4)]
    for session_id in (ids[0], ids[0], ids[1]):
        operator.send(session_id)
    operator.end(ids[0])

    data = stats(operator)

    assert data["sessions"] == {"active": 2, "waiting": 1, "ended": 1, "total": 4}
    assert data["messages"] == {"total": 3, "averagePerSession": 0.75}


def load_of(agent: dict[str, Any], **load: Any) -> dict[str, Any]:
    return {"id": agent["id"], "name": agent["name"], "kind": "human", **load}


def test_statistics_show_how_busy_each_agent_is(operator: Api) -> None:
    ada = operator.create_agent("Ada", maxUsers=2)
    ben = operator.create_agent("Ben", maxUsers=3)
    off = operator.create_agent("Off", maxUsers=9, isOnline=False)
    for number in range(2):
        operator.start(f"u{number}")

    data = stats(operator)

    assert data["agents"] == [
        load_of(ada, activeUsers=1, maxUsers=2, isOnline=True, utilizationRate="50%"),
        load_of(ben, activeUsers=1, maxUsers=3, isOnline=True, utilizationRate="33%"),
        load_of(off, activeUsers=0, maxUsers=9, isOnline=False, utilizationRate="0%"),
    ]
    assert data["performance"]["systemLoad"] == "40%"


def test_users_see_no_agents_in_the_statistics(apis: Apis, operator: Api) -> None:
    ada = operator.create_agent("Ada", maxUsers=2)
    operator.start("u1")

    of_user = stats(apis.user("u1"))

    assert (of_user["agentsTotal"], of_user["agents"]) == (1, [])
    assert of_user["performance"]["systemLoad"] == "50%"
    assert [agent["id"] for agent in stats(apis.agent(ada["id"]))["agents"]] == [ada["id"]]
    assert set(of_user) == set(stats(operator))


def test_with_many_agents_the_busiest_are_shown(operator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "MAX_AGENTS", 2)
    names = ("Dan", "Ada", "Cy", "Ben")
    ids = {name: operator.create_agent(name, maxUsers=3, isOnline=name in ("Cy", "Dan"))["id"] for name in names}
    for number in range(2):
        operator.start(f"u{number}")

    data = stats(operator)

    assert data["agentsTotal"] == 4
    assert [(agent["id"], agent["name"]) for agent in data["agents"]] == [(ids["Cy"], "Cy"), (ids["Dan"], "Dan")]
    assert data["performance"]["systemLoad"] == "33%"


def test_statistics_tell_mean_durations_in_seconds(operator: Api) -> None:
    operator.create_agent(maxUsers=2)
    ids = [operator.start(f"u{number}")["sessionId"] for number in range(3)]
    start = now()
    for session_id, waited, lasted in ((ids[0], 2, 100), (ids[1], 4, 50)):
        operator.end(session_id)
        Session.objects(id=session_id).update(
            created_at=start,
            first_assigned_at=start + timedelta(seconds=waited),
            ended_at=start + timedelta(seconds=lasted),
        )
    Session.objects(id=ids[2]).update(created_at=start, first_assigned_at=start + timedelta(seconds=9))
    forget_totals()
    totals.measure()

    performance = stats(operator)["performance"]

    assert performance["averageSessionDuration"] == 75
    assert performance["averageWaitTime"] == 5


def test_totals_are_kept_as_things_happen(operator: Api) -> None:
    operator.create_agent(maxUsers=1)
    first, second = operator.start("u1")["sessionId"], operator.start("u2")["sessionId"]
    for number in range(3):
        operator.send(first, f"hello {number}")
    operator.end(first)
    operator.end(second)

    before = stats(operator)
    kept = totals.read()
    forget_totals()
    totals.measure()

    assert before["sessions"] == {"active": 0, "waiting": 0, "ended": 2, "total": 2}
    assert before["messages"] == {"total": 3, "averagePerSession": 1.5}
    assert totals.read() == kept


def test_wrong_counts_of_mongodb_are_corrected(operator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    operator.send(operator.start("u1")["sessionId"])
    # As after a kill of mongod, whose own count then misses everything since its last checkpoint.
    monkeypatch.setattr(
        "pymongo.collection.Collection.estimated_document_count", lambda self: self.count_documents({}) + 7
    )
    assert stats(operator)["messages"]["total"] == 8

    totals.measure()

    assert stats(operator)["messages"]["total"] == 1
    assert stats(operator)["sessions"]["total"] == 1


def test_statistics_include_the_state_of_the_process(operator: Api) -> None:
    health = stats(operator)["systemHealth"]

    assert set(health) == {"status", "uptime", "memory", "timestamp"}
    assert health["status"] == "healthy"
    assert health["uptime"] > 0
    assert 10 < health["memory"]["used"] < health["memory"]["total"]


def test_statistics_need_credentials_and_show_a_user_no_other_user(apis: Apis, operator: Api) -> None:
    operator.create_agent()
    operator.start("somebody-else")

    assert "somebody-else" not in json.dumps(stats(apis.user("u1")))
