"""Events of a session go through Valkey only to the processes that have somebody in it."""

from __future__ import annotations

import pytest
import redis

from tests.api import make_token
from tests.conftest import API_KEY
from tests.e2e.conftest import Connect
from tests.e2e.recording import Socket
from tests.e2e.server import Server, wait_until
from tests.e2e.valkey import Valkey


class Listening:
    """The listeners of each channel, as Valkey sees them."""

    def __init__(self, valkey: Valkey) -> None:
        self._client = redis.Redis.from_url(valkey.url)

    def to(self, session_id: str) -> int:
        """Return how many processes listen to a session."""
        return int(self._client.pubsub_numsub(f"chatsupport:session:{session_id}")[0][1])

    def becomes(self, session_id: str, count: int) -> None:
        """Wait until this many processes listen to it."""
        wait_until(lambda: self.to(session_id) == count, 40, lambda: f"{self.to(session_id)} processes listen")


@pytest.fixture
def listening(valkey: Valkey) -> Listening:
    return Listening(valkey)


def texts(socket: Socket) -> list[str]:
    return [message["message"] for message in socket.events("new_message")]


def test_a_process_listens_while_somebody_is_in_the_session(
    two_servers: tuple[Server, Server], connect: Connect, listening: Listening
) -> None:
    here, there = two_servers
    operator = here.operator()
    session_id, other_id = operator.start("listened-to"), operator.start("of-nobody")
    sockets = [connect("python", there.url, {"apiKey": API_KEY}, transports=["websocket"]) for _ in range(2)]
    assert listening.to(session_id) == 0

    for socket in sockets:
        socket.join(session_id)
    assert listening.to(session_id) == 1, "when the join is acknowledged the process listens"
    assert listening.to(other_id) == 0
    operator.send(session_id, "to both")
    for socket in sockets:
        socket.wait_for("new_message")

    sockets[0].call("leave_session", {"sessionId": session_id})
    operator.send(session_id, "to one")
    sockets[1].wait_for("new_message", count=2)
    assert listening.to(session_id) == 1
    sockets[1].close()
    listening.becomes(session_id, 0)
    assert texts(sockets[0]) == ["to both"]


def test_sockets_of_one_session_in_two_processes_get_every_event_once(
    two_servers: tuple[Server, Server], connect: Connect, listening: Listening
) -> None:
    here, there = two_servers
    agent_id = here.operator().create_agent("On both sides", maxUsers=20)
    agent = {"token": make_token(agent_id, "agent")}
    # Their own sockets are told of the session before they are in its room, and after they have left it.
    sockets = [connect("python", server.url, agent, transports=["websocket"]) for server in two_servers]
    session_id = here.operator().start("heard-once")
    for socket in sockets:
        socket.wait_for("session_assigned", lambda session: session["id"] == session_id)
        socket.join(session_id)
    listening.becomes(session_id, 2)
    # Without another agent, the same one gets it back, and a process that is told that first keeps it in the room.
    other = here.operator().create_agent("Who takes over")

    sockets[0].send(session_id, "from here")
    sockets[1].send(session_id, "from there")
    for socket in sockets:
        socket.wait_for("new_message", count=2)
    assert there.operator().post(f"/api/chat/transfer/{session_id}", {"agentId": other}).status == 200

    for socket in sockets:
        socket.wait_for("session_unassigned", lambda left: left["sessionId"] == session_id)
        # Each process tells its own sockets at once: only `seq` orders what two processes send.
        assert sorted(texts(socket)) == ["from here", "from there"]
        assert len([left for left in socket.events("session_unassigned") if left["sessionId"] == session_id]) == 1
    listening.becomes(session_id, 0)


def test_a_persons_sockets_in_other_processes_do_not_get_events_for_the_others(
    two_servers: tuple[Server, Server], connect: Connect
) -> None:
    here, there = two_servers
    agent_id = here.operator().create_agent("At two desks", maxUsers=20)
    agent = {"token": make_token(agent_id, "agent")}
    session_id = here.operator().start("of-two-desks")
    desk, other_desk = (connect("python", server.url, agent, transports=["websocket"]) for server in two_servers)
    visitor = connect("python", there.url, {"token": make_token("of-two-desks")}, transports=["websocket"])
    for socket in (other_desk, visitor, desk):
        socket.join(session_id)

    seq = desk.send(session_id, "Hello")["seq"]
    desk.call("typing_start", {"sessionId": session_id})
    desk.call("mark_read", {"sessionId": session_id, "seq": seq})

    assert visitor.wait_for("user_typing")["userId"] == agent_id
    assert visitor.wait_for("messages_read")["userId"] == agent_id
    desk.send(session_id, "Behind it")
    other_desk.wait_for("new_message", count=2)
    assert other_desk.events("user_typing") == other_desk.events("messages_read") == []


def test_identifying_and_signing_out_hold_in_every_process(
    two_servers: tuple[Server, Server], connect: Connect
) -> None:
    here, there = two_servers
    operator = here.operator()
    agent_id = operator.create_agent("Of the guest", maxUsers=20)
    guest = operator.post("/api/auth/token", {"guest": True}).data
    session_id = operator.start(guest["userId"])
    operator.post(f"/api/chat/transfer/{session_id}", {"agentId": agent_id})
    guests_socket = connect("python", there.url, {"token": guest["token"]}, transports=["websocket"])
    agent = connect("python", there.url, {"token": make_token(agent_id, "agent")}, transports=["websocket"])
    for socket in (guests_socket, agent):
        socket.join(session_id)
    token = here.operator().token("who-was-a-guest")

    answer = here.bearer(token).post("/api/auth/identify", {"guestToken": guest["token"]}).data

    assert answer == {"sessionId": session_id, "sessions": 1}
    assert agent.wait_for("session_updated")["userId"] == "who-was-a-guest"
    guests_socket.wait_for("disconnect")
    assert there.bearer(guest["token"]).get("/api/chat/stats").status == 401
    socket = connect("python", there.url, {"token": token}, transports=["websocket"])
    assert socket.join(session_id)["status"] == "active"
    assert socket.send(session_id, "It is me")["senderId"] == "who-was-a-guest"
    assert agent.wait_for("new_message")["senderId"] == "who-was-a-guest"

    here.bearer(token).post("/api/auth/logout")

    socket.wait_for("disconnect")
    assert there.bearer(token).get("/api/chat/stats").status == 401


def test_a_process_listens_again_to_all_its_channels_when_valkey_is_back(
    two_servers: tuple[Server, Server], valkey: Valkey, connect: Connect
) -> None:
    here, there = two_servers
    operator = here.operator()
    sessions = [operator.start(f"back-{number}") for number in range(20)]
    socket = connect("python", there.url, {"apiKey": API_KEY}, transports=["websocket"])
    for session_id in sessions:
        socket.join(session_id)

    valkey.kill()
    socket.call("leave_session", {"sessionId": sessions[0]})
    late = operator.start("joined-while-it-is-away")
    socket.join(late)
    valkey.start()

    again = Listening(valkey)
    for session_id in [*sessions[1:], late]:
        again.becomes(session_id, 1)
    assert again.to(sessions[0]) == 0
    wait_until(lambda: operator.send(late, "hello") and texts(socket))
