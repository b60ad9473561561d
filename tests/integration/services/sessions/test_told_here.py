"""If the event of a change in another process is lost, a process still tells its own sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module

import pytest
from bson import ObjectId
from flask import Flask

from chatsupport import broadcasts, orders
from chatsupport.database.clock import now
from chatsupport.documents import Session
from chatsupport.extensions import socketio
from chatsupport.orders import LeaveSession
from chatsupport.services.assignment import queue
from chatsupport.services.messages import message_log
from chatsupport.services.presence import membership
from chatsupport.services.sessions import told_here
from tests.api import Api, Apis, data_of
from tests.concurrency import eventually
from tests.sockets import Socket, Sockets


@pytest.fixture
def sockets(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    monkeypatch.setattr(queue, "ANNOUNCE_INTERVAL_SECONDS", 0.05)
    told_here.catch_up()  # It looks every so often, and knows since when.
    return Sockets(app)


@contextmanager
def elsewhere() -> Iterator[None]:
    """Run the block as another process, whose events do not arrive here."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(socketio.server.manager, "emit", lambda *args, **kwargs: None)
        yield


def forget(*sockets: Socket) -> None:
    for socket in sockets:
        socket.forget()


def test_an_assignment_in_another_process_is_announced(sockets: Sockets, operator: Api) -> None:
    session_id = operator.start("u1")["sessionId"]
    visitor = sockets.user("u1")
    visitor.join(session_id)
    ada = str(operator.create_agent("Ada", isOnline=False)["id"])
    agent = sockets.agent(ada)
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": True})
    assert visitor.heard("agent_assigned") == agent.heard("session_assigned") == []

    told_here.catch_up()

    assert [event["agentId"] for event in visitor.heard("agent_assigned")] == [ada]
    assert [session["id"] for session in agent.heard("session_assigned")] == [session_id]


def test_a_session_that_left_its_agent_and_waits_is_announced(sockets: Sockets, operator: Api, ada: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    visitor, agent = sockets.user("u1"), sockets.agent(ada)
    for socket in (visitor, agent):
        socket.join(session_id)
    told_here.catch_up()
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.post(f"/api/chat/transfer/{session_id}", {})

    told_here.catch_up()

    unassigned = {"sessionId": session_id, "agentId": ada, "reason": "transferred"}
    assert visitor.heard("session_unassigned") == agent.heard("session_unassigned") == [unassigned]
    assert visitor.wait_for("queue_update") == [{"sessionId": session_id, "queuePosition": 1}]
    assert visitor.heard("user_left")[-1]["userId"] == ada


def test_a_session_that_went_to_another_agent_is_announced(sockets: Sockets, operator: Api, ada: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    ben = str(operator.create_agent("Ben", maxUsers=1)["id"])
    visitor, old, new = sockets.user("u1"), sockets.agent(ada), sockets.agent(ben)
    for socket in (visitor, old):
        socket.join(session_id)
    told_here.catch_up()
    forget(visitor, old, new)
    with elsewhere():
        operator.post(f"/api/chat/transfer/{session_id}", {"agentId": ben})

    told_here.catch_up()

    assert visitor.heard("agent_assigned")[-1]["agentId"] == ben
    assert [event["agentId"] for event in old.heard("session_unassigned")] == [ada]
    assert [session["id"] for session in new.heard("session_assigned")] == [session_id]
    membership.evict_strangers()
    assert eventually(lambda: visitor.heard("user_left"))


def test_a_session_that_left_its_agent_and_ended_is_announced(sockets: Sockets, operator: Api, ada: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    agent = sockets.agent(ada)
    assert eventually(lambda: (ada, session_id) in told_here._assigned), "what it has is known from the beginning"
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.post(f"/api/chat/transfer/{session_id}", {})
        operator.end(session_id)

    told_here.catch_up()

    assert [event["sessionId"] for event in agent.heard("session_unassigned")] == [session_id]


def test_the_loss_of_a_session_from_an_agents_list_is_announced(sockets: Sockets, operator: Api, ada: str) -> None:
    agent = sockets.agent(ada)
    assert eventually(lambda: ada in told_here._agents)
    with elsewhere():
        session_id = operator.start("u1")["sessionId"]
    agent.join(session_id)
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.post(f"/api/chat/transfer/{session_id}", {})
    membership.evict_strangers()

    told_here.catch_up()

    assert [event["sessionId"] for event in agent.heard("session_unassigned")] == [session_id]


def test_an_end_in_another_process_is_announced(sockets: Sockets, operator: Api, ada: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    visitor, agent = sockets.user("u1"), sockets.agent(ada)
    for socket in (visitor, agent):
        socket.join(session_id)
    with elsewhere():
        operator.end(session_id)

    told_here.catch_up()

    for socket in (visitor, agent):
        (event,) = socket.heard("session_ended")
        assert (event["sessionId"], event["reason"]) == (session_id, "User ended session")


def test_a_message_of_an_unconnected_process_is_announced(sockets: Sockets, operator: Api, ada: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    visitor = sockets.user("u1")
    visitor.join(session_id)
    with elsewhere():
        operator.send(session_id, "hello")
    message_log.log._forget(ObjectId(session_id))

    told_here.catch_up()

    assert visitor.heard("session_sync") == [{"sessionId": session_id, "lastSeq": 1}]


@pytest.mark.features("consoles")
def test_the_length_of_the_queue_is_announced(sockets: Sockets, operator: Api, ada: str) -> None:
    agent = sockets.agent(ada)
    agent.wait_for("queue_changed")
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.start("u1")
    # What the consoles here were told in that moment was lost too, if the agent's arrival was still being announced.
    import_module("chatsupport.features.consoles.service")._told_queue.clear()

    told_here.catch_up()

    assert eventually(lambda: agent.heard("queue_changed")[-1]["waiting"] == 1)


def test_a_socket_that_got_every_event_is_told_nothing(sockets: Sockets, operator: Api, ada: str) -> None:
    agent, ben = sockets.agent(ada), str(operator.create_agent("Ben", maxUsers=2)["id"])
    other = sockets.agent(ben)
    first, second = (operator.start(user_id)["sessionId"] for user_id in ("u1", "u2"))
    visitor = sockets.user("u1")
    visitor.join(first)
    told_here.catch_up()
    operator.post(f"/api/chat/transfer/{first}", {"agentId": ben})
    operator.end(second)
    third = operator.start("u3")["sessionId"]
    operator.end(first)
    assert visitor.wait_for("session_ended")
    forget(visitor, agent, other)

    for _ in range(2):
        told_here.catch_up()

    assert operator.session(third)["status"] == "active"
    for socket in (visitor, agent, other):
        for event in ("agent_assigned", "session_assigned", "session_unassigned", "session_ended"):
            assert socket.heard(event) == []


def test_a_socket_that_reads_the_state_on_reconnecting_is_told_nothing(sockets: Sockets, operator: Api) -> None:
    session_id = operator.start("u1")["sessionId"]
    visitor = sockets.user("u1")
    visitor.join(session_id)
    visitor.close()
    assert eventually(lambda: not membership.joined_sessions())
    with elsewhere():
        operator.create_agent("Ada")
    visitor = sockets.user("u1")
    assert visitor.join(session_id)["status"] == "active"

    told_here.catch_up()

    assert visitor.heard("agent_assigned") == []


def test_a_newly_connected_agent_is_not_told_of_sessions_in_its_list(sockets: Sockets, operator: Api, ada: str) -> None:
    operator.start("u1")
    long_ago = now() - timedelta(minutes=1)
    Session.collection().update_one({}, {"$set": {"assignedAt": long_ago}})
    agent = sockets.agent(ada)

    told_here.catch_up()

    assert agent.heard("session_assigned") == []


def test_an_agent_is_told_what_it_got_between_its_list_and_the_look_at_newcomers(
    sockets: Sockets, operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(told_here, "look_at_newcomers", lambda: None)
    agent = sockets.agent(ada)
    with elsewhere():
        session_id = operator.start("u1")["sessionId"]
    told_here._look_at_newcomers()
    assert agent.heard("session_assigned") == []

    told_here.catch_up()
    told_here.catch_up()

    assert [session["id"] for session in agent.heard("session_assigned")] == [session_id]


def test_an_agent_that_joined_what_it_got_while_it_connected_is_not_told_again(
    sockets: Sockets, operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(told_here, "look_at_newcomers", lambda: None)
    with elsewhere():
        session_id = operator.start("u1")["sessionId"]
    agent = sockets.agent(ada)
    told_here._look_at_newcomers()
    agent.join(session_id)

    told_here.catch_up()

    assert agent.heard("session_assigned") == []


def test_an_agent_that_gets_a_session_back_while_all_are_compared_is_told_so_in_the_next_round(
    sockets: Sockets, operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = operator.start("u1")["sessionId"]
    agent = sockets.agent(ada)
    assert eventually(lambda: ada in told_here._agents)
    assigned_to = told_here._assigned_to

    def meanwhile(agents: set[str]) -> object:
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.post(f"/api/chat/transfer/{session_id}", {})
        with elsewhere():
            operator.patch(f"/api/agents/{ada}", {"isOnline": True})
        return assigned_to(agents)

    with monkeypatch.context() as patched:
        patched.setattr(told_here, "_assigned_to", meanwhile)
        told_here.catch_up()
    assert agent.wait_for("session_unassigned")
    assert agent.heard("session_assigned") == []

    told_here.catch_up()

    assert [session["id"] for session in agent.heard("session_assigned")] == [session_id]


def test_a_late_order_leaves_an_agent_in_the_session_that_it_has_again(
    sockets: Sockets, operator: Api, ada: str
) -> None:
    """Ada lost it to Ben in one process and got it back in another. The first one's order comes last."""
    session_id = operator.start("u1")["sessionId"]
    agent, visitor = sockets.agent(ada), sockets.user("u1")
    for socket in (agent, visitor):
        socket.join(session_id)

    orders.give(LeaveSession(session_id=session_id, person_id=ada, person_type="agent"))

    assert visitor.say(session_id)["success"]
    assert agent.wait_for("new_message")
    assert visitor.heard("user_left") == []


def test_an_agent_told_late_of_a_loss_learns_that_it_has_the_session(sockets: Sockets, operator: Api, ada: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    agent, visitor = sockets.agent(ada), sockets.user("u1")
    for socket in (agent, visitor):
        socket.join(session_id)
    told_here.catch_up()
    broadcasts.session_unassigned(ObjectId(session_id), ObjectId(ada), "transferred")
    agent.wait_for("session_unassigned")
    forget(agent, visitor)

    told_here.catch_up()

    assert [session["id"] for session in agent.heard("session_assigned")] == [session_id]
    assert [event["agentId"] for event in visitor.heard("agent_assigned")] == [ada]


def test_an_agent_refused_a_session_learns_that_it_has_it_again(sockets: Sockets, operator: Api, ada: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    agent = sockets.agent(ada)
    assert eventually(lambda: ada in told_here._agents)  # The look at newcomers is over.
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.post(f"/api/chat/transfer/{session_id}", {})
        assert agent.call("join_session", {"sessionId": session_id})["code"] == "FORBIDDEN"
        operator.patch(f"/api/agents/{ada}", {"isOnline": True})
    forget(agent)

    told_here.catch_up()

    assert [session["id"] for session in agent.heard("session_assigned")] == [session_id]


def test_an_identified_guest_is_announced(sockets: Sockets, apis: Apis, operator: Api, ada: str) -> None:
    guest = data_of(apis.anonymous().post("/api/auth/token", {"guest": True}))
    session_id = operator.start(guest["userId"])["sessionId"]
    agent = sockets.agent(ada)
    agent.join(session_id)
    with elsewhere():
        apis.user("u1").post("/api/auth/identify", {"guestToken": guest["token"]})
    assert agent.heard("session_updated") == []

    told_here.catch_up()
    told_here.catch_up()

    assert [session["userId"] for session in agent.heard("session_updated")] == ["u1"]
