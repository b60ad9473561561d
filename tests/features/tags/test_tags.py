"""Tags: staff give them, lists are filtered by them, counts are true at once, and users see nothing of them."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from werkzeug.test import TestResponse

from chatsupport.features.tags import service
from tests.api import Api, Apis, assert_failure, data_of
from tests.interleaving import just_before
from tests.sockets import Socket

TAGS = "/api/chat/tags"


def put(api: Api, session_id: str, *tags: Any) -> TestResponse:
    return api.client.put(f"{TAGS}/{session_id}", json={"tags": list(tags)}, headers=api.headers)


def listed(api: Api, **query: Any) -> list[str]:
    return [session["id"] for session in data_of(api.get("/api/chat/sessions", **query))["sessions"]]


def counts(api: Api) -> dict[str, int]:
    return {row["tag"]: row["count"] for row in data_of(api.get("/api/tags"))["tags"]}


def test_staff_tag_a_session(apis: Apis, operator: Api, ada: str, session_id: str) -> None:
    shown = data_of(
        put(apis.agent(ada), session_id, " VIP ", "refund", "vip", "Stra\u00dfe", "STRASSE", "e\u0301", "\u00c9")
    )

    assert (shown["id"], shown["tags"]) == (session_id, ["VIP", "refund", "Stra\u00dfe", "e\u0301"])
    assert operator.session(session_id)["tags"] == shown["tags"]
    assert data_of(put(operator, session_id, "new"))["tags"] == ["new"]
    assert data_of(put(operator, session_id))["tags"] == []
    assert counts(operator) == {}


@pytest.mark.parametrize(
    "tags",
    [
        ["x" * 41],
        [""],
        [" \u200b"],
        [1],
        [None],
        [{"$gt": ""}],
        "vip",
        None,
        {"0": "vip"},
        ["\x00"],
        [str(n) for n in range(11)],
    ],
)
def test_what_are_no_tags_is_refused(operator: Api, session_id: str, tags: Any) -> None:
    response = operator.client.put(f"{TAGS}/{session_id}", json={"tags": tags}, headers=operator.headers)

    failure = assert_failure(response, 400, "INVALID_TAGS")
    assert failure["details"][0]["field"].partition(".")[0] == "tags"
    assert " must " in failure["message"]
    assert_failure(operator.client.put(f"{TAGS}/{session_id}", json={}, headers=operator.headers), 400, "INVALID_TAGS")
    assert operator.session(session_id)["tags"] == []


def test_only_staff_of_the_session_may(apis: Apis, operator: Api, session_id: str, ben: str) -> None:
    for api in (apis.user("u1"), apis.user("u2"), apis.agent(ben)):
        assert_failure(put(api, session_id, "vip"), 403, "FORBIDDEN")
    assert_failure(put(operator, "none", "vip"), 404, "SESSION_NOT_FOUND")
    assert_failure(apis.user("u1").get("/api/tags"), 403, "FORBIDDEN")
    assert counts(apis.agent(ben)) == {}


def test_lists_are_filtered_by_tag_in_any_capitals(apis: Apis, operator: Api, ada: str, session_id: str) -> None:
    other, third = (operator.start(user)["sessionId"] for user in ("u2", "u3"))
    for tagged in (session_id, other):
        put(operator, tagged, "VIP")
    put(operator, third, "vip 2")

    assert listed(operator, tag="vIp") == [other, session_id]
    assert listed(operator, tag="vip", status="waiting") == [other]
    assert listed(apis.agent(ada), tag="vip") == [session_id]
    assert listed(operator, tag="VI") == []
    page = data_of(operator.get("/api/chat/sessions", tag="vip", limit=1))
    assert listed(operator, tag="vip", limit=1, cursor=page["nextCursor"]) == [session_id]
    assert_failure(operator.get("/api/chat/sessions", tag=""), 400, "INVALID_TAGS")
    assert_failure(operator.get("/api/chat/sessions", tag="x" * 41), 400, "INVALID_TAGS")


def test_counts_are_true_at_once(operator: Api, session_id: str) -> None:
    other = operator.start("u2")["sessionId"]
    put(operator, session_id, "VIP", "refund")
    put(operator, other, "vip")
    operator.end(other)

    assert data_of(operator.get("/api/tags"))["tags"] == [{"tag": "VIP", "count": 2}, {"tag": "refund", "count": 1}]
    put(operator, session_id, "refund")
    assert counts(operator) == {"refund": 1, "vip": 1}


def test_counts_and_lists_come_from_the_index(operator: Api, session_id: str, profile: Any) -> None:
    others = [operator.start(f"u{number}")["sessionId"] for number in range(2, 6)]
    put(operator, session_id, "vip")
    before = len(profile())

    counts(operator)
    listed(operator, tag="vip")

    # The search may read the new sessions meanwhile.
    rows = [row for row in profile()[before:] if service.KEY in str(row["command"])]
    assert others
    assert [row["docsExamined"] for row in rows] == [1, 1]
    assert {row["planSummary"].split("{")[0] for row in rows} == {"IXSCAN "}


@pytest.mark.features("reports")
def test_reports_count_the_tags_of_ended_sessions(apis: Apis, operator: Api, ada: str, session_id: str) -> None:
    ben = operator.create_agent("Ben", maxUsers=5)["id"]
    alone, still_open = (operator.start(user)["sessionId"] for user in ("u2", "u3"))
    apis.agent(ben).end(alone)
    put(operator, session_id, "VIP", "refund")
    put(operator, alone, "vip", "=1+1")  # Tags of ended sessions count too.
    put(operator, still_open, "open")
    operator.end(session_id)

    report = data_of(operator.get("/api/reports/summary"))

    assert report["total"]["tags"] == [
        {"tag": "VIP", "sessions": 2},
        {"tag": "=1+1", "sessions": 1},
        {"tag": "refund", "sessions": 1},
    ]
    of_agents = {row["agentId"]: [tag["tag"] for tag in row["tags"]] for row in report["agents"]}
    assert of_agents == {ada: ["refund", "VIP"], ben: ["=1+1", "VIP"]}
    assert (
        data_of(operator.get("/api/reports/summary", **{"from": "2020-01-01", "to": "2020-01-02"}))["total"]["tags"]
        == []
    )
    operator.headers["Accept"] = "text/csv"
    text = operator.get("/api/reports/summary").text.removeprefix("\ufeff")
    rows = [row for row in csv.DictReader(io.StringIO(text, newline="")) if row["row"] == "tag"]
    assert [(row["tag"], row["sessions"]) for row in rows] == [("VIP", "2"), ("'=1+1", "1"), ("refund", "1")]


def test_users_see_no_tags(
    apis: Apis, operator: Api, session_id: str, user: Api, user_socket: Socket, agent_socket: Socket
) -> None:
    put(operator, session_id, "angry")

    assert agent_socket.heard("session_updated")[-1]["tags"] == ["angry"]
    assert "angry" not in str(user_socket.client.queue)
    for path in (f"session/{session_id}", "session/current"):
        assert "angry" not in user.get(f"/api/chat/{path}").text
    assert "angry" not in str(user.start("u1"))


@pytest.mark.features("privacy")
def test_an_erasure_takes_the_tags(operator: Api, session_id: str) -> None:
    put(operator, session_id, "Jane from Rome")
    data_of(operator.delete("/api/users/u1"))

    assert counts(operator) == {}


@pytest.mark.features("privacy")
def test_tags_that_come_behind_an_erasure_are_not_kept(
    operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    just_before(monkeypatch, service, "_key", lambda: operator.delete("/api/users/u1"))

    assert_failure(put(operator, session_id, "Jane"), 403, "FORBIDDEN")
    assert counts(operator) == {}
