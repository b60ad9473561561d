"""Order and exactly-once from outside: bursts, several senders at once, and a server killed in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api import make_token
from tests.e2e.conftest import Connect
from tests.e2e.recording import Socket
from tests.e2e.rest import Rest
from tests.e2e.server import Server, Servers

Event = tuple[str, dict[str, Any]]


def burst(session_id: str, sender: str, count: int) -> list[Event]:
    """Return `count` messages to be sent without waiting for each other."""
    return [
        (
            "send_message",
            {"sessionId": session_id, "message": f"{sender} {number}", "clientMessageId": f"{sender}-{number}"},
        )
        for number in range(1, count + 1)
    ]


def sent(socket: Socket, keys: list[str]) -> list[dict[str, Any]]:
    """Wait until each message is acknowledged once. Returns the stored messages in the order they were sent."""
    acknowledgements = socket.wait_for_acknowledgements(keys)
    assert all(envelope["success"] for envelope in acknowledgements.values())
    return [acknowledgements[key]["data"]["message"] for key in keys]


@pytest.fixture
def chat(server: Server, operator: Rest, connect: Connect, request: pytest.FixtureRequest) -> tuple[str, str, str]:
    """A session with an agent: its id and the tokens of the user and the agent."""
    name = request.node.name
    agent_id = operator.create_agent(f"Agent of {name}")
    session_id = operator.start(name)
    assert operator.get(f"/api/chat/session/{session_id}").data["agentId"] == agent_id
    return session_id, make_token(name), make_token(agent_id, "agent")


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_burst_keeps_its_order(
    server: Server, operator: Rest, connect: Connect, kind: str, transport: str, chat: tuple[str, str, str]
) -> None:
    session_id, user_token, agent_token = chat
    user = connect(kind, server.url, {"token": user_token}, transports=[transport])
    user.join(session_id)
    agent = connect("python", server.url, {"token": agent_token}, transports=["websocket"])
    agent.join(session_id)

    messages = sent(user, user.pipeline(burst(session_id, "user", 200)))
    assert [message["seq"] for message in messages] == list(range(1, 201))
    assert [message["message"] for message in messages] == [f"user {number}" for number in range(1, 201)]
    for socket in (user, agent):
        socket.wait_for("new_message", count=200)
        assert socket.events("new_message") == messages
    assert operator.history(session_id) == messages
    assert user.transport == transport


@pytest.mark.parametrize("agents_transport", ["websocket", "polling"])
def test_two_concurrent_senders_see_one_order(
    server: Server,
    operator: Rest,
    connect: Connect,
    kind: str,
    agents_transport: str,
    chat: tuple[str, str, str],
) -> None:
    session_id, user_token, agent_token = chat
    user = connect(kind, server.url, {"token": user_token}, transports=["websocket"])
    agent = connect("python", server.url, {"token": agent_token}, transports=[agents_transport])
    for socket in (user, agent):
        socket.join(session_id)

    keys = [socket.pipeline(burst(session_id, name, 100)) for socket, name in ((user, "user"), (agent, "agent"))]
    of_user, of_agent = sent(user, keys[0]), sent(agent, keys[1])
    for socket in (user, agent):
        socket.wait_for("new_message", count=200)
    history = operator.history(session_id)
    assert [message["seq"] for message in history] == list(range(1, 201))
    assert user.events("new_message") == agent.events("new_message") == history
    # Each sender's messages are in the order they were sent, whatever is between them.
    assert [message for message in history if message["senderType"] == "user"] == of_user
    assert [message for message in history if message["senderType"] == "agent"] == of_agent


def test_rest_and_sockets_share_one_order(
    server: Server, operator: Rest, connect: Connect, kind: str, chat: tuple[str, str, str]
) -> None:
    session_id, user_token, agent_token = chat
    user = connect(kind, server.url, {"token": user_token}, transports=["websocket"])
    user.join(session_id)
    agent = server.bearer(agent_token)

    def write(name: str) -> list[dict[str, Any]]:
        return [agent.send(session_id, f"{name} {number}").data["message"] for number in range(1, 21)]

    with ThreadPoolExecutor(3) as threads:
        writers = [threads.submit(write, f"script-{number}") for number in range(3)]
        of_user = sent(user, user.pipeline(burst(session_id, "user", 60)))
        of_scripts = [writer.result() for writer in writers]
    user.wait_for("new_message", count=120)
    history = operator.history(session_id)
    assert [message["seq"] for message in history] == list(range(1, 121))
    assert user.events("new_message") == history
    for messages in (of_user, *of_scripts):
        assert [message for message in history if message in messages] == messages


def test_acknowledged_messages_survive_a_killed_server(servers: Servers, connect: Connect) -> None:
    server = servers.start()
    operator = server.operator()
    session_id = operator.start("survivor")
    token = make_token("survivor")
    events = burst(session_id, "user", 300)
    user = connect("python", server.url, {"token": token}, transports=["websocket"])
    user.join(session_id)
    keys = user.pipeline(events)
    user.wait_for_acknowledgements(keys, count=40)
    server.kill()
    user.wait_for("disconnect")
    acknowledged = {key: reply["data"]["message"] for key, reply in user.acknowledgements(keys).items()}
    assert len(acknowledged) >= 40
    heard = user.events("new_message")

    server.restart()
    history = operator.history(session_id)
    assert [message["seq"] for message in history] == list(range(1, len(history) + 1))
    # Acknowledged or broadcast messages are stored unchanged. Of the others, the first ones may be stored.
    for message in (*acknowledged.values(), *heard):
        assert history[message["seq"] - 1] == message
    assert [message["message"] for message in history] == [event["message"] for _, event in events[: len(history)]]

    # The client repeats unacknowledged messages, and in the end each is stored once.
    again = connect("python", server.url, {"token": token}, transports=["websocket"])
    again.join(session_id)
    repeated = [event for key, event in zip(keys, events, strict=True) if key not in acknowledged]
    sent(again, again.pipeline(repeated))
    history = operator.history(session_id)
    assert [message["seq"] for message in history] == list(range(1, 301))
    assert [message["message"] for message in history] == [event["message"] for _, event in events]
    server.clean_up()


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_many_messages_at_once_reach_the_listener(
    server: Server, operator: Rest, connect: Connect, kind: str, transport: str
) -> None:
    session_id = operator.start(f"listener-{kind}-{transport}")
    listener = connect(kind, server.url, {"token": make_token(f"listener-{kind}-{transport}")}, transports=[transport])
    listener.join(session_id)
    with ThreadPoolExecutor(40) as threads:
        list(threads.map(lambda number: operator.send(session_id, f"{number}"), range(200)))
    listener.wait_for("new_message", count=200)
    assert listener.events("new_message") == operator.history(session_id)
    assert not listener.events("disconnect")


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_an_event_sent_after_unacknowledged_messages_happens_after_them(
    server: Server, operator: Rest, connect: Connect, kind: str, transport: str, request: pytest.FixtureRequest
) -> None:
    name = request.node.name
    session_id = operator.start(name)
    user = connect(kind, server.url, {"token": make_token(name)}, transports=[transport])
    user.join(session_id)

    messages = burst(session_id, "user", 30)
    keys = user.pipeline([*messages, ("end_session", {"sessionId": session_id}), burst(session_id, "late", 1)[0]])

    stored = sent(user, keys[:30])
    assert [message["seq"] for message in stored] == list(range(1, 31))
    end, late = (user.wait_for_acknowledgements([key])[key] for key in keys[30:])
    assert end["data"]["statistics"]["totalMessages"] == 30
    assert late["code"] == "SESSION_ENDED"
