"""Start, read and end sessions over REST."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from chatsupport.documents import Agent, Session
from tests.api import Api, Apis, assert_failure, data_of
from tests.applications import MakeApp
from tests.concurrency import run_together
from tests.sockets import Sockets


def test_a_session_gets_the_least_loaded_agent(apis: Apis, operator: Api) -> None:
    first, second = operator.create_agent("Ada"), operator.create_agent("Ben")

    agents = [operator.start(f"u{number}")["agentId"] for number in range(4)]

    assert agents == [first["id"], second["id"], first["id"], second["id"]]


def test_among_equals_the_agent_that_waited_longest_is_next(operator: Api) -> None:
    ada, ben = operator.create_agent("Ada"), operator.create_agent("Ben")
    with_ada, with_ben = operator.start("u1"), operator.start("u2")
    operator.end(with_ben["sessionId"])
    operator.end(with_ada["sessionId"])

    assert operator.start("u3")["agentId"] == ben["id"]
    assert operator.start("u4")["agentId"] == ada["id"]


def test_an_offline_agent_gets_no_session(operator: Api) -> None:
    operator.create_agent("Ada", isOnline=False)

    assert operator.start("u1")["status"] == "waiting"


def test_start_answers_the_whole_shape(operator: Api) -> None:
    agent = operator.create_agent("Ada", maxUsers=1)

    response = operator.post("/api/chat/start-session", {"userId": "  u1 "})

    started = data_of(response)
    assert response.status_code == 201
    assert started.pop("createdAt").endswith("Z")
    assert len(started.pop("sessionId")) == 24
    assert set(started.pop("instructions")) == {"websocket", "http"}
    assert started == {
        "status": "active",
        "agentId": agent["id"],
        "agent": {"id": agent["id"], "name": "Ada", "isOnline": True},
        "queuePosition": None,
        "waitingMessage": "You are connected to Ada.",
        "isOpen": True,
        "opensAt": None,
    }


def test_sessions_without_an_agent_wait_and_are_served_in_order(operator: Api) -> None:
    operator.create_agent("Ada", maxUsers=1)
    active = operator.start("u1")
    waiting = [operator.start(f"u{number}") for number in (2, 3, 4)]

    assert [session["queuePosition"] for session in waiting] == [1, 2, 3]
    assert all(session["status"] == "waiting" and session["agent"] is None for session in waiting)
    assert "number 2" in waiting[1]["waitingMessage"]

    operator.end(active["sessionId"])

    assert operator.session(waiting[0]["sessionId"])["status"] == "active"
    assert [operator.session(session["sessionId"])["queuePosition"] for session in waiting] == [None, 1, 2]


def test_a_new_session_does_not_overtake_waiting_ones(operator: Api) -> None:
    first = operator.start("u1")
    operator.create_agent("Ada", maxUsers=1)

    second = operator.start("u2")

    assert operator.session(first["sessionId"])["status"] == "active"
    assert second["status"] == "waiting"


def test_a_new_agent_gets_waiting_sessions(operator: Api) -> None:
    waiting = operator.start("u1")

    agent = operator.create_agent("Ada")

    assert agent["activeUsers"] == ["u1"]
    assert operator.session(waiting["sessionId"])["agentId"] == agent["id"]


def test_a_second_start_returns_the_open_session(operator: Api) -> None:
    first = operator.start("u1")

    response = operator.post("/api/chat/start-session", {"userId": "u1"})

    assert response.status_code == 200
    assert data_of(response)["sessionId"] == first["sessionId"]


def start_an_older_one(operator: Api) -> str:
    """Start two sessions of u1, and end the newer one: one of them came from a guest, or the clock was set back."""
    operator.end(operator.start("u1")["sessionId"])
    session_id = str(operator.start("u1")["sessionId"])
    older = Session.objects.get(id=session_id).created_at - timedelta(days=1)
    Session.objects(id=session_id).update(created_at=older, queued_at=older)
    return session_id


def test_a_second_start_returns_the_open_session_if_a_newer_one_has_ended(operator: Api) -> None:
    operator.create_agent("Ada", maxUsers=3)
    session_id = start_an_older_one(operator)

    assert operator.start("u1")["sessionId"] == session_id
    assert [agent.active_users for agent in Agent.objects] == [["u1"]]


def test_what_refuses_a_new_session_does_not_refuse_the_open_one(make_app: MakeApp) -> None:
    apis = Apis(make_app(queue_limit=1, rate_limits=True, rate_limit_start_session_address="1/hour"))
    session_id = start_an_older_one(apis.operator())
    u1, u2 = apis.user("u1"), apis.user("u2")
    assert_failure(u2.post("/api/chat/start-session", {"userId": "u2"}), 503, "QUEUE_FULL")
    assert_failure(u2.post("/api/chat/start-session", {"userId": "u2"}), 429, "RATE_LIMITED")

    assert u1.start("u1")["sessionId"] == session_id
    unknown = {"userId": "u1", "departmentId": "0" * 24}
    assert data_of(apis.operator().post("/api/chat/start-session", unknown))["sessionId"] == session_id


def test_after_its_end_a_user_starts_a_new_session(operator: Api) -> None:
    first = operator.start("u1")
    operator.end(first["sessionId"])

    assert operator.start("u1")["sessionId"] != first["sessionId"]


def test_one_user_starting_many_times_at_once_has_one_session(apis: Apis, operator: Api) -> None:
    operator.create_agent("Ada", maxUsers=5)

    started = run_together(*[lambda: operator.start("u1")] * 8)

    assert len({session["sessionId"] for session in started}) == 1
    assert Session.objects.count() == 1
    assert Agent.objects.first().active_users == ["u1"]


def test_of_users_racing_for_the_last_slot_exactly_one_gets_it(operator: Api) -> None:
    operator.create_agent("Ada", maxUsers=1)

    def start(number: int) -> Any:
        return lambda: operator.start(f"u{number}")

    started = run_together(*[start(number) for number in range(8)])

    # None if the session got its slot from another start, just after its own start answered that it waits.
    assert sorted(session["status"] for session in started).count("active") <= 1
    assert Session.objects(status="active").count() == 1
    agent = Agent.objects.first()
    assert len(agent.active_users) == 1
    assert (agent.load, agent.has_room) == (1, False)


def test_ending_many_sessions_at_once_frees_each_slot_once(operator: Api) -> None:
    operator.create_agent("Ada", maxUsers=4)
    active = [operator.start(f"u{number}")["sessionId"] for number in range(4)]
    waiting = [operator.start(f"w{number}")["sessionId"] for number in range(4)]

    run_together(*[lambda session_id=session_id: operator.end(session_id) for session_id in active * 2])

    assert [operator.session(session_id)["status"] for session_id in waiting] == ["active"] * 4
    assert Agent.objects.first().active_users == ["w0", "w1", "w2", "w3"] or set(
        Agent.objects.first().active_users
    ) == {"w0", "w1", "w2", "w3"}
    assert Agent.objects.first().load == 4


def test_session_answers_the_whole_shape(operator: Api) -> None:
    started = operator.start("u1")
    operator.send(started["sessionId"])

    session = operator.session(started["sessionId"])

    assert session.pop("duration") >= 0
    assert session.pop("createdAt") == started["createdAt"]
    assert session.pop("updatedAt").endswith("Z")
    # Features add fields, which their own tests look at.
    assert (
        session.items()
        >= {
            "id": started["sessionId"],
            "userId": "u1",
            "userType": "user",
            "status": "waiting",
            "agentId": None,
            "agent": None,
            "queuePosition": 1,
            "endedAt": None,
            "endReason": None,
            "messageCount": 1,
            "lastSeq": 1,
            "readSeq": [],
            "firstAssignedAt": None,
        }.items()
    )


def test_a_second_end_changes_nothing(operator: Api) -> None:
    session_id = operator.start("u1")["sessionId"]

    first = data_of(operator.end(session_id, reason="solved"))
    response = operator.end(session_id, reason="other")

    assert response.status_code == 200
    assert data_of(response) == first
    assert first["reason"] == "solved"
    assert first["statistics"]["totalMessages"] == 0
    assert first["statistics"]["averageResponseTime"] is None


def test_an_end_without_a_body_has_the_default_reason(apis: Apis) -> None:
    user = apis.user("u1")
    session_id = user.start("u1")["sessionId"]

    response = user.client.post(f"/api/chat/end-session/{session_id}", headers=user.headers)

    assert data_of(response)["reason"] == "User ended session"


def test_an_ended_session_accepts_no_messages(operator: Api) -> None:
    session_id = operator.start("u1")["sessionId"]
    operator.end(session_id)

    assert_failure(operator.send(session_id), 409, "SESSION_ENDED")


def test_messages_racing_an_end_are_counted_or_refused(apis: Apis, operator: Api) -> None:
    session_id = operator.start("u1")["sessionId"]
    user = apis.user("u1")

    *sent, ended = run_together(*[lambda: user.send(session_id)] * 12, lambda: operator.end(session_id))

    accepted = [response for response in sent if response.status_code == 201]
    assert all(response.status_code in (201, 409) for response in sent)
    assert data_of(ended)["statistics"]["totalMessages"] == len(accepted)
    assert operator.session(session_id)["lastSeq"] == len(accepted)


@pytest.mark.parametrize("session_id", ["nope", "6b02a346410e8790f1f544d2", "$ne", "a" * 500, "%00"])
def test_an_unknown_session_is_not_found(operator: Api, session_id: str) -> None:
    for response in (
        operator.get(f"/api/chat/session/{session_id}"),
        operator.get(f"/api/chat/messages/{session_id}"),
        operator.send(session_id),
        operator.end(session_id),
    ):
        assert_failure(response, 404, "SESSION_NOT_FOUND")


def test_somebody_elses_session_is_forbidden(apis: Apis, operator: Api) -> None:
    agent = operator.create_agent("Ada")
    other_agent = operator.create_agent("Ben")
    session_id = operator.start("u1")["sessionId"]

    for stranger in (apis.user("u2"), apis.agent(other_agent["id"])):
        assert_failure(stranger.get(f"/api/chat/session/{session_id}"), 403, "FORBIDDEN")
        assert_failure(stranger.get(f"/api/chat/messages/{session_id}"), 403, "FORBIDDEN")
        assert_failure(stranger.send(session_id), 403, "FORBIDDEN")
        assert_failure(stranger.end(session_id), 403, "FORBIDDEN")
    for friend in (apis.user("u1"), apis.agent(agent["id"]), operator):
        assert friend.session(session_id)["id"] == session_id


def test_a_user_starts_sessions_only_for_itself(apis: Apis) -> None:
    user = apis.user("u1")

    assert_failure(user.post("/api/chat/start-session", {"userId": "u2"}), 403, "FORBIDDEN")
    assert_failure(user.post("/api/chat/start-session", {"userId": "u1", "userType": "agent"}), 403, "FORBIDDEN")


def test_the_same_id_as_user_and_as_agent_are_two_people(operator: Api) -> None:
    as_user = operator.start("same")
    as_agent = data_of(operator.post("/api/chat/start-session", {"userId": "same", "userType": "agent"}))

    assert as_user["sessionId"] != as_agent["sessionId"]


@pytest.mark.features("privacy")
def test_an_internal_reason_is_for_staff_only(apis: Apis, sockets: Sockets, operator: Api) -> None:
    agent = apis.agent(operator.create_agent()["id"])
    session_id = operator.start("u1")["sessionId"]
    user, visitor = apis.user("u1"), sockets.user("u1")
    visitor.join(session_id)
    assert_failure(user.end(session_id, internalReason="mine"), 403, "FORBIDDEN")
    assert_failure(agent.end(session_id, internalReason="x" * 201), 400, "INVALID_REASON")

    ended = agent.end(session_id, reason="Ended by the agent", internalReason="Spam or abuse")

    assert data_of(ended)["reason"] == "Ended by the agent"
    assert visitor.wait_for("session_ended")[0]["reason"] == "Ended by the agent"
    assert "internalReason" not in user.session(session_id)
    for staff in (agent, operator):
        assert staff.session(session_id)["internalReason"] == "Spam or abuse"
        listed = data_of(staff.get("/api/chat/sessions"))["sessions"]
        assert [row["internalReason"] for row in listed] == ["Spam or abuse"]
    exported = operator.get("/api/users/u1/export")
    assert b"Spam" not in exported.data
    operator.delete("/api/users/u1")
    assert "internalReason" not in operator.session(session_id)


def test_an_open_session_is_found_even_if_a_newer_one_has_ended(operator: Api, user: Api, session_id: str) -> None:
    """As after a guest has brought its session along to a user who had another one meanwhile."""
    operator.end(session_id)
    newer = operator.start("u1")["sessionId"]
    operator.end(newer)
    Session.collection().update_one({"_id": ObjectId(session_id)}, {"$set": {"status": "waiting"}})

    assert user.start("u1")["sessionId"] == session_id
