"""A real chat: socket.io-client by websocket, python-socketio by long-polling, and curl, in one session."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import API_KEY
from tests.e2e.conftest import Connect
from tests.e2e.recording import Socket
from tests.e2e.rest import Rest
from tests.e2e.server import Server

pytestmark = pytest.mark.node


def test_three_kinds_of_clients_in_one_session(server: Server, connect: Connect, curl: type[Rest]) -> None:
    operator = curl(server.url, {"X-API-Key": API_KEY})
    agent_id = operator.create_agent("Ada")
    user_token, agent_token = operator.token("visitor-1"), operator.token(agent_id, "agent")
    third = curl(server.url, {"Authorization": f"Bearer {user_token}"})

    agent = connect("python", server.url, {"token": agent_token}, transports=["polling"])
    session_id = third.start("visitor-1")
    assigned = agent.wait_for("session_assigned")
    assert (assigned["id"], assigned["agentId"], assigned["status"]) == (session_id, agent_id, "active")

    user = connect("node", server.url, {"token": user_token}, transports=["websocket"])
    joined = user.join(session_id)
    assert (joined["agent"]["name"], joined["status"], joined["lastSeq"]) == ("Ada", "active", 0)
    assert user.wait_for("session_joined") == joined
    agent.join(session_id)
    here = user.wait_for("user_joined")
    assert (here["sessionId"], here["userId"], here["userType"]) == (session_id, agent_id, "agent")

    _type(agent, user, session_id, agent_id)
    _type(user, agent, session_id, "visitor-1")

    user.send(session_id, "Hello, my parcel is late \N{PACKAGE}")
    agent.send(session_id, "Hello! Let me look.")
    sent = third.send(session_id, "Thank you, from a script")
    assert (sent.status, sent.data["sessionStatus"]) == (201, "active")
    operator.send(session_id, "It is on its way.", senderId=agent_id, senderType="agent")
    user.send(session_id, "Wonderful")

    for socket in (user, agent):
        socket.wait_for("new_message", count=5)
    history = third.history(session_id)
    assert user.events("new_message") == agent.events("new_message") == history
    assert [message["seq"] for message in history] == [1, 2, 3, 4, 5]
    assert [(message["senderType"], message["senderId"]) for message in history] == [
        ("user", "visitor-1"),
        ("agent", agent_id),
        ("user", "visitor-1"),
        ("agent", agent_id),
        ("user", "visitor-1"),
    ]
    assert history[0]["message"] == "Hello, my parcel is late \N{PACKAGE}"

    assert user.call("mark_read", {"sessionId": session_id, "seq": 5})["success"]
    assert agent.wait_for("messages_read") == {"sessionId": session_id, "userId": "visitor-1", "seq": 5}
    assert (user.transport, agent.transport) == ("websocket", "polling")

    _end(server, session_id, third, user, agent)


def _type(typist: Socket, other: Socket, session_id: str, typist_id: str) -> None:
    for event, is_typing in (("typing_start", True), ("typing_stop", False)):
        assert typist.call(event, {"sessionId": session_id})["success"]
        seen = other.wait_for("user_typing", lambda data, is_typing=is_typing: data["isTyping"] is is_typing)
        assert (seen["sessionId"], seen["userId"]) == (session_id, typist_id)
    # The typing client is not told of its own typing. It may only have got the other's earlier typing.
    assert not [data for data in typist.events("user_typing") if data["userId"] == typist_id]


def _end(server: Server, session_id: str, third: Rest, user: Socket, agent: Socket) -> None:
    ended = agent.call("end_session", {"sessionId": session_id, "reason": "Solved"})
    assert ended["success"]
    assert ended["data"]["statistics"]["totalMessages"] == 5
    news: list[dict[str, Any]] = [socket.wait_for("session_ended") for socket in (user, agent)]
    assert news[0] == news[1]
    assert (news[0]["sessionId"], news[0]["reason"]) == (session_id, "Solved")

    late = user.call("send_message", {"sessionId": session_id, "message": "One more thing"})
    assert (late["success"], late["code"]) == (False, "SESSION_ENDED")
    assert third.send(session_id, "Or by REST").body["code"] == "SESSION_ENDED"
    assert third.post(f"/api/chat/end-session/{session_id}").data["endedAt"] == news[0]["endedAt"]

    user.close()
    left = agent.wait_for("user_left")
    assert (left["sessionId"], left["userId"], left["userType"]) == (session_id, "visitor-1", "user")
    health = server.anonymous().get("/api/health")
    assert (health.status, health.data["services"]["sessions"]["active"]) == (200, 0)
