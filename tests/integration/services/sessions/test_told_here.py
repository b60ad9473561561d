"""If the event of a change in another process is lost, a process still tells its own sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect

from chatsupport import broadcasts, orders
from chatsupport.database.clock import now
from chatsupport.documents import Session
from chatsupport.extensions import socketio
from chatsupport.orders import LeaveSession
from chatsupport.services.assignment import agent_presence, queue
from chatsupport.services.messages import message_log
from chatsupport.services.presence import membership
from chatsupport.services.server import processes
from chatsupport.services.sessions import joins, lists, told_here
from tests.api import Api, Apis, data_of
from tests.concurrency import eventually
from tests.interleaving import just_after, just_before
from tests.sockets import Socket, Sockets


@pytest.fixture
def sockets(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    monkeypatch.setattr(queue, "ANNOUNCE_INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(processes.here, "is_alone", lambda: False)
    return Sockets(app)


@contextmanager
def elsewhere() -> Iterator[None]:
    """Run the block as another process, whose events do not arrive here."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(socketio.server.manager, "emit", lambda *args, **kwargs: None)
        yield


def told_of(socket: Socket, *events: str) -> list[tuple[str, str]]:
    """Return the names of these events that the socket got, in order, each with its agent."""
    return [
        (packet["name"], packet["args"][0]["agentId"]) for packet in socket.client.queue if packet["name"] in events
    ]


def raises(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail


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
    told_here.evict_strangers()
    assert eventually(lambda: visitor.heard("user_left"))


def test_a_session_that_left_its_agent_and_ended_is_announced(sockets: Sockets, operator: Api, ada: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    agent = sockets.agent(ada)
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.post(f"/api/chat/transfer/{session_id}", {})
        operator.end(session_id)

    told_here.catch_up()

    assert [event["sessionId"] for event in agent.heard("session_unassigned")] == [session_id]


def test_the_loss_of_a_session_from_an_agents_list_is_announced(sockets: Sockets, operator: Api, ada: str) -> None:
    agent = sockets.agent(ada)
    with elsewhere():
        session_id = operator.start("u1")["sessionId"]
    agent.join(session_id)
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.post(f"/api/chat/transfer/{session_id}", {})
    told_here.evict_strangers()

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
    with elsewhere():
        operator.start("u1")
    agent = sockets.agent(ada)

    told_here.catch_up()

    assert agent.heard("session_assigned") == []


def test_a_process_that_was_alone_tells_an_agent_of_the_loss_of_what_it_had(
    sockets: Sockets, operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = operator.start("u1")["sessionId"]
    with monkeypatch.context() as patched:
        patched.setattr(processes.here, "is_alone", lambda: True)
        agent = sockets.agent(ada)
        assert eventually(lambda: not told_here._newcomers)
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.post(f"/api/chat/transfer/{session_id}", {})

    told_here.catch_up()

    assert [event["sessionId"] for event in agent.heard("session_unassigned")] == [session_id]


def test_a_round_before_the_look_at_newcomers_tells_them_nothing(
    sockets: Sockets, operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes.here, "is_alone", lambda: True)
    monkeypatch.setattr(told_here, "look_at_newcomers", lambda: None)
    operator.start("u1")
    agent = sockets.agent(ada)

    told_here.catch_up()

    assert agent.heard("session_assigned") == agent.heard("session_unassigned") == []


def test_an_agent_that_joins_before_the_look_at_newcomers_is_told_nothing(
    sockets: Sockets, operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes.here, "is_alone", lambda: True)
    monkeypatch.setattr(told_here, "look_at_newcomers", lambda: None)
    session_id = operator.start("u1")["sessionId"]
    agent = sockets.agent(ada)
    agent.join(session_id)
    told_here._look_at_newcomers()

    told_here.catch_up()

    assert agent.heard("session_assigned") == []


def test_an_agents_second_socket_is_told_of_what_came_before_its_first_one_was_let_in(
    sockets: Sockets, operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds: list[Socket] = []

    def meanwhile() -> None:
        if not seconds:
            seconds.append(sockets.agent(ada))
            with elsewhere():
                operator.start("u1")

    just_after(monkeypatch, agent_presence, "connected", meanwhile)
    sockets.agent(ada)

    told_here.catch_up()

    assert [session["userId"] for session in seconds[0].heard("session_assigned")] == ["u1"]


def test_an_agent_that_has_a_session_again_while_it_is_told_of_another_loss_is_told_of_no_second_one(
    sockets: Sockets, operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.patch(f"/api/agents/{ada}", {"maxUsers": 2})
    both = [operator.start(user_id)["sessionId"] for user_id in ("u1", "u2")]
    agent = sockets.agent(ada)
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        for session_id in both:
            operator.post(f"/api/chat/transfer/{session_id}", {})

    def meanwhile() -> None:
        if not agent.heard("session_assigned"):
            operator.patch(f"/api/agents/{ada}", {"isOnline": True})
            assert eventually(lambda: len(agent.heard("session_assigned")) == 2)

    just_after(monkeypatch, broadcasts, "session_lost", meanwhile)
    told_here.catch_up()

    last = [packet["name"] for packet in agent.client.queue if packet["name"].startswith("session_")][-2:]
    assert last == ["session_assigned", "session_assigned"]


def test_a_visitor_that_joins_with_an_agent_is_told_its_place_when_it_waits_again(
    sockets: Sockets, operator: Api, ada: str
) -> None:
    operator.patch(f"/api/agents/{ada}", {"isOnline": False})
    session_id = operator.start("u1")["sessionId"]
    first, second = sockets.user("u1"), sockets.user("u1")
    first.join(session_id)
    told_here.catch_up()
    first.close()
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": True})
    queue._announced[ObjectId(session_id)] = 1  # Another process does not forget it here.
    second.join(session_id)
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.post(f"/api/chat/transfer/{session_id}", {})
    forget(second)

    told_here.catch_up()

    assert second.wait_for("queue_update") == [{"sessionId": session_id, "queuePosition": 1}]


def test_an_agent_that_is_refused_a_session_it_was_in_is_outside(sockets: Sockets, operator: Api, ada: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    ben = operator.create_agent("Ben")["id"]
    agent = sockets.agent(ada)
    agent.join(session_id)
    with elsewhere():
        operator.post(f"/api/chat/transfer/{session_id}", {"agentId": ben})
    assert agent.call("join_session", {"sessionId": session_id})["code"] == "FORBIDDEN"
    forget(agent)

    operator.send(session_id, "for Ben only")

    assert agent.heard("new_message") == []


def test_a_room_that_an_agent_joins_while_all_are_compared_hears_of_no_older_agent(
    sockets: Sockets, operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = operator.start("u1")["sessionId"]
    ben = str(operator.create_agent("Ben")["id"])
    visitor, agent = sockets.user("u1"), sockets.agent(ben)
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.post(f"/api/chat/transfer/{session_id}", {"agentId": ben})
    visitor.join(session_id)
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": True})
        operator.post(f"/api/chat/transfer/{session_id}", {"agentId": ada})
    forget(visitor, agent)

    def meanwhile() -> None:
        with elsewhere():
            operator.post(f"/api/chat/transfer/{session_id}", {"agentId": ben})
        agent.join(session_id)

    with monkeypatch.context() as patched:
        just_after(patched, told_here, "_agents_of", meanwhile)
        told_here.catch_up()

    assert agent.heard("session_unassigned") == visitor.heard("session_unassigned") == []
    assert visitor.heard("agent_assigned") == []


def test_an_agent_that_has_a_session_again_as_it_is_taken_out_is_not_told_of_a_loss(
    sockets: Sockets, operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = operator.start("u1")["sessionId"]
    agent = sockets.agent(ada)
    agent.join(session_id)
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.post(f"/api/chat/transfer/{session_id}", {})

    def meanwhile() -> None:
        operator.patch(f"/api/agents/{ada}", {"isOnline": True})
        assert eventually(lambda: agent.heard("session_assigned"))

    just_after(monkeypatch, membership, "strangers_here", meanwhile)
    told_here.evict_strangers()

    assert agent.heard("session_unassigned") == []


def test_an_agent_is_told_once_what_it_got_after_it_connected(sockets: Sockets, operator: Api, ada: str) -> None:
    agent = sockets.agent(ada)
    with elsewhere():
        session_id = operator.start("u1")["sessionId"]
    # A slow start takes the slot, by which time it goes, long before it stores the session.
    Session.collection().update_one({}, {"$set": {"assignedAt": now() - timedelta(minutes=1)}})

    told_here.catch_up()
    told_here.catch_up()

    assert [session["id"] for session in agent.heard("session_assigned")] == [session_id]


def test_an_agent_that_connects_while_the_database_is_away_is_told_what_it_has(
    sockets: Sockets, operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = operator.start("u1")["sessionId"]
    with monkeypatch.context() as patched:
        patched.setattr(told_here, "_assigned_together", raises(AutoReconnect("The database is away")))
        agent = sockets.agent(ada)

    told_here.catch_up()

    assert [session["id"] for session in agent.heard("session_assigned")] == [session_id]


def test_an_agents_second_socket_is_told_of_the_loss_of_what_only_its_list_had(
    sockets: Sockets, operator: Api, ada: str
) -> None:
    sockets.agent(ada)
    with elsewhere():
        session_id = operator.start("u1")["sessionId"]
    second = sockets.agent(ada)
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.post(f"/api/chat/transfer/{session_id}", {})

    told_here.catch_up()

    assert [event["sessionId"] for event in second.heard("session_unassigned")] == [session_id]


def test_an_agents_first_socket_is_told_of_what_its_second_one_has_joined(
    sockets: Sockets, operator: Api, ada: str
) -> None:
    first, second = sockets.agent(ada), sockets.agent(ada)
    with elsewhere():
        session_id = operator.start("u1")["sessionId"]
    second.join(session_id)

    told_here.catch_up()

    assert [session["id"] for session in first.heard("session_assigned")] == [session_id]


def test_an_agents_second_socket_is_told_of_what_came_back_after_its_list(
    sockets: Sockets, operator: Api, ada: str
) -> None:
    session_id = operator.start("u1")["sessionId"]
    sockets.agent(ada)
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.post(f"/api/chat/transfer/{session_id}", {})
    second = sockets.agent(ada)
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": True})

    told_here.catch_up()

    assert [session["id"] for session in second.heard("session_assigned")] == [session_id]


def test_an_agents_first_socket_is_told_of_the_loss_of_what_its_second_one_was_refused(
    sockets: Sockets, operator: Api, ada: str
) -> None:
    session_id = operator.start("u1")["sessionId"]
    first, second = sockets.agent(ada), sockets.agent(ada)
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.post(f"/api/chat/transfer/{session_id}", {})
    assert second.call("join_session", {"sessionId": session_id})["code"] == "FORBIDDEN"

    told_here.catch_up()

    assert [event["sessionId"] for event in first.heard("session_unassigned")] == [session_id]


def test_an_agent_that_joins_a_session_while_all_are_compared_is_not_told_that_it_has_lost_it(
    sockets: Sockets, operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.patch(f"/api/agents/{ada}", {"maxUsers": 2})
    operator.start("u0")
    agent = sockets.agent(ada)

    def get_another() -> None:
        with elsewhere():
            session_id = operator.start("u1")["sessionId"]
        agent.join(session_id)

    just_after(monkeypatch, told_here, "_assigned_to", get_another)
    told_here.catch_up()

    assert agent.heard("session_unassigned") == []


@pytest.mark.parametrize("name", ["session_assigned", "session_unassigned"])
def test_a_failure_while_all_are_compared_leaves_nobody_untold(
    name: str, sockets: Sockets, operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = operator.start("u1")["sessionId"] if name == "session_unassigned" else None
    agent = sockets.agent(ada)
    with elsewhere():
        if first is None:
            session_id = operator.start("u1")["sessionId"]
        else:
            session_id = first
            operator.patch(f"/api/agents/{ada}", {"isOnline": False})
            operator.post(f"/api/chat/transfer/{session_id}", {})
    find = Collection.find

    def fail_later(self: Collection[Any], *args: Any, **kwargs: Any) -> Any:
        if self.name == "sessions" and "_id" in args[0]:
            raise AutoReconnect("The database is away")
        return find(self, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(Collection, "find", fail_later)
        patched.setattr(lists, "serialize", raises(AutoReconnect("The database is away")))
        with pytest.raises(AutoReconnect):
            told_here.catch_up()
    assert agent.heard(name) == []

    told_here.catch_up()

    assert [event.get("id", event.get("sessionId")) for event in agent.heard(name)] == [session_id]


def test_a_socket_that_knows_another_state_than_the_others_is_told_the_present_one(
    sockets: Sockets, operator: Api, ada: str
) -> None:
    session_id = operator.start("u1")["sessionId"]
    sockets.user("u1").join(session_id)
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.post(f"/api/chat/transfer/{session_id}", {})
    second = sockets.user("u1")
    assert second.join(session_id)["status"] == "waiting"
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": True})

    told_here.catch_up()
    told_here.catch_up()

    assert [event["agentId"] for event in second.heard("agent_assigned")] == [ada]


def test_a_room_is_told_last_which_agent_it_has(sockets: Sockets, operator: Api, ada: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    ben = str(operator.create_agent("Ben", maxUsers=1)["id"])
    visitor, old = sockets.user("u1"), sockets.agent(ada)
    for socket in (visitor, old):
        socket.join(session_id)
    forget(visitor)
    with elsewhere():
        operator.post(f"/api/chat/transfer/{session_id}", {"agentId": ben})

    told_here.catch_up()
    told_here.catch_up()

    changes = ("agent_assigned", "session_unassigned")
    assert told_of(visitor, *changes) == [("session_unassigned", ada), ("agent_assigned", ben)]


def test_an_agent_that_was_taken_out_of_a_session_learns_that_it_has_it_again(
    sockets: Sockets, operator: Api, ada: str
) -> None:
    session_id = operator.start("u1")["sessionId"]
    agent = sockets.agent(ada)
    agent.join(session_id)
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.post(f"/api/chat/transfer/{session_id}", {})
    told_here.evict_strangers()
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": True})

    told_here.catch_up()

    changes = ("session_unassigned", "session_assigned")
    assert [name for name, _ in told_of(agent, *changes)] == list(changes)


def test_a_visitor_who_is_back_in_the_queue_is_told_the_place_again(sockets: Sockets, operator: Api, ada: str) -> None:
    operator.patch(f"/api/agents/{ada}", {"isOnline": False})
    session_id = operator.start("u1")["sessionId"]
    visitor = sockets.user("u1")
    visitor.join(session_id)
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": True})
    queue._announced[ObjectId(session_id)] = 1  # The other process does not forget it here.
    told_here.catch_up()
    assert visitor.heard("agent_assigned")
    with elsewhere():
        operator.patch(f"/api/agents/{ada}", {"isOnline": False})
        operator.post(f"/api/chat/transfer/{session_id}", {})
    forget(visitor)

    told_here.catch_up()

    assert visitor.wait_for("queue_update") == [{"sessionId": session_id, "queuePosition": 1}]


def test_an_operator_that_joins_while_a_guest_is_identified_is_told_the_user(
    sockets: Sockets, apis: Apis, operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = data_of(apis.anonymous().post("/api/auth/token", {"guest": True}))
    session_id = operator.start(guest["userId"])["sessionId"]
    socket = sockets.operator()

    def identify() -> None:
        apis.user("u1").post("/api/auth/identify", {"guestToken": guest["token"]})

    just_before(monkeypatch, joins.history, "of_joined", identify)
    socket.join(session_id)
    told_here.catch_up()

    assert socket.heard("session_updated")[-1]["userId"] == "u1"


def test_an_agent_that_gets_a_session_back_while_all_are_compared_is_told_so_in_the_next_round(
    sockets: Sockets, operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = operator.start("u1")["sessionId"]
    agent = sockets.agent(ada)
    assigned_to = told_here._assigned_to

    def meanwhile(agents: list[str]) -> object:
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


def test_comparing_the_sessions_of_agents_reads_none_of_them(
    sockets: Sockets, operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.start("u1")
    sockets.agent(ada)
    find, examined = Collection.find, []

    def explain(self: Collection[Any], *args: Any, **kwargs: Any) -> Any:
        if self.name == "sessions":
            examined.append(find(self, *args, **kwargs).explain()["executionStats"]["totalDocsExamined"])
        return find(self, *args, **kwargs)

    monkeypatch.setattr(Collection, "find", explain)
    told_here.catch_up()

    assert examined == [0]
