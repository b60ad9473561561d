"""No process keeps counting somebody who has left as present, or an agent as having a session that it has lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bson import ObjectId

from chatsupport.documents import Session
from chatsupport.extensions import socketio
from chatsupport.identity import AGENT, Caller
from chatsupport.services.assignment import agent_presence
from chatsupport.services.presence import membership
from chatsupport.services.sessions import told_here
from chatsupport.sockets import connections, handshake
from tests.api import Api, make_token
from tests.concurrency import eventually
from tests.interleaving import just_after
from tests.sockets import Sockets


@pytest.fixture(autouse=True)
def nobody_from_other_tests() -> Iterator[None]:
    agent_presence._connections.clear()
    membership._connections.clear()
    yield
    agent_presence._connections.clear()


def test_a_socket_that_disconnects_while_connecting_leaves_nothing_behind(
    sockets: Sockets, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = connections.count()

    def lose() -> None:
        (arriving,) = connections.of(Caller(ada, AGENT))
        eio_sid = socketio.server.manager.eio_sid_from_sid(arriving.sid, "/")
        socketio.server._handle_eio_disconnect(eio_sid, "client disconnect")

    just_after(monkeypatch, handshake, "_admit", lose)

    sockets.attempt({"token": make_token(ada, "agent")})

    assert agent_presence._connections == {}
    assert connections.count() == known


def test_a_socket_removed_twice_removes_no_other(sockets: Sockets, ada: str) -> None:
    agent_id = ObjectId(ada)
    agent_presence.connected(agent_id, "first")
    agent_presence.connected(agent_id, "second")

    agent_presence.disconnected(agent_id, "first")
    agent_presence.disconnected(agent_id, "first")
    agent_presence.disconnected(agent_id, "third")

    assert agent_presence._connections == {agent_id: {"second"}}


def test_an_agent_not_told_of_a_transfer_leaves_the_room_at_the_next_heartbeat(
    sockets: Sockets, operator: Api, ada: str
) -> None:
    operator.patch(f"/api/agents/{ada}", {"maxUsers": 2})
    session_id, other_id = operator.start("u1")["sessionId"], operator.start("u2")["sessionId"]
    helper, user = sockets.agent(ada), sockets.user("u1")
    for socket in (helper, user):
        socket.join(session_id)
    helper.join(other_id)
    # The process that moved the session was killed before it announced that.
    move = {"$set": {"agentId": ObjectId()}}
    Session.collection().update_one({"_id": ObjectId(session_id)}, move)

    told_here.evict_strangers()

    assert eventually(lambda: [event["reason"] for event in user.heard("user_left")]) == ["unassigned"]
    user.say(session_id)
    assert user.wait_for("new_message")
    operator.send(other_id)
    assert [message["sessionId"] for message in helper.wait_for("new_message")] == [other_id]


def test_a_heartbeat_removes_nobody_who_belongs_there(sockets: Sockets, operator: Api, ada: str) -> None:
    operator.patch(f"/api/agents/{ada}", {"maxUsers": 2})
    visitor = operator.create_agent("Ben", isOnline=False)["id"]
    body = {"userId": visitor, "userType": "agent"}
    visit = operator.post("/api/chat/start-session", body).json["data"]["sessionId"]
    own, ended = operator.start("u1")["sessionId"], visit
    helper, guest, anybody = sockets.agent(ada), sockets.agent(visitor), sockets.operator()
    for socket, session_id in ((helper, own), (helper, visit), (guest, visit), (anybody, own)):
        socket.join(session_id)
    operator.end(ended)

    told_here.evict_strangers()

    operator.send(own)
    for socket in (helper, anybody):
        assert socket.wait_for("new_message")
    assert membership.connections_of(ObjectId(visit), Caller(visitor, AGENT))
    assert membership.connections_of(ObjectId(visit), Caller(ada, AGENT))
