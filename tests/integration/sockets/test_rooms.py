"""Join and leave: the people in a session's room, and the events that the others get."""

from __future__ import annotations

from typing import Any

import pytest

from chatsupport.errors import DatabaseUnavailableError
from chatsupport.services.sessions import joins
from tests.api import Api, Apis
from tests.sockets import Sockets, assert_refused, succeeded


def test_joining_returns_the_whole_state(sockets: Sockets, apis: Apis, agent: dict[str, Any], session_id: str) -> None:
    apis.user("u1").send(session_id, "hello")
    history = apis.user("u1").get(f"/api/chat/messages/{session_id}").json["data"]["messages"]
    socket = sockets.user("u1")

    joined = socket.join(session_id)

    assert socket.heard("session_joined") == [joined]
    assert joined == joined | {
        "sessionId": session_id,
        "status": "active",
        "agentId": agent["id"],
        "agent": {"id": agent["id"], "name": "Ada", "isOnline": True},
        "queuePosition": None,
        "lastSeq": 1,
        "messages": history,
        "hasMore": False,
    }


def test_a_waiting_visitor_is_told_its_place(sockets: Sockets, operator: Api) -> None:
    operator.start("u1")
    session_id = operator.start("u2")["sessionId"]

    joined = sockets.user("u2").join(session_id)

    assert (joined["status"], joined["queuePosition"], joined["agent"]) == ("waiting", 2, None)
    assert (joined["lastSeq"], joined["messages"], joined["hasMore"]) == (0, [], False)


def test_a_first_join_gets_the_last_50_messages(sockets: Sockets, operator: Api, session_id: str) -> None:
    for _ in range(51):
        operator.send(session_id)

    joined = sockets.user("u1").join(session_id)

    assert [message["seq"] for message in joined["messages"]] == list(range(2, 52))
    assert (joined["hasMore"], joined["lastSeq"]) == (True, 51)


def test_a_returning_socket_gets_up_to_200_missed_messages(sockets: Sockets, operator: Api, session_id: str) -> None:
    for _ in range(202):
        operator.send(session_id)
    user = sockets.user("u1")

    for after, seqs, has_more in (
        (0, range(1, 201), True),
        (1, range(2, 202), True),
        (2, range(3, 203), False),
        (201, range(202, 203), False),
        (202, range(0), False),
        (9999, range(0), False),
    ):
        joined = user.join(session_id, after=after)
        assert [message["seq"] for message in joined["messages"]] == list(seqs)
        assert (joined["hasMore"], joined["lastSeq"]) == (has_more, 202)


def test_an_invalid_seq_to_resume_after_is_refused(
    sockets: Sockets, session_id: str, subtests: pytest.Subtests
) -> None:
    for after in [-1, 1.5, "1", True, [], {}, 2**53]:
        with subtests.test(after=after):
            answer = sockets.user("u1").call("join_session", {"sessionId": session_id, "after": after})

            assert_refused(answer, "INVALID_CURSOR")


def test_the_others_are_told_who_joined_and_the_newcomer_is_not(
    sockets: Sockets, agent: dict[str, Any], session_id: str
) -> None:
    user, helper = sockets.user("u1"), sockets.agent(agent["id"])
    user.join(session_id)

    helper.join(session_id)

    (joined,) = user.heard("user_joined")
    assert joined.pop("timestamp").endswith("Z")
    assert joined == {"sessionId": session_id, "userId": agent["id"], "userType": "agent"}
    assert helper.heard("user_joined") == []


def test_a_person_joins_once_however_many_tabs_are_open(
    sockets: Sockets, agent: dict[str, Any], session_id: str
) -> None:
    helper, first, second = sockets.agent(agent["id"]), sockets.user("u1"), sockets.user("u1")
    helper.join(session_id)

    first.join(session_id)
    second.join(session_id)
    first.join(session_id)

    assert [joined["userId"] for joined in helper.heard("user_joined")] == ["u1"]
    assert first.heard("user_joined") == second.heard("user_joined") == []


@pytest.mark.parametrize("way", ["leave_session", "disconnect"])
def test_a_person_leaves_with_the_last_tab(sockets: Sockets, agent: dict[str, Any], session_id: str, way: str) -> None:
    helper, first, second = sockets.agent(agent["id"]), sockets.user("u1"), sockets.user("u1")
    for socket in (helper, first, second):
        socket.join(session_id)

    def leave(socket: Any) -> None:
        if way == "disconnect":
            socket.close()
        else:
            assert succeeded(socket.call("leave_session", {"sessionId": session_id})) == {"sessionId": session_id}

    leave(first)
    assert helper.heard("user_left") == []
    leave(second)

    (left,) = helper.heard("user_left")
    assert left.pop("timestamp").endswith("Z")
    assert left == {
        "sessionId": session_id,
        "userId": "u1",
        "userType": "user",
        "reason": "left" if way == "leave_session" else "disconnected",
    }


def test_a_person_who_comes_back_joins_again(sockets: Sockets, agent: dict[str, Any], session_id: str) -> None:
    helper = sockets.agent(agent["id"])
    helper.join(session_id)

    for _ in range(2):
        user = sockets.user("u1")
        user.join(session_id)
        user.close()

    assert len(helper.heard("user_joined")) == len(helper.heard("user_left")) == 2


def test_a_socket_that_cannot_join_again_gets_what_it_missed_meanwhile(
    sockets: Sockets, operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = sockets.user("u1")
    socket.join(session_id)

    def end_and_fail(*_: object) -> None:
        operator.end(session_id)
        raise DatabaseUnavailableError

    with monkeypatch.context() as patched:
        patched.setattr(joins, "joined", end_and_fail)
        assert_refused(socket.call("join_session", {"sessionId": session_id}), "DATABASE_UNAVAILABLE")

    assert [event["sessionId"] for event in socket.heard("session_ended")] == [session_id]


def test_a_socket_that_left_gets_no_more_events(sockets: Sockets, operator: Api, session_id: str) -> None:
    user = sockets.user("u1")
    user.join(session_id)
    user.call("leave_session", {"sessionId": session_id})

    operator.send(session_id)

    assert user.heard("new_message") == []


def test_leaving_a_session_without_being_in_it_is_no_error(sockets: Sockets, session_id: str) -> None:
    user = sockets.user("u1")

    for _ in range(2):
        assert succeeded(user.call("leave_session", {"sessionId": session_id})) == {"sessionId": session_id}
    assert_refused(sockets.user("u2").call("leave_session", {"sessionId": session_id}), "FORBIDDEN")


def test_a_socket_in_several_sessions_gets_each_event_once(
    sockets: Sockets, operator: Api, ada: str, session_id: str
) -> None:
    operator.patch(f"/api/agents/{ada}", {"maxUsers": 2})
    other_id = operator.start("u2")["sessionId"]
    helper, user, other_user = sockets.agent(ada), sockets.user("u1"), sockets.user("u2")
    for target in (session_id, other_id):
        helper.join(target)
    user.join(session_id)
    other_user.join(other_id)

    for target in (session_id, other_id, other_id):
        operator.send(target)

    assert [message["sessionId"] for message in helper.heard("new_message")] == [session_id, other_id, other_id]
    assert [message["sessionId"] for message in user.heard("new_message")] == [session_id]
    helper.close()
    assert [left["sessionId"] for left in user.heard("user_left")] == [session_id]
    assert [left["sessionId"] for left in other_user.heard("user_left")] == [other_id]


def test_a_socket_is_in_50_sessions_at_most(sockets: Sockets, operator: Api) -> None:
    ids = [operator.start(f"u{number}")["sessionId"] for number in range(51)]
    socket = sockets.operator()
    for session_id in ids[:50]:
        socket.join(session_id)

    assert_refused(socket.call("join_session", {"sessionId": ids[50]}), "FORBIDDEN")
    socket.join(ids[0])
    socket.call("leave_session", {"sessionId": ids[0]})
    socket.join(ids[50])


def test_an_operator_may_join_in_anothers_name(sockets: Sockets, session_id: str) -> None:
    user, operator = sockets.user("u1"), sockets.operator()
    user.join(session_id)

    operator.join(session_id, userId="supervisor", userType="agent")
    operator.close()

    (joined,), (left,) = user.heard("user_joined"), user.heard("user_left")
    assert (joined["userId"], joined["userType"]) == ("supervisor", "agent")
    assert (left["userId"], left["userType"]) == ("supervisor", "agent")


def test_a_socket_that_joins_as_another_person_leaves_as_the_first(sockets: Sockets, session_id: str) -> None:
    user, operator = sockets.user("u1"), sockets.operator()
    user.join(session_id)

    operator.join(session_id, userId="first", userType="agent")
    operator.join(session_id, userId="second", userType="agent")
    operator.join(session_id, userId="second", userType="agent")
    assert user.say(session_id)["success"]
    operator.close()

    assert [joined["userId"] for joined in user.heard("user_joined")] == ["first", "second"]
    left = [(event["userId"], event["reason"]) for event in user.heard("user_left")]
    assert left == [("first", "left"), ("second", "disconnected")]
    assert len(operator.heard("new_message")) == 1


def test_a_user_may_join_only_in_its_own_name(sockets: Sockets, session_id: str) -> None:
    user = sockets.user("u1")

    user.join(session_id, userId="u1", userType="user")
    for claim in ({"userId": "u2"}, {"userType": "agent"}, {"userId": "u1", "userType": "system"}):
        assert_refused(user.call("join_session", {"sessionId": session_id, **claim}), "FORBIDDEN")
