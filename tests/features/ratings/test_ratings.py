"""Ratings: who may rate, when, and who sees it."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from chatsupport.database.clock import now
from chatsupport.documents import Session
from chatsupport.features.ratings.documents import Score
from tests.api import Api, Apis, assert_failure, data_of
from tests.applications import MakeApp
from tests.sockets import Socket

GOOD = {"score": 5, "comment": "Quick and kind."}


def rate(caller: Api, session_id: str, **body: Any) -> Any:
    return caller.post(f"/api/chat/rating/{session_id}", body)


@pytest.fixture
def answered(apis: Apis, ada: str, session_id: str) -> str:
    """The id of the session of u1, in which Ada has written."""
    assert apis.agent(ada).send(session_id).status_code == 201
    return session_id


def test_a_user_rates_and_staff_see_it(
    user: Api, operator: Api, answered: str, agent_socket: Socket, user_socket: Socket
) -> None:
    response = rate(user, answered, **GOOD)

    assert response.status_code == 201
    rated = data_of(response)
    assert rated == {"sessionId": answered, "rating": {**GOOD, "at": rated["rating"]["at"]}}
    assert agent_socket.wait_for("session_rated") == [rated]
    assert user_socket.heard("session_rated") == []
    assert operator.session(answered)["rating"] == rated["rating"]
    assert "rating" not in user.session(answered)


def test_a_rating_may_be_changed(user: Api, operator: Api, answered: str) -> None:
    rate(user, answered, **GOOD)
    response = rate(user, answered, score=1)

    assert response.status_code == 200
    assert operator.session(answered)["rating"] == data_of(response)["rating"]
    assert data_of(response)["rating"]["comment"] is None
    assert [score["score"] for score in Score.collection().find()] == [1]


def test_rating_begins_with_the_first_message_of_an_agent(user: Api, apis: Apis, ada: str, session_id: str) -> None:
    user.send(session_id)
    assert_failure(rate(user, session_id, score=5), 409, "RATING_CLOSED")
    apis.agent(ada).send(session_id)
    assert rate(user, session_id, score=5).status_code == 201


def test_rating_ends_a_day_after_the_end(user: Api, answered: str) -> None:
    user.end(answered)
    assert rate(user, answered, score=5).status_code == 201
    for hours, status in ((23.9, 200), (24.1, 409)):
        Session.objects.update(ended_at=now() - timedelta(hours=hours))
        assert rate(user, answered, score=4).status_code == status


def test_only_the_sessions_user_may_rate_it(apis: Apis, operator: Api, ada: str, answered: str) -> None:
    for other in (apis.user("u2"), apis.agent(ada), operator):
        assert_failure(rate(other, answered, score=5), 403, "FORBIDDEN")
    assert_failure(rate(apis.user("u1"), "0" * 24, score=5), 404, "SESSION_NOT_FOUND")


def test_an_agent_asking_for_help_does_not_count_as_an_answer(apis: Apis, operator: Api, ada: str) -> None:
    asker = operator.create_agent("Ben", maxUsers=1)["id"]
    session = data_of(operator.post("/api/chat/start-session", {"userId": asker, "userType": "agent"}))
    ben = apis.agent(asker)
    ben.send(session["sessionId"])

    assert_failure(rate(ben, session["sessionId"], score=5), 409, "RATING_CLOSED")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "score"),
        ({"score": 0}, "score"),
        ({"score": 6}, "score"),
        ({"score": 4.5}, "score"),
        ({"score": "5"}, "score"),
        ({"score": True}, "score"),
        ({"score": None}, "score"),
        ({"score": 2**70}, "score"),
        ({"score": {"$gt": 1}}, "score"),
        ({"score": 5, "comment": "x" * 501}, "comment"),
        ({"score": 5, "comment": 5}, "comment"),
        ({"score": 5, "comment": "a\x00"}, "comment"),
        ({"score": 5, "comment": "\ud800"}, "comment"),
    ],
)
def test_a_bad_rating_is_refused(user: Api, answered: str, body: dict[str, Any], field: str) -> None:
    failure = assert_failure(rate(user, answered, **body), 400, "INVALID_RATING")

    assert [detail["field"] for detail in failure["details"]] == [field]


def test_ratings_are_limited(make_app: MakeApp) -> None:
    apis = Apis(make_app(rate_limits=True, rate_limit_updates="1/minute"))
    session_id = apis.operator().start("u1")["sessionId"]

    rate(apis.user("u1"), session_id, score=5)
    assert_failure(rate(apis.user("u1"), session_id, score=5), 429, "RATE_LIMITED")


@pytest.mark.features("reports")
def test_reports_have_the_mean_in_total_and_of_each_agent(apis: Apis, operator: Api, ada: str, answered: str) -> None:
    ben = operator.create_agent("Ben", maxUsers=5)["id"]
    rate(apis.user("u1"), answered, score=5)
    for number, score in ((2, 2), (3, 3)):
        session_id = operator.start(f"u{number}")["sessionId"]
        apis.agent(ben).send(session_id)
        rate(apis.user(f"u{number}"), session_id, score=score)
        operator.end(session_id)
    operator.end(answered)

    report = data_of(operator.get("/api/reports/summary"))
    assert report["total"]["rating"] == {"count": 3, "mean": 3.33}
    of_agents = {row["agentId"]: row["rating"] for row in report["agents"]}
    assert of_agents == {ada: {"count": 1, "mean": 5.0}, ben: {"count": 2, "mean": 2.5}}
    assert data_of(operator.get("/api/reports/summary", agentId=ben))["total"]["rating"]["count"] == 2
    nothing = data_of(operator.get("/api/reports/summary", **{"from": "2020-01-01", "to": "2020-01-02"}))
    assert nothing["total"]["rating"] == {"count": 0, "mean": None}
    operator.headers["Accept"] = "text/csv"
    text = operator.get("/api/reports/summary").text.removeprefix("\ufeff")
    rows = [(row["ratingCount"], row["ratingMean"]) for row in csv.DictReader(io.StringIO(text, newline=""))]
    assert rows[0] == ("3", "3.33")
    assert set(rows[1:3]) == {("1", "5.0"), ("2", "2.5")}
    assert set(rows[3:]) == {("", "")}


@pytest.mark.features("privacy")
def test_a_rating_is_exported_and_its_comment_erased(user: Api, operator: Api, answered: str) -> None:
    rated = data_of(rate(user, answered, **GOOD))
    assert data_of(operator.get("/api/users/u1/export"))["ratings"] == [rated]

    operator.delete("/api/users/u1")
    assert operator.session(answered)["rating"] == {**rated["rating"], "comment": None}
